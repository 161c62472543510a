package core

import (
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/wire"
)

// The workers verify so many statements at once, and more only wait in a list. Candidates that have their quorum while
// the workers are busy therefore wait here instead: votes go on arriving for them, and the later their signers are
// chosen the more of them have the same ones, which is what makes a batch cheap (aggregate.Candidate.Statement).

// turns is who waits for its turn to be verified.
type turns struct {
	flying  int    // statements of votes in verification
	taken   uint64 // statements of votes so far
	waiting line
}

// line is candidates that wait, those that came first in front.
type line []waiter

// waiter is a candidate in a line.
type waiter struct {
	ref
	due time.Duration // when to try it; 0 where it waits for its turn only
}

// wait puts w at the end of l.
func (c *Core) wait(l *line, w waiter) {
	if len(*l) == cap(*l) { // before it grows, forget those that have been certified meanwhile
		kept := (*l)[:0]
		for _, w := range *l {
			if _, waiting := c.find(w.ref); waiting != nil {
				kept = append(kept, w)
			}
		}
		clear((*l)[len(kept):])
		*l = kept
	}
	*l = append(*l, w)
}

// drop takes the first n out.
func (l *line) drop(n int) {
	if n == 0 {
		return
	}
	rest := copy(*l, (*l)[n:])
	clear((*l)[rest:])
	*l = (*l)[:rest]
}

// ref is where to find a candidate, if it is still there.
type ref struct {
	lane    *lane
	key     aggregate.Key
	payload wire.Digest
}

func refTo(l *lane, candidate *aggregate.Candidate) ref {
	return ref{l, candidate.Slot().Key, candidate.Payload}
}

// signersKept is for how many statements the signers that come first stay the same. Then the next validator's turn
// comes, so that none is left out of certificates for good.
const signersKept = 256

// mayVerify reports whether one more statement of votes may be under way.
func (c *Core) mayVerify() bool {
	return c.cfg.VotesInFlight == 0 || c.turns.flying < c.cfg.VotesInFlight
}

// queue lets a candidate wait for its turn.
func (c *Core) queue(l *lane, candidate *aggregate.Candidate) {
	if candidate.Queue() {
		c.wait(&c.turns.waiting, waiter{ref: refTo(l, candidate)})
	}
}

// find returns the candidate that r refers to, nil if there is none any more.
func (c *Core) find(r ref) (*epoch, *aggregate.Candidate) {
	slot, e := r.lane.votes.Slot(r.key), c.epochs[r.key.Epoch]
	if slot == nil || e == nil {
		return nil, nil
	}
	return e, slot.Candidate(r.payload)
}

// nextTurns has those verified that waited longest, as far as that may be.
func (c *Core) nextTurns() {
	t := &c.turns
	n := 0
	for n < len(t.waiting) && c.mayVerify() {
		w := t.waiting[n]
		n++
		if e, candidate := c.find(w.ref); candidate != nil {
			candidate.Unqueue()
			c.tryCandidate(w.lane, e, candidate)
		}
	}
	t.waiting.drop(n)
}
