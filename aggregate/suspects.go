package aggregate

import (
	"slices"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// The code below implements the rules of 3.3 on suspects. A validator that was proven to send an
// invalid ack can send one for every chunk at no cost, and proving each takes subgroup checks and
// pairings. So suspects' votes are verified only if the other validators have not made the quorum
// within SuspectDelay, only as many as are missing, and first those of the validators with the
// fewest invalid votes.
//
// That is not enough: if a single honest validator is slow for a while, or is made slow, suspects'
// votes would be verified for every chunk. So checks that find invalid votes are made one at a
// time, and each is followed by a pause of several times its duration. They cost a fixed share of
// the time of one worker, whatever suspects send. Checks that find no invalid vote are not delayed.

// suspects are the validators that have been proven to send invalid acks. An identity is suspect in
// all epochs, until the epochs end that were within bounds when the suspicion began.
type suspects map[wire.PublicKey]suspicion

type suspicion struct {
	until    uint64 // last epoch of the suspicion
	offences int    // counted votes that were proven invalid
}

// offend counts an invalid vote of id, which is a suspect up to and including epoch until. It
// reports whether this is the first counted vote of id.
func (s suspects) offend(id wire.PublicKey, until uint64) bool {
	before := s[id]
	s[id] = suspicion{max(before.until, until), before.offences + 1}
	return before.offences == 0
}

// expect makes id a suspect up to and including epoch until, for an invalid vote that offend will
// count later. It reports whether id was no suspect before.
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
// validator whose single invalid vote was an accident comes before one that sends nothing else.
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

// suspect adds validators to the suspects whose invalid votes another verdict proves. That verdict
// reports them.
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
	trusting bool          // the latest check found nothing invalid, so several may run at once
	next     time.Duration // time of the next check at the earliest
}

const (
	// checkPause is the ratio of the pause after a check that found invalid votes to that check's
	// duration.
	checkPause = 7
	// maxCheckPause is the longest pause, in multiples of SuspectDelay.
	maxCheckPause = 16
)

// mayCheck reports whether suspects' votes may be verified now.
func (v *Votes) mayCheck(now time.Duration) bool {
	return now >= v.checks.next && (v.checks.trusting || v.checks.inFlight == 0)
}

// delay makes a candidate wait for SuspectDelay, unless it waits already.
func (v *Votes) delay(now time.Duration, c *candidate) {
	if c.delayed {
		return
	}
	c.delayed = true
	due := now + v.cfg.SuspectDelay
	v.delayed.push(c, due)
	v.deadline = min(v.deadline, due)
}

// checkDelayed verifies suspects' votes for the candidates that have waited long enough, as many as
// mayCheck allows.
func (v *Votes) checkDelayed(now time.Duration) {
	for {
		c, due := v.delayed.front()
		switch {
		case c == nil:
			return
		case now < due: // all wait equally long, so they are in order
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

// checkSuspects makes a statement for c that proves the votes of as many suspects as its quorum
// lacks, and combines all votes.
func (v *Votes) checkSuspects(now time.Duration, c *candidate) {
	if c.trusted() {
		// The votes of the others suffice: the candidate was waiting for a verdict, and now it
		// waits for a place.
		v.try(now, c)
		return
	}
	signers, suspects, ok := c.quorumOfSuspects(v.suspects.byOffences(c.slot.set.scheme.Participants()))
	if ok { // otherwise a statement of it is being verified, and its verdict tries again
		v.add(now, c, signers, suspects)
	}
}

// resolve notes the result of a check.
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
