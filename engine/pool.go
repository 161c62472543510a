package engine

import (
	"log/slog"
	"time"
)

// poolPatience is the time without a worker after which that is logged.
const poolPatience = 5 * time.Second

// watchPool logs that a shared Pool has no worker for this engine.
func (e *Engine) watchPool(now time.Duration) {
	if e.cfg.Pool == nil || now < e.starvedAt {
		return
	}
	e.starvedAt = now + time.Second
	if starved := e.verifier.Starved(); starved >= poolPatience {
		e.logLimited(&e.limits.pool, slog.LevelWarn, "nothing is verified: Pool has had no goroutine for us", "since", starved)
	}
}
