package core

import (
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// What follows is PROTOCOL.md 3.3 on suspects. Whoever was proven to send an invalid ack can send one for every chunk, at
// no cost, and it takes us subgroup checks and pairings to prove each. So suspects' acks are looked at where the others
// have not made the quorum in SuspectDelay, only as many as are missing, and those first whose validators offended least.
// That is not enough: a single honest validator that is slow for a while, or is made to be, would have us look for every
// chunk. So looks that find invalid acks take turns, and after each there is a pause of several times what it took. They
// cost a fixed share of the time of one worker, whatever suspects send. Looks that find none are not held back.

// looks is what bounds looking at suspects' votes.
type looks struct {
	// stalled are the candidates to be tried again, by due time. They have a quorum only with the votes of suspects, which
	// are looked at once it is due, if the others have not completed it by then. Or their statement came back without a
	// verdict.
	stalled  line
	flying   int           // looks under way
	trusting bool          // the latest look found nothing invalid: several may be under way
	next     time.Duration // none before that

	keys keyFaults
}

const (
	// lookPause is how many times as long as a look that found invalid votes the pause after it is.
	lookPause = 7
	// maxLookPause bounds the pause, in terms of SuspectDelay.
	maxLookPause = 16
)

// stall lets a candidate wait.
func (c *Core) stall(l *lane, candidate *aggregate.Candidate) {
	due := c.now + c.cfg.SuspectDelay
	c.wait(&c.looks.stalled, waiter{refTo(l, candidate), due})
	c.wake(due)
}

// mayLook reports whether suspects' votes may be looked at now.
func (c *Core) mayLook() bool {
	return c.now >= c.looks.next && (c.looks.trusting || c.looks.flying == 0)
}

// tickLooks looks at suspects' votes for the candidates that have waited long enough, as far as that may be.
func (c *Core) tickLooks() {
	c.tickKeyFaults()
	n := 0
	for _, s := range c.looks.stalled {
		e, candidate := c.find(s.ref)
		if candidate != nil && c.now < s.due {
			c.wake(s.due)
			break // all wait equally long: they are in order
		}
		if candidate != nil {
			if !c.mayLook() {
				if c.looks.flying == 0 { // else the verdict brings us back
					c.wake(c.looks.next)
				}
				break
			}
			candidate.Unstall()
			c.look(s.lane, e, candidate)
		}
		n++
	}
	c.looks.stalled.drop(n)
}

// look has the votes of suspects that are missing to a candidate's quorum proven, and all combined.
func (c *Core) look(l *lane, e *epoch, candidate *aggregate.Candidate) {
	if candidate.Ready(e.suspects) { // the others suffice: it is here for want of a verdict, and waits for its turn like any
		c.tryCandidate(l, e, candidate)
		return
	}
	st := candidate.Look(c.suspects.ByOffences(e.scheme.Participants()))
	if st == nil {
		return // a statement of it is being verified, and its verdict will try again
	}
	j := job{lane: l, slot: candidate.Slot(), candidate: candidate}
	if st.Suspects.Len() > 0 {
		st.Unbatched = !c.looks.trusting
		j.look = true
		c.looks.flying++
	}
	c.submitVotes(st, j)
}

// looked takes the verdict on a look.
func (c *Core) looked(j job, v *verify.Verdict) {
	c.looks.flying--
	switch {
	case len(v.Invalid) > 0:
		c.looks.trusting = false
		pause := min(lookPause*(c.now-j.since), maxLookPause*c.cfg.SuspectDelay)
		c.looks.next = max(c.looks.next, c.now+pause)
	case v.Certificate != nil:
		c.looks.trusting = true
	}
}

// exposed suspects whoever a verdict says has been exposed. The verdict that exposed them comes, or has come, from another
// worker; it reports them.
func (c *Core) exposed(v *verify.Verdict) {
	_, last := c.bounds()
	more := false
	for _, i := range v.Deferred {
		more = c.suspects.Expose(v.Statement.Scheme.Participants()[i], last) || more
	}
	if more {
		c.refreshSuspects()
	}
}

// invalidVote notes that a vote has been proven invalid: its validator is a suspect, and is reported when it was none.
func (c *Core) invalidVote(st *verify.Statement, i wire.Participant) {
	c.counts.AcksInvalid++
	id := st.Scheme.Participants()[i]
	_, last := c.bounds()
	if !c.suspects.Mark(id, last) {
		return
	}
	c.refreshSuspects()
	if id == c.cfg.Identity {
		return // our own signer is broken; there is nobody to blame before the application
	}
	a := wire.Ack{Chunk: st.Subject.Chunk, Epoch: st.Subject.Epoch, Participant: i, Signature: st.Vote(i)}
	c.reportFault(&wire.InvalidAck{Peer: id, Message: a.AppendTo(make([]byte, 0, a.Size()))})
}
