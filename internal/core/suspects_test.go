package core

import (
	"slices"
	"testing"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// suspecting returns a core for which the last three of ten validators are suspects, after lane 1,
// height 0.
func suspecting(t *testing.T) *rig {
	r := newRig(t, 10, observing, func(r *rig) {
		r.cfg.HeightBound, r.cfg.MaxVoteBytes = 1<<10, 64<<20
	})
	for i := range 7 {
		if i < 4 {
			r.ack(i, chunk(1, 0, 1), 5)
		} else {
			r.badAck(i+3, chunk(1, 0, 1), 5)
		}
	}
	r.verdicts()
	expect(t, "suspects", r.c.Counts().Suspects, 3)
	expect(t, "statements", r.c.Counts().VoteBatches, 1)
	return r
}

// Another worker proves that two validators vote invalidly while votes of theirs are in flight.
// Statements that come back undecided continue without these votes as soon as possible. The two are
// reported with the verdict that proves it, in either order.
func TestVotesThatComeBackUndecidedWaitForOthers(t *testing.T) {
	for _, undecidedFirst := range []bool{true, false} {
		r := newRig(t, 10, observing)
		for lane := range 2 {
			for i := range 5 {
				r.ack(i, chunk(lane, 0, 1), 5)
			}
			r.badAck(8, chunk(lane, 0, 1), 5)
			r.badAck(9, chunk(lane, 0, 1), 5)
		}
		expect(t, "statements", len(r.verifies), 2)
		first, second := r.verifies[0], r.verifies[1]
		expect(t, "may be deferred", second.MayDefer, true)
		r.verifies = nil
		proof := decide(first)
		undecided := &verify.Verdict{Statement: second, ProposalValid: true, Deferred: []wire.Participant{8, 9}}
		verdicts := []*verify.Verdict{proof, undecided}
		if undecidedFirst {
			slices.Reverse(verdicts)
		}
		for i, v := range verdicts {
			r.c.SignaturesVerified(r.now, v)
			r.drain()
			expect(t, "suspects", r.c.Counts().Suspects, 2)
			expect(t, "faults", len(r.faults()), 2*boolInt(i == 1 || !undecidedFirst))
		}
		expect(t, "key faults", r.c.Counts().KeyFaults, uint64(0))
		expect(t, "invalid acks", r.c.Counts().AcksInvalid, uint64(2))
		expect(t, "failures", r.c.Counts().VoteFailures, uint64(1))
		expect(t, "statements without the missing", len(r.verifies), 0)
		r.ack(5, chunk(1, 0, 1), 5)
		r.ack(6, chunk(1, 0, 1), 5)
		expect(t, "statements with the missing", len(r.verifies), 1)
		expect(t, "signers", r.verifies[0].Signers.Count(), 7)
		r.verdicts()
		expect(t, "locks", len(r.locks()), 1)
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// late delivers for a chunk six honest acks and the suspects' acks, of which only the given ones
// are valid. One honest ack is missing.
func (r *rig) late(lane int, height uint64, good ...int) {
	for i := range 10 {
		switch {
		case i < 6 || slices.Contains(good, i):
			r.ack(i, chunk(lane, height, 1), 5)
		case i > 6:
			r.badAck(i, chunk(lane, height, 1), 5)
		}
	}
}
