package aggregate

import (
	"testing"
	"time"
)

// docs/protocol.md 3.3: "They are looked at (with subgroup check and individual random weights, in
// batches) only where the others cannot make the quorum", and 5.6: "A hostile peer can cause no
// more than the extra work stated in 3.3". While checks of suspects find nothing invalid they are
// not held back; suspects that send valid votes for a while and then invalid ones are held back as
// before.
func TestRule5_6_ChecksAreMadeOneAtATimeAgainOnceOneFindsAnInvalidVote(t *testing.T) {
	r := suspecting(t)
	r.late(2, 0, 7, 8, 9)
	r.pass(250 * time.Millisecond)
	r.verdicts()
	expect(t, "locks by good votes of suspects", len(r.locks), 1)
	for h := range uint64(20) {
		r.late(3, h)
	}
	r.pass(250 * time.Millisecond)
	expect(t, "checks under way, in trust", len(r.verifies), 20)
	r.pass(10 * time.Millisecond)
	for range 20 {
		r.verdict()
	}
	expect(t, "checks at once after invalid votes", len(r.verifies), 0)
	checks := 0
	for range 200 {
		r.pass(50 * time.Millisecond)
		if n := len(r.verifies); n > 1 {
			t.Fatalf("%d checks at once", n)
		}
		for len(r.verifies) > 0 {
			expect(t, "verified outside batches", r.verifies[0].Unbatched, true)
			checks++
			r.pass(10 * time.Millisecond) // the duration of one check
			r.verdict()
		}
	}
	if checks == 0 {
		t.Error("no suspect's vote is looked at any more")
	}
	expect(t, "locks", len(r.locks), 1)
}

// docs/protocol.md 3.3: keys that do not fit each other are a mistake of configuration; the chunk
// "is tried again after a while with other signers". Once such a try succeeds the other chunks need
// not wait; when keys fail again, tries are made one at a time again.
func TestRule3_3_KeysThatFailAgainAreTriedOneAfterTheOtherAgain(t *testing.T) {
	r := unfit(t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	wrong := r.scheme.Unfit
	r.everyoneAcks(1, 0)
	r.verdict()
	r.scheme.Unfit = nil
	r.decideFor(time.Second)
	expect(t, "locks once the keys fit", len(r.locks), 1)
	r.scheme.Unfit = wrong
	for h := range uint64(20) {
		r.everyoneAcks(2, h)
		r.verdict()
	}
	expect(t, "failures", r.v.Counts().KeyFaults, uint64(21))
	tries := 0
	for range 100 {
		r.pass(100 * time.Millisecond)
		if n := len(r.verifies); n > 1 {
			t.Fatalf("%d tries at once", n)
		}
		for len(r.verifies) > 0 {
			tries++
			r.verdict()
		}
	}
	if tries < 3 || tries > 12 {
		t.Errorf("%d tries in ten seconds", tries)
	}
}

// The pause before a chunk is tried again depends on how long its verification took, not on the
// time of day.
func TestAShortTryIsRepeatedAfterAShortPauseHoweverLateItIs(t *testing.T) {
	r := unfit(t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	r.pass(24 * time.Hour)
	r.everyoneAcks(1, 0)
	r.pass(time.Millisecond) // the duration of the verification
	r.verdict()
	r.pass(r.cfg.SuspectDelay - 1)
	expect(t, "statements in the pause", len(r.verifies), 0)
	r.pass(1)
	expect(t, "statements after it", len(r.verifies), 1)
}
