package core

import (
	"testing"
	"time"
)

// docs/protocol.md 5.1: "After a failed write or sync it neither acks nor proposes again in that
// run." Votes that wait for time to pass have nothing to wait for: a driver that is told otherwise
// would go round without end.
func TestRule5_1_AFailedCoreDoesNotWaitForVotes(t *testing.T) {
	r := newRig(t, 4, observing)
	for i := range 3 {
		r.ack(i, chunk(1, 0, 1), 5)
	}
	expect(t, "without a verdict", r.undecided(), 1)
	due, ok := r.c.Deadline()
	expect(t, "waits before the failure", ok, true)
	r.c.Fail()
	if _, ok := r.c.Deadline(); ok {
		t.Error("a core that has failed waits for time to pass")
	}
	r.now = due
	r.c.Tick(r.now)
	expect(t, "effects", len(r.c.Effects()), 0)
}

// docs/protocol.md 4.7: "While no certificate comes, point 3 is repeated every RebroadcastTimeout;
// at start-up […] at once". The time counts from the start, whatever the clock shows then.
func TestRule4_7_AfterAStartTheTipIsRepeatedAtOnceAndThenAfterTheTimeout(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.propose(1)
	r.sync()
	r.pass(time.Hour)
	r.nodes = nil
	r.crash(r.disk.Durable, false)
	expect(t, "at start-up", len(r.nodes), 1)
	r.pass(r.cfg.RebroadcastTimeout - 1)
	expect(t, "before the timeout", len(r.nodes), 1)
	r.pass(1)
	expect(t, "after the timeout", len(r.nodes), 2)
}

// docs/protocol.md 4.7: "An answer for a height that is no longer next is dropped, and a question
// about one ends". It is counted as dropped, and is none of the failures.
func TestRule4_7_AQuestionThatEndsIsCountedAsDropped(t *testing.T) {
	r := newRig(t, 4, sequencing, sequencersIn(6, id(1)))
	expect(t, "questions", len(r.proposes), 1)
	r.epoch(6)
	expect(t, "questions while we are no sequencer", len(r.proposes), 0)
	counts := r.c.Counts().Proposals
	expect(t, "dropped", counts[Dropped], uint64(1))
	expect(t, "failures", counts[Failure], uint64(0))
}
