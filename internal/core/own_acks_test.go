package core

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// docs/protocol.md 4.2: "Duplicate: if the application's verdict is known and true, our ack for the
// current epoch (signed once per epoch) is sent, no more often than a set interval". So it is also
// where the signature took a second try.
func TestRule4_2_ADuplicateIsAnsweredAtOnceAlsoAfterOurSignerHadFailed(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	r.sign(errTest)
	expect(t, "acks after a failure", len(r.acks), 0)
	r.pass(r.cfg.AckInterval)
	r.sign(nil)
	expect(t, "acks after the second try", len(r.acks), 1)
	counts := r.c.Counts().OwnAcks
	expect(t, "failures counted", counts[Failure], uint64(1))
	expect(t, "successes counted", counts[Success], uint64(1))
	for i := range 3 {
		r.pass(r.cfg.AckInterval)
		expect(t, "duplicate", r.node(genesis(1, 1)), Duplicate)
		expect(t, "acks", len(r.acks), 2+i)
	}
	expect(t, "signatures asked for", len(r.signAcks), 0)
}

// docs/protocol.md 4.6: "InvalidAck […] what an authenticated peer sent". That a vote of our own is
// broken does not keep others from being reported in the same verdict.
func TestRule4_6_AnInvalidAckBesideOneOfOursIsReported(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	r.c.AckSigned(r.now, r.signAcks[0].Call, make([]byte, model.VoteSize), nil)
	r.signAcks = nil
	r.drain()
	r.badAck(1, chunk(1, 0, 1), 5)
	r.ack(2, chunk(1, 0, 1), 5)
	r.verdicts()
	expect(t, "suspects", r.c.Counts().Suspects, 2)
	expect(t, "reported", fault[*wire.InvalidAck](r).Peer, id(1))
}

// docs/protocol.md 4.6: ConflictingAcks are "looked for at most once per validator and epoch". A
// change of epoch within bounds makes no difference.
func TestRule4_6_AnEpochThatStaysWithinBoundsIsNotSearchedAgain(t *testing.T) {
	r := newRig(t, 4)
	r.ack(2, chunk(1, 0, 1), 5)
	r.ack(2, chunk(1, 0, 2), 5)
	r.verdicts()
	fault[*wire.ConflictingAcks](r)
	r.epoch(6)
	r.ack(2, chunk(1, 1, 1), 5)
	r.ack(2, chunk(1, 1, 2), 5)
	expect(t, "statements", len(r.verifies), 0)
}

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

// docs/protocol.md 4.4: "A record that says through which position locks have been reported is
// written every 64 locks".
func TestRule4_4_EverySixtyFourReportedLocksMakeARecord(t *testing.T) {
	r := newRig(t, 4)
	for h := range uint64(130) {
		r.certify(chunk(1, h, 1), 5)
		records := 0
		for _, rec := range r.disk.Records {
			if RecordKind(rec.Bytes[0]) == ReportedRecord {
				records++
			}
		}
		expect(t, "records, with those released", records, int(h+1)/64)
	}
}
