package core

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// unfit returns a validator of ten, in a set whose quorums make no certificate if they include any
// of the given participants.
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

// everyoneAcks delivers valid acks of all validators for a chunk of a lane.
func (r *rig) everyoneAcks(lane int, height uint64) {
	r.t.Helper()
	for i := range 10 {
		r.ack(i, chunk(lane, height, 1), 5)
	}
}

// decideFor lets time pass, decides every statement at once, and returns their number.
func (r *rig) decideFor(d time.Duration) (statements int) {
	r.t.Helper()
	for end := r.now + d; r.now < end; r.pass(10 * time.Millisecond) {
		statements += len(r.verifies)
		r.verdicts()
	}
	return statements
}

// 3.3: All votes valid and yet the result invalid means inconsistent keys: a configuration error
// that blames nobody and is reported to the application.
func TestRule3_3_KeysThatDoNotFitAreReportedOnceAndBlameNobody(t *testing.T) {
	r := unfit(t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	r.everyoneAcks(1, 0)
	r.verdicts()
	report := fault[*wire.InconsistentKeys](r)
	expect(t, "the chunk", report.Subject, wire.Subject{Chunk: chunk(1, 0, 1), Epoch: 5})
	expect(t, "signers", report.Signers.Count(), 7)
	if n := r.decideFor(time.Minute); n < 5 {
		t.Errorf("tried %d times in a minute", n)
	}
	expect(t, "reports", len(r.faults()), 1)
	r.everyoneAcks(1, 1)
	r.everyoneAcks(2, 0)
	r.verdicts()
	expect(t, "reports of three chunks", len(r.faults()), 3)
	expect(t, "faults counted", r.c.Counts().Faults, 0)
	expect(t, "suspects", r.c.Counts().Suspects, 0)
	expect(t, "invalid acks", r.c.Counts().AcksInvalid, 0)
	expect(t, "locks", len(r.locks()), 0)
	if r.c.Counts().KeyFaults < 8 {
		t.Errorf("%d key faults are counted", r.c.Counts().KeyFaults)
	}
}
