package aggregate

import (
	"slices"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// What follows is 3.3 on suspects. A validator that was proven to send an invalid ack can send one
// for every chunk, at no cost, and it takes subgroup checks and pairings to prove each. So
// suspects' votes are verified only where the others have not made the quorum in SuspectDelay, no
// more of them than are missing, and those first whose validators sent the fewest invalid ones.
// That is not enough: a single honest validator that is slow for a while, or is made to be, would
// have suspects' votes verified for every chunk. So checks that find invalid votes are made one at
// a time, and after each there is a pause of several times what it took. They cost a fixed share of
// the time of one worker, whatever suspects send. Checks that find none are not held back.

// suspects are the validators that have been proven to send invalid acks. Suspicion is of an
// identity, whatever the epoch, and lapses with the epochs that were in bounds when it arose.
type suspects map[wire.PublicKey]suspicion

type suspicion struct {
	until    uint64 // last epoch of it
	offences int    // votes proven invalid that have been counted
}

// offend counts an invalid vote of id, which is a suspect up to and including epoch until. It
// reports whether this is the first one counted.
func (s suspects) offend(id wire.PublicKey, until uint64) bool {
	before := s[id]
	s[id] = suspicion{max(before.until, until), before.offences + 1}
	return before.offences == 0
}

// expect makes id a suspect up to and including epoch until, with an invalid vote that is still to
// be counted. It reports whether it was none before.
func (s suspects) expect(id wire.PublicKey, until uint64) bool {
	if _, known := s[id]; known {
		return false
	}
	s[id] = suspicion{until: until}
	return true
}

// expire forgets the suspects whose last epoch is below first and reports whether there were any.
func (s suspects) expire(first uint64) bool {
	n := len(s)
	for id, suspicion := range s {
		if suspicion.until < first {
			delete(s, id)
		}
	}
	return len(s) != n
}

// among returns the suspects among participants as a bitmap over them; the zero value if there are
// none.
func (s suspects) among(participants []wire.PublicKey) wire.Signers {
	var found wire.Signers
	if len(s) == 0 {
		return found
	}
	for i, id := range participants {
		if _, ok := s[id]; ok {
			if found.Len() == 0 {
				found = wire.NewSigners(len(participants))
			}
			found.Add(wire.Participant(i))
		}
	}
	return found
}

// byOffences returns the suspects among participants, those with the fewest invalid votes first: a
// validator that sent one by an accident that is over comes before one that does nothing else.
func (s suspects) byOffences(participants []wire.PublicKey) []wire.Participant {
	var found []wire.Participant
	for i := range s.among(participants).All() {
		found = append(found, i)
	}
	slices.SortStableFunc(found, func(a, b wire.Participant) int {
		return s[participants[a]].offences - s[participants[b]].offences
	})
	return found
}

// suspect adds validators to the suspects whose invalid votes another verdict proves, which reports
// them.
func (v *Votes) suspect(scheme verify.Scheme, deferred []wire.Participant) {
	more := false
	for _, i := range deferred {
		more = v.suspects.expect(scheme.Participants()[i], v.last) || more
	}
	if more {
		v.refreshSuspects()
	}
}

// suspectChecks bounds the statements that verify suspects' votes.
type suspectChecks struct {
	inFlight int
	trusting bool          // the latest check found nothing invalid: several may be under way
	next     time.Duration // none before that
}

const (
	// checkPause is how many times as long as a check that found invalid votes the pause after it
	// is.
	checkPause = 7
	// maxCheckPause bounds the pause, in terms of SuspectDelay.
	maxCheckPause = 16
)

// mayCheck reports whether suspects' votes may be verified now.
func (v *Votes) mayCheck(now time.Duration) bool {
	return now >= v.checks.next && (v.checks.trusting || v.checks.inFlight == 0)
}

// delay lets a candidate wait for SuspectDelay, if it does not yet.
func (v *Votes) delay(now time.Duration, c *candidate) {
	if c.delayed {
		return
	}
	c.delayed = true
	due := now + v.cfg.SuspectDelay
	v.delayed.push(c, due)
	v.deadline = min(v.deadline, due)
}

// checkDelayed verifies suspects' votes for the candidates that have waited long enough, as far as
// that may be.
func (v *Votes) checkDelayed(now time.Duration) {
	for {
		c, due := v.delayed.front()
		switch {
		case c == nil:
			return
		case now < due: // all wait equally long: they are in order
			v.deadline = min(v.deadline, due)
			return
		case !v.mayCheck(now):
			if v.checks.inFlight == 0 || v.checks.trusting { // else the verdict brings us back
				v.deadline = min(v.deadline, v.checks.next)
			}
			return
		}
		v.delayed.drop()
		c.delayed = false
		v.checkSuspects(now, c)
	}
}

// checkSuspects has the votes of suspects that are missing to a candidate's quorum proven, and all
// combined.
func (v *Votes) checkSuspects(now time.Duration, c *candidate) {
	if c.trusted() {
		// The others suffice: it waited for want of a verdict, and now waits for a place like any.
		v.try(now, c)
		return
	}
	signers, suspects, ok := c.quorumOfSuspects(v.suspects.byOffences(c.slot.set.scheme.Participants()))
	if ok { // else a statement of it is being verified, and its verdict will try again
		v.add(now, c, signers, suspects)
	}
}

// resolve takes the verdict on a check.
func (k *suspectChecks) resolve(now time.Duration, st *Statement, verdict *verify.Verdict, delay time.Duration) {
	k.inFlight--
	switch {
	case len(verdict.Invalid) > 0:
		k.trusting = false
		k.next = max(k.next, now+min(checkPause*(now-st.made), maxCheckPause*delay))
	case verdict.Certificate != nil:
		k.trusting = true
	}
}
