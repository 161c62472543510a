package core

import (
	"github.com/lanecast/lanecast/internal/shrink"
	"github.com/lanecast/lanecast/wire"
)

// A call is a question to the application or a request to a signer. The core numbers its calls. The
// driver gives each one a context, ends that context when a Cancel effect names the call, and feeds
// back the result of every call, including cancelled ones.

// calls are the calls that have not returned.
type calls struct {
	out  *effects
	open map[uint64]call // by number
	peak shrink.Peak     // of open
	last uint64
}

// call holds the subject of a call that has not returned.
type call struct {
	kind  EffectKind
	chunk wire.Chunk
	epoch uint64
	lane  *lane
	of    *series
}

// series are the calls of one kind that a lane makes. Only the answer to the current one counts.
// The others have been cancelled.
type series struct {
	current uint64 // number of the call whose answer counts; 0 for none
	out     int    // calls that have not returned, at most maxCalls
}

// maxCalls is the highest number of outstanding calls of one kind for one lane: the current one,
// and one that was cancelled and has not returned yet. docs/protocol.md 4.5.
const maxCalls = 2

// begin emits a call and returns the effect, or nil if too many of its series are outstanding. A
// current call is cancelled first.
func (c *calls) begin(s *series, about call) *Effect {
	c.cancel(s)
	if s.out == maxCalls {
		return nil
	}
	c.last++
	s.current = c.last
	s.out++
	about.of = s
	c.open[c.last] = about
	e := c.out.emit(about.kind)
	e.Call, e.Chunk, e.Epoch = c.last, about.chunk, about.epoch
	return e
}

// cancel ends the current call of a series, if there is one. Its answer will not count.
func (c *calls) cancel(s *series) {
	if s.current != 0 {
		c.out.emit(Cancel).Call = s.current
		s.current = 0
	}
}

// current returns the current call of a series, and false if there is none.
func (c *calls) current(s *series) (call, bool) {
	about, ok := c.open[s.current]
	return about, ok
}

// returned records that a call of the given kind has returned. It returns the subject of the call
// and whether its answer counts; ok is false if there is no such call of that number.
func (c *calls) returned(kind EffectKind, number uint64) (about call, counts, ok bool) {
	about, ok = c.open[number]
	if !ok || about.kind != kind {
		return call{}, false, false
	}
	delete(c.open, number)
	c.open = shrink.Map(c.open, &c.peak)
	s := about.of
	s.out--
	counts = s.current == number
	if counts {
		s.current = 0
	}
	return about, counts, true
}
