package network

import (
	"context"
	"sync"
	"time"
)

// pacer divides the sending of bulk among peers: a few peers have a place at once, in the order in
// which they ask, and all share one rate.
type pacer struct {
	rate int // bytes per second, 0 for unlimited
	turn int // bytes after which a place is lost while others wait

	mu      sync.Mutex
	free    int         // places
	waiting []*bulkTurn // for a place, oldest first
	due     time.Time   // when the next bytes may be sent
}

// burst is the time by which the rate may be exceeded for a moment.
const burst = 10 * time.Millisecond

// stuckAfter is the time that a write may take until its place goes to another peer.
const stuckAfter = 50 * time.Millisecond

func newPacer(rate, places, turn int) *pacer { return &pacer{rate: rate, free: places, turn: turn} }

// bulkTurn is one connection's part in a pacer. Only its writer calls its methods; the pacer's mu
// guards the fields whose comment names it.
type bulkTurn struct {
	pacer   *pacer
	granted chan struct{} // room for one token: a place was given
	placed  bool          // holds a place; guarded by mu
	sent    int           // bytes in this turn; guarded by mu
	stuck   *time.Timer
}

func (p *pacer) join() *bulkTurn {
	t := &bulkTurn{pacer: p, granted: make(chan struct{}, 1)}
	t.stuck = time.AfterFunc(time.Hour, t.abandon)
	t.stuck.Stop()
	return t
}

// leave gives the place back, or stops waiting for one.
func (t *bulkTurn) leave() {
	p := t.pacer
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.placed {
		t.placed = false
		p.pass()
		return
	}
	for i, w := range p.waiting {
		if w == t {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return
		}
	}
}

// abandon gives the place of a write that got stuck to another.
func (t *bulkTurn) abandon() {
	t.pacer.mu.Lock()
	defer t.pacer.mu.Unlock()
	if t.placed {
		t.placed = false
		t.pacer.pass()
	}
}

// pass gives a free place to the connection that has waited longest. mu must be held.
func (p *pacer) pass() {
	if len(p.waiting) == 0 {
		p.free++
		return
	}
	next := p.waiting[0]
	p.waiting = append(p.waiting[:0], p.waiting[1:]...)
	next.placed, next.sent = true, 0
	next.granted <- struct{}{}
}

// ask asks for a place and reports whether there was one. If not, granted gets a token later.
func (t *bulkTurn) ask() bool {
	p := t.pacer
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.placed && (t.sent < p.turn || len(p.waiting) == 0) {
		return true
	}
	if t.placed { // the turn is over
		t.placed = false
		p.pass()
	}
	if p.free > 0 {
		p.free--
		t.placed, t.sent = true, 0
		return true
	}
	p.waiting = append(p.waiting, t)
	return false
}

// begin waits until n bytes may be sent, and starts to watch whether the write gets stuck.
func (t *bulkTurn) begin(ctx context.Context, n int) error {
	p := t.pacer
	p.mu.Lock()
	t.sent += n
	var wait time.Duration
	if p.rate > 0 {
		now := time.Now()
		if earliest := now.Add(-burst); p.due.Before(earliest) {
			p.due = earliest
		}
		wait = p.due.Sub(now)
		p.due = p.due.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	}
	p.mu.Unlock()
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	t.stuck.Reset(stuckAfter)
	return nil
}

// end stops the watch that begin started.
func (t *bulkTurn) end() { t.stuck.Stop() }
