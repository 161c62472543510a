package aggregate

import (
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// suspecting returns Votes in which the last three of ten validators are suspects, from lane 1 at
// height 0.
func suspecting(t *testing.T) *rig {
	r := newRig(t, 10, model.List)
	for i := range 7 {
		if i < 4 {
			r.ack(i, chunk(1, 0, 1))
		} else {
			r.badAck(i+3, chunk(1, 0, 1))
		}
	}
	r.verdicts()
	expect(t, "suspects", r.v.Counts().Suspects, 3)
	expect(t, "statements", r.v.Counts().Statements, uint64(1))
	return r
}

// Another worker proves votes of two validators invalid while other votes of theirs are being
// verified. The undecided statement is tried without them as soon as possible, and they are
// reported with the verdict that proves it, whichever of the two comes first.
func TestVotesThatComeBackUndecidedWaitForOthers(t *testing.T) {
	for _, undecidedFirst := range []bool{true, false} {
		r := newRig(t, 10, model.List)
		for lane := range 2 {
			for i := range 5 {
				r.ack(i, chunk(lane, 0, 1))
			}
			r.badAck(8, chunk(lane, 0, 1))
			r.badAck(9, chunk(lane, 0, 1))
		}
		expect(t, "statements", len(r.verifies), 2)
		first, second := r.verifies[0], r.verifies[1]
		expect(t, "may be deferred", second.MayDefer, true)
		r.verifies = nil
		proof := model.Decide(&first.Statement, model.ChunkValid)
		undecided := &verify.Verdict{Statement: &second.Statement, ProposalValid: true, Deferred: []wire.Participant{8, 9}}
		verdicts := []*verify.Verdict{proof, undecided}
		if undecidedFirst {
			slices.Reverse(verdicts)
		}
		for i, v := range verdicts {
			r.resolve(map[*verify.Statement]*Statement{&first.Statement: first, &second.Statement: second}[v.Statement], v)
			expect(t, "suspects", r.v.Counts().Suspects, 2)
			expect(t, "offenders", len(r.invalid), 2*boolInt(i == 1 || !undecidedFirst))
		}
		expect(t, "key faults", r.v.Counts().KeyFaults, uint64(0))
		expect(t, "invalid acks", r.v.Counts().Invalid, uint64(2))
		expect(t, "failures", r.v.Counts().Failures, uint64(1))
		expect(t, "statements without the missing", len(r.verifies), 0)
		r.ack(5, chunk(1, 0, 1))
		r.ack(6, chunk(1, 0, 1))
		expect(t, "statements with the missing", len(r.verifies), 1)
		expect(t, "signers", r.verifies[0].Signers.Count(), 7)
		r.verdicts()
		expect(t, "locks", len(r.locks), 1)
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// late gives a chunk six honest acks and the suspects' acks, which are bad except for those listed.
// One honest ack is missing.
func (r *rig) late(lane int, height uint64, good ...int) {
	for i := range 10 {
		switch {
		case i < 6 || slices.Contains(good, i):
			r.ack(i, chunk(lane, height, 1))
		case i > 6:
			r.badAck(i, chunk(lane, height, 1))
		}
	}
}

func TestChecksThatFindInvalidVotesAreMadeOneAtATimeAndPause(t *testing.T) {
	r := suspecting(t)
	for h := range uint64(20) {
		r.late(2, h)
	}
	r.pass(250 * time.Millisecond)
	expect(t, "checks under way", len(r.verifies), 1)
	expect(t, "alone", r.verifies[0].Unbatched, true)
	expect(t, "votes checked", r.verifies[0].Suspects.Count(), 1)
	r.pass(10 * time.Millisecond)
	r.verdicts()
	expect(t, "checks at once after it", len(r.verifies), 0)
	r.pass(70*time.Millisecond - 1)
	expect(t, "checks in the pause", len(r.verifies), 0)
	r.pass(1)
	expect(t, "checks after the pause", len(r.verifies), 1)
}

func TestChecksOfSuspectsCostAFixedShareOfTheTime(t *testing.T) {
	r := suspecting(t)
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
		t.Errorf("checks took a share of %.3f of the time", share)
	}
	// No acks were lost: the missing ones complete all quorums.
	for h := range uint64(1000) {
		r.ack(6, chunk(2, h, 1))
		r.verdicts()
	}
	expect(t, "locks", len(r.locks), 1000)
	r.pass(time.Minute)
	expect(t, "still waiting", r.v.delayed.len(), 0)
}

func TestChecksThatFindNothingInvalidAreNotHeldBack(t *testing.T) {
	r := suspecting(t)
	for h := range uint64(20) {
		r.late(2, h, 7, 8, 9)
	}
	r.pass(250 * time.Millisecond)
	expect(t, "checks until the first is trusted", len(r.verifies), 1)
	r.pass(time.Millisecond)
	r.verdicts() // including those that this releases
	expect(t, "locks", len(r.locks), 20)
	for h := range uint64(20) {
		r.late(3, h, 7, 8, 9)
	}
	r.pass(250 * time.Millisecond)
	expect(t, "checks under way", len(r.verifies), 20)
	expect(t, "alone", r.verifies[0].Unbatched, false)
}

func TestTheSuspectsThatOffendedLeastAreCheckedFirst(t *testing.T) {
	r := suspecting(t)
	for h := range uint64(3) { // the votes of 8 are valid again, those of the others are not
		for lane := 2; lane < 6; lane++ {
			r.late(lane, h, 8)
		}
		for range 4 {
			r.pass(300 * time.Millisecond)
			r.verdicts()
		}
	}
	expect(t, "locks", len(r.locks), 12)
	// Invalid votes were checked only as often as necessary: 7 was checked once, after that always
	// 8.
	expect(t, "invalid votes checked", r.v.Counts().Invalid, uint64(3+1))
	expect(t, "offenders", len(r.invalid), 3)
}

func TestValidAcksOfSuspectsCertifyChunksThatNeedThem(t *testing.T) {
	// Once valid acks reach the quorum there is a certificate for every chunk, whichever validators
	// sent them, although most votes of suspects are invalid.
	r := suspecting(t)
	for h := range uint64(8) {
		for lane := 2; lane < 6; lane++ {
			r.late(lane, h, 7+(int(h)+lane)%3)
		}
		for range 60 {
			r.pass(50 * time.Millisecond)
			r.verdicts()
		}
	}
	expect(t, "locks", len(r.locks), 32)
	expect(t, "offenders", len(r.invalid), 3)
}

func TestWaitingForSuspectsIsForgottenWithTheChunk(t *testing.T) {
	r := suspecting(t)
	for h := range uint64(2000) {
		r.late(2, h)
		r.ack(6, chunk(2, h, 1))
		r.verdicts()
	}
	expect(t, "locks", len(r.locks), 2000)
	if n := cap(r.v.delayed.list); n > 16 {
		t.Errorf("room for %d chunks is kept", n)
	}
}

func TestSuspectsLapseWithTheirLastEpoch(t *testing.T) {
	s := suspects{}
	a, b, c := wire.PublicKey{1}, wire.PublicKey{2}, wire.PublicKey{3}
	expect(t, "among nobody", s.among([]wire.PublicKey{a}).Len(), 0)
	expect(t, "expired of none", s.expire(9), false)
	expect(t, "new", s.offend(b, 5), true)
	expect(t, "known", s.offend(b, 7), false)
	expect(t, "known, with an earlier epoch", s.offend(b, 3), false)
	s.offend(c, 5)
	expect(t, "both", s.among([]wire.PublicKey{a, b, c}).Equal(signers(3, 1, 2)), true)
	expect(t, "none of these", s.among([]wire.PublicKey{a}).Len(), 0)
	expect(t, "expired", s.expire(5), false)
	expect(t, "expired", s.expire(6), true)
	expect(t, "left", s.among([]wire.PublicKey{a, b, c}).Equal(signers(3, 1)), true)
	expect(t, "expired", s.expire(8), true)
	expect(t, "left", len(s), 0)
}

func TestASuspectByAnothersVerdictHasItsFirstInvalidVoteStillToCome(t *testing.T) {
	s := suspects{}
	a, b := wire.PublicKey{1}, wire.PublicKey{2}
	expect(t, "suspected", s.expect(a, 5), true)
	expect(t, "suspected again", s.expect(a, 9), false)
	expect(t, "suspects", len(s), 1)
	expect(t, "the first invalid ack", s.offend(a, 5), true)
	expect(t, "the second", s.offend(a, 5), false)
	s.offend(b, 5)
	expect(t, "suspected, a suspect before", s.expect(b, 9), false)
	expect(t, "lapsed", s.expire(6), true)
	expect(t, "left", len(s), 0)
}

func TestSuspectsAreListedByTheirOffences(t *testing.T) {
	all := []wire.PublicKey{{1}, {2}, {3}, {4}}
	s := suspects{}
	expect(t, "nobody", len(s.byOffences(all)), 0)
	for _, i := range []int{1, 3, 1, 0, 1, 0} {
		s.offend(all[i], 7)
	}
	if got := s.byOffences(all); !slices.Equal(got, []wire.Participant{3, 0, 1}) {
		t.Errorf("listed %v", got)
	}
}

// Of three checks under way one finds an invalid vote and the next none: checks are trusted again,
// but not before the pause is over. The third check does not delay a candidate that waits for the
// end of the pause.
func TestACandidateIsCheckedWhenThePauseIsOverAlsoWhileATrustedCheckIsUnderWay(t *testing.T) {
	r := newRig(t, 10, model.Sum)
	for i := 7; i < 10; i++ {
		r.v.suspects.offend(id(i), 6)
	}
	r.v.refreshSuspects()
	r.v.checks.trusting = true
	all := []int{0, 1, 2, 3, 4, 5}
	for lane := 1; lane <= 4; lane++ { // A, B, C; F comes later
		r.now = time.Duration(lane) * 10 * time.Millisecond
		if lane == 4 {
			r.now = 240 * time.Millisecond
		}
		r.acks(lane, 0, all...)
		if lane == 1 {
			r.badAck(7, chunk(lane, 0, 1))
		} else {
			r.ack(7, chunk(lane, 0, 1))
		}
	}
	r.pass(60 * time.Millisecond) // A, B, C are due and checked; F is due at 490 ms
	expect(t, "checks", len(r.verifies), 3)
	r.pass(150 * time.Millisecond)
	r.verdict() // A: invalid; a pause begins
	r.verdict() // B: valid
	expect(t, "trusting", r.v.checks.trusting, true)
	expect(t, "pause", r.v.checks.next > r.now, true)
	r.pass(5 * time.Second)
	expect(t, "may check", r.v.mayCheck(r.now), true)
	expect(t, "statements (C and F)", len(r.verifies), 2)
}
