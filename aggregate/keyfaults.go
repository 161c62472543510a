package aggregate

import "time"

// keyFaults limits how often candidates are tried again whose signers' keys do not fit each other,
// which is a mistake in the configuration of the set. The keys of another quorum may fit, so
// candidates are tried again with other signers, one candidate at a time: a failed try costs a
// proof of every vote, and all chunks of the epoch may fail.
type keyFaults struct {
	waiting  queue         // candidates to be tried again, ordered by due time
	trusting bool          // the latest try succeeded, so several may run at once
	pause    time.Duration // between tries; doubles with each failed try, reset by success
	next     time.Duration // time of the next try at the earliest
}

// keyFault notes that each vote of a statement is valid, but their combination is not. It is called
// before the statement is resolved, and reports whether this is the first failure of its slot.
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

// retryFailed tries failed candidates again that have waited long enough, as many as keyFaults
// allows.
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

// end notes that a candidate that had failed was certified: the other candidates need not wait.
func (k *keyFaults) end(now time.Duration) { k.trusting, k.pause, k.next = true, 0, now }
