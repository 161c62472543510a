package core

import (
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// exposed returns a core that knows the last three of ten validators for suspects, in lane 1 at height 0.
func exposed(t *testing.T) *rig {
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

// Another worker exposes two validators while votes of theirs are in flight. What comes back undecided goes on without
// them as soon as it can, and they are reported with the verdict that proves it, whichever of both comes first.
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
		proof := judge(first)
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

// late gives a chunk six honest acks and those of the suspects, bad but for some. One honest ack is missing.
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

func TestLooksAtSuspectsThatFindInvalidAcksTakeTurnsAndPause(t *testing.T) {
	r := exposed(t)
	for h := range uint64(20) {
		r.late(2, h)
	}
	r.pass(250 * time.Millisecond)
	expect(t, "looks under way", len(r.verifies), 1)
	expect(t, "alone", r.verifies[0].Unbatched, true)
	expect(t, "votes looked at", r.verifies[0].Suspects.Count(), 1)
	r.pass(10 * time.Millisecond)
	r.verdicts()
	expect(t, "looks at once after it", len(r.verifies), 0)
	r.pass(70*time.Millisecond - 1)
	expect(t, "looks in the pause", len(r.verifies), 0)
	r.pass(1)
	expect(t, "looks after the pause", len(r.verifies), 1)
}

func TestLooksAtSuspectsCostAFixedShareOfTheTime(t *testing.T) {
	r := exposed(t)
	for h := range uint64(1000) {
		r.late(2, h)
	}
	began, busy := r.now, time.Duration(0)
	for r.now < began+10*time.Second {
		if len(r.verifies) > 0 {
			r.pass(5 * time.Millisecond)
			busy += 5 * time.Millisecond
			r.verdicts()
		} else {
			r.pass(time.Millisecond)
		}
	}
	if share := float64(busy) / float64(r.now-began); share > 0.13 || share < 0.1 {
		t.Errorf("looks took a share of %.3f of the time", share)
	}
	// Nobody's acks were lost by it: the missing ones complete all.
	for h := range uint64(1000) {
		r.ack(6, chunk(2, h, 1), 5)
		r.verdicts()
	}
	expect(t, "locks", len(r.locks()), 1000)
	r.pass(time.Minute)
	expect(t, "still waiting", len(r.c.looks.stalled), 0)
}

func TestLooksThatFindNothingInvalidAreNotHeldBack(t *testing.T) {
	r := exposed(t)
	for h := range uint64(20) {
		r.late(2, h, 7, 8, 9)
	}
	r.pass(250 * time.Millisecond)
	expect(t, "looks until the first is trusted", len(r.verifies), 1)
	r.pass(time.Millisecond)
	r.verdicts() // what that lets go included
	expect(t, "locks", len(r.locks()), 20)
	for h := range uint64(20) {
		r.late(3, h, 7, 8, 9)
	}
	r.pass(250 * time.Millisecond)
	expect(t, "looks under way", len(r.verifies), 20)
	expect(t, "alone", r.verifies[0].Unbatched, false)
}

func TestTheSuspectsThatOffendedLeastAreLookedAtFirst(t *testing.T) {
	r := exposed(t)
	for h := range uint64(3) { // 8 is good again, the others are not
		for lane := 2; lane < 6; lane++ {
			r.late(lane, h, 8)
		}
		for range 4 {
			r.pass(300 * time.Millisecond)
			r.verdicts()
		}
	}
	expect(t, "locks", len(r.locks()), 12)
	// What was needed to find out: 7 was looked at once, 8 ever since.
	expect(t, "invalid acks looked at", r.c.Counts().AcksInvalid, 3+1)
	expect(t, "faults", len(r.faults()), 3)
}

func TestValidAcksOfSuspectsCertifyWhatOnlyTheyCan(t *testing.T) {
	// Once acks valid by themselves reach the quorum a certificate comes out, whoever sent them, for every chunk, though
	// most of what suspects send is bad.
	r := exposed(t)
	for h := range uint64(8) {
		for lane := 2; lane < 6; lane++ {
			r.late(lane, h, 7+(int(h)+lane)%3)
		}
		for range 60 {
			r.pass(50 * time.Millisecond)
			r.verdicts()
		}
	}
	expect(t, "locks", len(r.locks()), 32)
	expect(t, "faults", len(r.faults()), 3)
}

func TestWaitingForSuspectsIsForgottenWithTheChunk(t *testing.T) {
	r := exposed(t)
	for h := range uint64(2000) {
		r.late(2, h)
		r.ack(6, chunk(2, h, 1), 5)
		r.verdicts()
	}
	expect(t, "locks", len(r.locks()), 2000)
	if n := cap(r.c.looks.stalled); n > 16 {
		t.Errorf("room for %d chunks is kept", n)
	}
}
