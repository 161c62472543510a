package core

import (
	"testing"

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
