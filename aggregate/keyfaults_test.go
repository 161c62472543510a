package aggregate

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// unfit returns a validator of a set of ten. Signers that include any of the given participants
// make no certificate.
func unfit(t *testing.T, who ...wire.Participant) *rig {
	r := newRig(t, 10, model.Group)
	r.scheme.Unfit = func(signers wire.Signers) bool {
		for _, i := range who {
			if signers.Has(i) {
				return true
			}
		}
		return false
	}
	return r
}

// 3.3: All votes valid and yet the result invalid means inconsistent keys: a configuration error
// that blames nobody and is reported to the application.
func TestRule3_3_KeysThatDoNotFitAreReportedOnceAndBlameNobody(t *testing.T) {
	r := unfit(t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	r.everyoneAcks(1, 0)
	r.verdict()
	expect(t, "reports", len(r.unfit), 1)
	report := r.unfit[0]
	expect(t, "the chunk", report.Subject, wire.Subject{Chunk: chunk(1, 0, 1), Epoch: 5})
	expect(t, "signers", report.Signers.Count(), 7)
	if n := r.decideFor(time.Minute); n < 5 {
		t.Errorf("tried %d times in a minute", n)
	}
	expect(t, "reports", len(r.unfit), 1)
	r.everyoneAcks(1, 1)
	r.everyoneAcks(2, 0)
	r.verdict()
	r.verdict()
	expect(t, "reports of three chunks", len(r.unfit), 3)
	expect(t, "offenders", len(r.invalid), 0)
	expect(t, "suspects", r.v.Counts().Suspects, 0)
	expect(t, "invalid acks", r.v.Counts().Invalid, uint64(0))
	expect(t, "locks", len(r.locks), 0)
	if r.v.Counts().KeyFaults < 8 {
		t.Errorf("%d key faults are counted", r.v.Counts().KeyFaults)
	}
}

// 3.3: It is tried again after a while with other signers: no verdict ends a chunk for good.
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
		// Three validators are left out at a time. A given three are left out after 120 tries on
		// average, 4 s apart.
		for waited := time.Duration(0); len(r.locks) == 0 && waited < time.Hour; waited += time.Second {
			r.decideFor(time.Second)
		}
		expect(t, "locks", len(r.locks), 1)
		expect(t, "suspects", r.v.Counts().Suspects, 0)
		expect(t, "reports", len(r.unfit), 1)
	}
}

func TestNewAcksCauseNoImmediateTryOfKeysThatDoNotFit(t *testing.T) {
	r := unfit(t, 0)
	r.acks(1, 0, 0, 1, 2, 3, 4, 5, 6)
	r.verdict()
	r.acks(1, 0, 7, 8, 9)
	expect(t, "statements", len(r.verifies), 0)
	r.decideFor(10 * time.Minute)
	expect(t, "locks", len(r.locks), 1)
}

// However many chunks fail, tries cost a bounded share of the time. Once the keys fit, every chunk
// is certified unless a higher one was certified before it.
func TestKeysThatDoNotFitCostABoundedShareOfTheTime(t *testing.T) {
	r := unfit(t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	const chunks = 500
	for h := range uint64(chunks) {
		r.everyoneAcks(1, h)
		r.verdict()
	}
	expect(t, "reports", len(r.unfit), chunks)
	r.decideFor(time.Minute)
	if n := r.decideFor(10 * time.Minute); n < 100 || n > 150 {
		t.Errorf("tried %d times in ten minutes, want one for each %d × %v", n, maxCheckPause, r.cfg.SuspectDelay)
	}
	r.scheme.Unfit = nil
	r.decideFor(10 * time.Second)
	if n := len(r.locks); n < chunks/2 {
		t.Errorf("%d of %d chunks are certified", n, chunks)
	}
	expect(t, "the highest is certified", r.lane(1).At(chunks-1) != nil, true)
	expect(t, "still waiting", r.v.faults.waiting.len(), 0)
	expect(t, "reports", len(r.unfit), chunks)
}

func TestTryingAgainLeavesTimeForOthersIfATryTakesLong(t *testing.T) {
	r := unfit(t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	r.everyoneAcks(1, 0)
	r.pass(300 * time.Millisecond) // the duration of the verification
	r.verdict()
	r.pass(checkPause*300*time.Millisecond - 1)
	expect(t, "statements in the pause", len(r.verifies), 0)
	r.pass(1)
	expect(t, "statements after it", len(r.verifies), 1)
}

func TestKeysThatDoNotFitAreForgottenWithTheChunk(t *testing.T) {
	r := unfit(t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	for h := range uint64(500) {
		r.everyoneAcks(2, h)
		r.verdict()
		r.lane(2).CloseBelow(h + 1)
	}
	if n := cap(r.v.faults.waiting.list); n > 8 {
		t.Errorf("room for %d chunks is kept", n)
	}
	r.pass(time.Minute)
	expect(t, "statements", len(r.verifies), 0)
	expect(t, "still waiting", r.v.faults.waiting.len(), 0)
	_, waits := r.v.Deadline()
	expect(t, "a deadline", waits, false)
}

// Suspects' votes are verified under the same limits for chunks that failed.
func TestAChunkThatFailedWaitsForSuspectsLikeAnyOther(t *testing.T) {
	r := suspecting(t)
	r.scheme.Unfit = func(signers wire.Signers) bool { return !signers.Has(9) }
	r.acks(2, 0, 0, 1, 2, 3, 4, 5, 6)
	r.verdict()
	expect(t, "reports", len(r.unfit), 1)
	expect(t, "statements at once", len(r.verifies), 0)
	r.decideFor(time.Minute)
	if n := r.v.Counts().KeyFaults; n < 5 {
		t.Errorf("%d tries", n)
	}
	expect(t, "suspects", r.v.Counts().Suspects, 3)
	expect(t, "locks of the lane", len(r.locks), 0)
}

// One validator that is not a suspect has a key that does not fit. The other five and the three
// suspects, whose votes are valid, can make quorums without it, and one of these is tried at some
// time.
func TestRule3_3_AKeyThatDoesNotFitBesideSuspectsEndsNoChunk(t *testing.T) {
	r := unfit(t, 0)
	for i := 7; i < 10; i++ {
		r.v.suspects.offend(id(i), 6)
	}
	r.v.refreshSuspects()
	r.acks(1, 0, 0, 1, 2, 3, 4, 5, 7, 8, 9)
	for waited := time.Duration(0); len(r.locks) == 0 && waited < 2*time.Hour; waited += time.Second {
		r.decideFor(time.Second)
	}
	expect(t, "locks", len(r.locks), 1)
}
