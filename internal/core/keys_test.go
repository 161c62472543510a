package core

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// unfit returns a validator of ten, in a set of which signers that have any of these among them
// make no certificate.
func unfit(t *testing.T, who ...wire.Participant) *rig {
	r := newRig(t, 10, observing, nonAttributable, func(r *rig) { r.cfg.HeightBound, r.cfg.MaxVoteBytes = 1<<10, 64<<20 })
	r.w.schemes[5].Unfit = func(signers wire.Signers) bool {
		for _, i := range who {
			if signers.Has(i) {
				return true
			}
		}
		return false
	}
	return r
}

// everyoneAcks delivers the good acks of all for a chunk of a lane.
func (r *rig) everyoneAcks(lane int, height uint64) {
	r.t.Helper()
	r.acksOf(lane, height, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
}

// decideFor lets time pass, in which every statement is decided at once, and returns how many there
// were.
func (r *rig) decideFor(d time.Duration) (statements int) {
	r.t.Helper()
	for end := r.now + d; r.now < end; r.pass(10 * time.Millisecond) {
		for len(r.verifies) > 0 {
			statements++
			r.verdict()
		}
	}
	return statements
}

func TestRule3_3_KeysThatDoNotFitAreReportedOnceAndBlameNobody(t *testing.T) {
	r := unfit(t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	r.everyoneAcks(1, 0)
	r.verdict()
	report := fault[*wire.InconsistentKeys](r)
	expect(t, "the chunk", report.Subject, wire.Subject{Chunk: chunk(1, 0, 1), Epoch: 5})
	expect(t, "signers", report.Signers.Count(), 7)
	if n := r.decideFor(time.Minute); n < 5 {
		t.Errorf("tried %d times in a minute", n)
	}
	expect(t, "reports", len(r.faults()), 1)
	r.everyoneAcks(1, 1)
	r.everyoneAcks(2, 0)
	r.verdict()
	r.verdict()
	expect(t, "reports of three chunks", len(r.faults()), 3)
	expect(t, "faults counted", r.c.Counts().Faults, 0)
	expect(t, "suspects", r.c.Counts().Suspects, 0)
	expect(t, "invalid acks", r.c.Counts().AcksInvalid, 0)
	expect(t, "locks", len(r.locks()), 0)
	if r.c.Counts().KeyFaults < 8 {
		t.Errorf("%d key faults are counted", r.c.Counts().KeyFaults)
	}
}

func TestRule3_3_KeysThatDoNotFitAreTriedAgainWithOtherSigners(t *testing.T) {
	for _, who := range [][]wire.Participant{{0}, {6}, {1, 4}, {0, 3, 6}} {
		r := unfit(t, who...)
		r.everyoneAcks(1, 0)
		r.verdict()
		expect(t, "statements at once", len(r.verifies), 0)
		r.pass(r.cfg.SuspectDelay - 1)
		expect(t, "statements before it is due", len(r.verifies), 0)
		r.pass(1)
		expect(t, "statements", len(r.verifies), 1)
		// Of three that are left out at a time, each three come up after 120 tries on average, 4 s
		// apart.
		for waited := time.Duration(0); len(r.locks()) == 0 && waited < time.Hour; waited += time.Second {
			r.decideFor(time.Second)
		}
		expect(t, "locks", len(r.locks()), 1)
		expect(t, "suspects", r.c.Counts().Suspects, 0)
		fault[*wire.InconsistentKeys](r)
	}
}

func TestNewAcksDoNotHaveKeysThatDoNotFitTriedAgainAtOnce(t *testing.T) {
	r := unfit(t, 0)
	r.acksOf(1, 0, 0, 1, 2, 3, 4, 5, 6)
	r.verdict()
	r.acksOf(1, 0, 7, 8, 9)
	expect(t, "statements", len(r.verifies), 0)
	r.decideFor(10 * time.Minute)
	expect(t, "locks", len(r.locks()), 1)
}

// However many chunks fail, tries cost a bounded share of the time, and once the keys fit all are
// certified that no higher one has overtaken.
func TestKeysThatDoNotFitCostABoundedShareOfTheTime(t *testing.T) {
	r := unfit(t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	const chunks = 500
	for h := range uint64(chunks) {
		r.everyoneAcks(1, h)
		r.verdict()
	}
	expect(t, "reports", len(r.faults()), chunks)
	r.decideFor(time.Minute)
	if n := r.decideFor(10 * time.Minute); n < 100 || n > 150 {
		t.Errorf("tried %d times in ten minutes, want one for each %d × %v", n, maxLookPause, r.cfg.SuspectDelay)
	}
	r.w.schemes[5].Unfit = nil
	r.decideFor(10 * time.Second)
	if n := len(r.locks()); n < chunks/2 {
		t.Errorf("%d of %d chunks are certified", n, chunks)
	}
	_, certified := r.c.Certificate(id(1), chunks-1)
	expect(t, "the highest is certified", certified, true)
	expect(t, "still waiting", len(r.c.looks.keys.waiting), 0)
	expect(t, "reports", len(r.faults()), chunks)
}

func TestTryingAgainLeavesTimeForOthersIfATryTakesLong(t *testing.T) {
	r := unfit(t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	r.everyoneAcks(1, 0)
	r.pass(300 * time.Millisecond) // that the verdict takes
	r.verdict()
	r.pass(lookPause*300*time.Millisecond - 1)
	expect(t, "statements in the pause", len(r.verifies), 0)
	r.pass(1)
	expect(t, "statements after it", len(r.verifies), 1)
}

func TestKeysThatDoNotFitAreForgottenWithTheChunk(t *testing.T) {
	r := unfit(t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	for h := range uint64(500) {
		r.everyoneAcks(2, h)
		r.verdict()
		r.c.lanes[chunk(2, 0, 1).Sequencer].votes.CloseBelow(h + 1)
	}
	if n := cap(r.c.looks.keys.waiting); n > 8 {
		t.Errorf("room for %d chunks is kept", n)
	}
	r.pass(time.Minute)
	expect(t, "statements", len(r.verifies), 0)
	expect(t, "still waiting", len(r.c.looks.keys.waiting), 0)
	_, waits := r.c.Deadline()
	expect(t, "a deadline", waits, false)
}

// Suspects' acks are looked at under the same limits as ever, also for chunks that failed.
func TestAChunkThatFailedWaitsForSuspectsLikeAnyOther(t *testing.T) {
	r := exposed(t)
	r.w.schemes[5].Unfit = func(signers wire.Signers) bool { return !signers.Has(9) }
	r.acksOf(2, 0, 0, 1, 2, 3, 4, 5, 6)
	r.verdict()
	fault := r.faults()[len(r.faults())-1]
	if _, ok := fault.(*wire.InconsistentKeys); !ok {
		t.Fatalf("reported a %s", fault.Tag())
	}
	expect(t, "statements at once", len(r.verifies), 0)
	r.decideFor(time.Minute)
	if n := r.c.Counts().KeyFaults; n < 5 {
		t.Errorf("%d tries", n)
	}
	expect(t, "suspects", r.c.Counts().Suspects, 3)
	expect(t, "locks of the lane", len(r.locks()), 0)
}
