package core

import "github.com/lanecast/lanecast/wire"

// A call is a question to the application or a request to a signer. The core numbers its calls. The driver gives each
// one a context, ends that context when a Cancel effect names the call, and feeds back what the call returned, a
// cancelled one's answer too.

// call holds the subject of a call that has not returned.
type call struct {
	kind  EffectKind
	chunk wire.Chunk
	epoch uint64
	lane  *lane
}

// calls are the calls of one kind that a lane has made and that have not returned. Only the answer to the current one
// counts. The others have been cancelled.
type calls struct {
	current uint64 // number of the call whose answer counts; 0 for none
	out     int    // calls that have not returned, at most maxCalls
}

// maxCalls bounds the calls of one kind that may be out for one lane: the current one, and one that was cancelled and has
// not returned yet. PROTOCOL.md 4.5.
const maxCalls = 2

// begin emits a call and returns the effect, nil if too many are out. A current call is cancelled first.
func (c *Core) begin(k *calls, about call) *Effect {
	c.cancel(k)
	if k.out == maxCalls {
		return nil
	}
	c.lastCall++
	k.current = c.lastCall
	k.out++
	c.calls[c.lastCall] = about
	e := c.emit(about.kind)
	e.Call, e.Chunk, e.Epoch = c.lastCall, about.chunk, about.epoch
	return e
}

// cancel ends the current call, if there is one. Its answer will not count.
func (c *Core) cancel(k *calls) {
	if k.current != 0 {
		c.emit(Cancel).Call = k.current
		k.current = 0
	}
}

// concerns reports whether the current call is about the chunk in the epoch.
func (c *Core) concerns(k *calls, chunk *wire.Chunk, epoch uint64) bool {
	if k.current == 0 {
		return false
	}
	about := c.calls[k.current]
	return about.chunk == *chunk && about.epoch == epoch
}

// returned takes note that a call of the given kind has returned. It returns what the call was about and whether its
// answer counts; ok is false for a number that is no such call's.
func (c *Core) returned(kind EffectKind, number uint64) (about call, counts, ok bool) {
	about, ok = c.calls[number]
	if !ok || about.kind != kind {
		return call{}, false, false
	}
	delete(c.calls, number)
	k := c.callsOf(&about)
	k.out--
	counts = k.current == number
	if counts {
		k.current = 0
	}
	return about, counts, true
}

// callsOf returns the account that a call is in.
func (c *Core) callsOf(about *call) *calls {
	switch about.kind {
	case AskVerify:
		return &about.lane.questions
	case SignAck:
		return &about.lane.signatures
	case AskPropose:
		return &c.proposing.questions
	default:
		return &c.proposing.signatures
	}
}
