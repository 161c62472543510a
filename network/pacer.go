package network

import (
	"context"
	"slices"
	"sync"
	"time"
)

// pacer divides the sending of bulk among peers: a few peers have a place at once, in the order in
// which they ask, and all share one rate.
type pacer struct {
	rate int // bytes per second, 0 for unlimited
	turn int // bytes after which a place is lost while others wait

	mu           sync.Mutex
	free         int         // places
	waiting      []*bulkTurn // members that wait for a place, oldest first
	last         []*bulkTurn // followers that wait for one
	members      int         // that have a place
	followers    int         // that have one
	maxFollowers int
	due          time.Time // when the next bytes may be sent
	dueLast      time.Time // the same for a follower while members have places
}

// burst is the time by which the rate may be exceeded for a moment.
const burst = 10 * time.Millisecond

// stuckAfter is the time that a write may take until its place goes to another peer.
const stuckAfter = 50 * time.Millisecond

func newPacer(rate, places, turn int) *pacer {
	return &pacer{rate: rate, free: places, turn: turn, maxFollowers: max(1, places/4)}
}

// bulkTurn is one connection's part in a pacer. Only its writer calls its methods; the pacer's mu
// guards the fields whose comment names it.
type bulkTurn struct {
	pacer   *pacer
	granted chan struct{} // room for one token: a place was given
	placed  bool          // holds a place; guarded by mu
	late    bool          // it is a follower's, as it was last asked for; guarded by mu
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
		p.vacate(t)
		return
	}
	p.waiting = without(p.waiting, t)
	p.last = without(p.last, t)
}

func without(waiting []*bulkTurn, t *bulkTurn) []*bulkTurn {
	return slices.DeleteFunc(waiting, func(w *bulkTurn) bool { return w == t })
}

// abandon gives the place of a write that got stuck to another.
func (t *bulkTurn) abandon() {
	t.pacer.mu.Lock()
	defer t.pacer.mu.Unlock()
	if t.placed {
		t.pacer.vacate(t)
	}
}

// place gives one of the free places to a connection. mu must be held.
func (p *pacer) place(t *bulkTurn) {
	p.free--
	t.placed, t.sent = true, 0
	*p.having(t)++
}

// vacate takes a place from a connection. mu must be held.
func (p *pacer) vacate(t *bulkTurn) {
	*p.having(t)--
	t.placed = false
	p.free++
	p.pass()
}

// pass gives a free place to the connection that has waited longest. mu must be held.
func (p *pacer) pass() {
	for p.free > 0 {
		waiting := &p.waiting
		if len(p.waiting) == 0 {
			if waiting = &p.last; len(p.last) == 0 || p.followers >= p.maxFollowers {
				return
			}
		}
		next := (*waiting)[0]
		*waiting = append((*waiting)[:0], (*waiting)[1:]...)
		p.place(next)
		next.granted <- struct{}{}
	}
}

func (p *pacer) having(t *bulkTurn) *int {
	if t.late {
		return &p.followers
	}
	return &p.members
}

// ask asks for a place and reports whether there was one. If not, granted gets a token later.
func (t *bulkTurn) ask(follower bool) bool {
	p := t.pacer
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.placed && t.late != follower { // its role has changed
		*p.having(t)--
		t.late = follower
		*p.having(t)++
		p.pass()
	}
	if t.placed && !t.over() {
		return true
	}
	if t.placed {
		p.vacate(t)
	}
	t.late = follower
	switch {
	case p.free > 0 && (!follower || p.followers < p.maxFollowers):
		p.place(t)
		return true
	case follower:
		p.last = append(p.last, t)
	default:
		p.waiting = append(p.waiting, t)
	}
	return false
}

// over reports whether the turn of a connection with a place is over. A follower's turn is over
// when a member waits or, after a change of roles, there are too many followers. Any turn is over
// when another connection waits and this one has sent much. mu must be held.
func (t *bulkTurn) over() bool {
	p := t.pacer
	if t.late {
		return len(p.waiting) > 0 || p.followers > p.maxFollowers || t.sent >= p.turn && len(p.last) > 0
	}
	return t.sent >= p.turn && len(p.waiting)+len(p.last) > 0
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
		took := time.Duration(float64(n) / float64(p.rate) * float64(time.Second))
		wait = p.due.Sub(now)
		if t.late && p.members > 0 {
			if p.dueLast.Before(now) {
				p.dueLast = now
			}
			wait = max(wait, p.dueLast.Sub(now))
			p.dueLast = p.dueLast.Add(took * followersPart)
		}
		p.due = p.due.Add(took)
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
