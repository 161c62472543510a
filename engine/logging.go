package engine

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// logInterval is the least time between two log lines about failures of one kind. A permanent
// failure recurs with each attempt.
const logInterval = 10 * time.Second

// logLimits are the kinds of our own failures.
type logLimits struct {
	verdict, ack, chunk, pool logLimit
}

// logLimit passes one line per logInterval, and counts the others. Any goroutine may use it.
type logLimit struct {
	mu      sync.Mutex
	next    time.Time
	omitted int
}

// logLimited logs a failure unless one of its kind was logged lately.
func (e *Engine) logLimited(l *logLimit, level slog.Level, text string, args ...any) {
	l.mu.Lock()
	now, omitted := time.Now(), l.omitted
	if now.Before(l.next) {
		l.omitted++
		l.mu.Unlock()
		return
	}
	l.next, l.omitted = now.Add(logInterval), 0
	l.mu.Unlock()
	if omitted > 0 {
		args = append(args, "omitted before", omitted)
	}
	e.log.Log(context.Background(), level, text, args...)
}
