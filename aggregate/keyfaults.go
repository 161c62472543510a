package aggregate

import "time"

// keyFaults bounds the tries of candidates whose signers' keys do not fit each other, which is a
// mistake in the configuration of the set. Another quorum may be of keys that do fit, so candidates
// are tried again with other signers, one after the other: a try that fails costs every vote's
// proof, and all chunks of the epoch may fail.
type keyFaults struct {
	waiting  queue         // candidates to be tried again, by due time
	trusting bool          // the latest try succeeded: several may be under way
	pause    time.Duration // between tries since then; it doubles with each that fails
	next     time.Duration // none before that
}

// keyFault notes that the votes of a statement are each valid, and combine to nothing valid. It is
// called before the statement is resolved, and reports whether this is the first failure of its
// slot.
func (v *Votes) keyFault(now time.Duration, st *Statement) (first bool) {
	v.counts.KeyFaults++
	k := &v.faults
	k.trusting = false
	if st.candidate.failures > 0 {
		k.pause *= 2
	}
	k.pause = min(max(k.pause, v.cfg.SuspectDelay, checkPause*(now-st.made)), maxCheckPause*v.cfg.SuspectDelay)
	k.next = max(k.next, now+k.pause)
	return st.candidate.fail()
}

// retryFailed tries candidates again that failed and have waited long enough, as far as that may
// be.
func (v *Votes) retryFailed(now time.Duration) {
	k := &v.faults
	for {
		c, due := k.waiting.front()
		if c == nil {
			return
		}
		if due = max(due, k.next); now < due {
			v.deadline = min(v.deadline, due)
			return
		}
		k.waiting.drop()
		if !k.trusting {
			k.next = now + k.pause
		}
		c.paused = false
		if c.quorate() {
			v.try(now, c)
		}
	}
}

// end notes that a candidate was certified that had failed: others need not wait.
func (k *keyFaults) end(now time.Duration) { k.trusting, k.pause, k.next = true, 0, now }
