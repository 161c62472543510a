package aggregate

import (
	"testing"
	"time"
)

// docs/protocol.md 3.3: "They are looked at (with subgroup check and individual random weights, in
// batches) only where the others cannot make the quorum", and 5.6: "A hostile peer can cause no more
// than the extra work stated in 3.3". While checks of suspects find nothing invalid they are not
// held back; suspects that behave for a while and then do not are held back as before.
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
			r.pass(10 * time.Millisecond) // that is what one takes
			r.verdict()
		}
	}
	if checks == 0 {
		t.Error("no suspect's vote is looked at any more")
	}
	expect(t, "locks", len(r.locks), 1)
}
