package core

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// 4.6: ConflictingAcks: two acks of one validator for one (sequencer, height, epoch), different
// payloads, both verified alone.
func TestRule4_6_ConflictingAcksAreEachVerifiedAloneAndThenReported(t *testing.T) {
	r := newRig(t, 4)
	r.ack(2, chunk(1, 0, 1), 5)
	r.ack(2, chunk(1, 0, 2), 5)
	expect(t, "statements", len(r.verifies), 2)
	for _, st := range r.verifies {
		expect(t, "proven alone", st.EachVote && st.Signers.Count() == 1 && st.Signers.Has(2), true)
	}
	r.verdicts()
	f := fault[*wire.ConflictingAcks](r)
	for _, a := range []wire.Ack{f.First, f.Second} {
		expect(t, "signature", string(a.AppendTo(nil)), string(r.w.ack(2, a.Chunk, 5)))
	}
	decoded, err := wire.DecodeActivity(f.AppendTo(nil), wire.SameFormat(r.w.schemes[5].Format()))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "decoded", decoded.Tag(), wire.TagConflictingAcks)
}

// 4.6: ConflictingAcks: two acks of one validator for one (sequencer, height, epoch), different
// payloads, both verified alone.
func TestRule4_6_ConflictingAcksOutliveTheSlotThatTheyCameFrom(t *testing.T) {
	r := newRig(t, 4)
	r.ack(2, chunk(1, 0, 1), 5)
	r.ack(2, chunk(1, 0, 2), 5)
	acks := r.verifies
	r.verifies = nil
	r.tip(r.w.node(1, 5, 5, 4, 5))
	expect(t, "votes", r.c.Counts().Votes, 0)
	for _, st := range acks {
		r.c.SignaturesVerified(r.now, decide(st))
		r.drain()
	}
	f := fault[*wire.ConflictingAcks](r)
	expect(t, "first", string(f.First.AppendTo(nil)), string(r.w.ack(2, chunk(1, 0, 1), 5)))
	expect(t, "second", string(f.Second.AppendTo(nil)), string(r.w.ack(2, chunk(1, 0, 2), 5)))
}

// 4.6: ConflictingAcks are looked for at most once per validator and epoch.
func TestRule4_6_ConflictingAcksAreLookedForOncePerValidatorAndEpoch(t *testing.T) {
	r := newRig(t, 4)
	for h := range uint64(4) {
		r.ack(2, chunk(1, h, 1), 5)
		r.ack(2, chunk(1, h, 2), 5)
		r.ack(2, chunk(1, h, 3), 5)
	}
	expect(t, "statements", len(r.verifies), 2)
	r.verdicts()
	r.ack(2, chunk(1, 0, 1), 6)
	r.ack(2, chunk(1, 0, 2), 6)
	expect(t, "statements in the next epoch", len(r.verifies), 2)
	r.verdicts()
	expect(t, "faults", len(r.faults()), 2)
}

// 4.6: ConflictingAcks: both verified alone. InvalidAck: what an authenticated peer sent.
func TestRule4_6_AConflictingAckThatIsForgedIsAnInvalidAck(t *testing.T) {
	for _, first := range []bool{true, false} {
		r := newRig(t, 4)
		deliver := map[bool]func(int, wire.Chunk, uint64) Outcome{true: r.badAck, false: r.ack}
		deliver[first](2, chunk(1, 0, 1), 5)
		deliver[!first](2, chunk(1, 0, 2), 5)
		r.verdicts()
		f := fault[*wire.InvalidAck](r)
		expect(t, "peer", f.Peer, id(2))
		expect(t, "suspects", r.c.Counts().Suspects, 1)
	}
}

// 4.6: ConflictingAcks: both verified alone, else nothing is reported.
func TestRule4_6_ConflictingAcksThatCouldNotBeVerifiedBlameNobody(t *testing.T) {
	r := newRig(t, 4)
	r.ack(2, chunk(1, 0, 1), 5)
	r.ack(2, chunk(1, 0, 2), 5)
	for _, st := range r.verifies {
		r.c.SignaturesVerified(r.now, &verify.Verdict{Statement: st, Err: errTest})
		r.drain()
	}
	expect(t, "faults", len(r.faults()), 0)
	expect(t, "under way", r.c.faults.seeking, 0)
}

// 4.6: ConflictingAcks are looked for at most once per validator and epoch, few at a time.
func TestRule4_6_FewConflictingAcksAreVerifiedAtOnce(t *testing.T) {
	r := newRig(t, 100, observing)
	for i := range 50 {
		r.ack(i, chunk(1, 0, 1), 5)
		r.ack(i, chunk(1, 0, 2), 5)
	}
	expect(t, "statements", len(r.verifies), 2*maxSeeking)
	r.verdicts()
	expect(t, "faults", len(r.faults()), maxSeeking)
	r.ack(20, chunk(1, 0, 3), 5) // it offends again
	r.verdicts()
	expect(t, "faults", len(r.faults()), maxSeeking+1)
}

// 4.6: InvalidAck, InvalidNode: what an authenticated peer sent; undecodable messages once per peer
// and interval.
func TestRule4_6_BytesThatAreNoMessageAreReportedOncePerPeerAndInterval(t *testing.T) {
	r := newRig(t, 4)
	good := r.w.ack(2, chunk(1, 0, 1), 5)
	for range 5 {
		expect(t, "garbage", r.ackBytes(id(2), []byte{1, 2, 3}), Malformed)
		expect(t, "short signature", r.ackBytes(id(2), good[:len(good)-1]), Malformed)
		expect(t, "long signature", r.ackBytes(id(2), append(good[:len(good):len(good)], 0)), Malformed)
		expect(t, "garbage node", r.nodeBytes(id(2), []byte{1, 2, 3}), Malformed)
		expect(t, "empty node", r.nodeBytes(id(2), nil), Malformed)
	}
	f := fault[*wire.InvalidAck](r)
	expect(t, "peer", f.Peer, id(2))
	expect(t, "message", string(f.Message), "\x01\x02\x03")
	r.nodeBytes(id(3), []byte{1})
	expect(t, "faults, with another peer", len(r.faults()), 2)
	expect(t, "its kind", r.faults()[1].Tag(), wire.TagInvalidNode)
	r.pass(time.Second)
	r.nodeBytes(id(2), []byte{1})
	expect(t, "faults, an interval later", len(r.faults()), 3)
}

// 4.6: InvalidAck, InvalidNode: an unknown epoch is not one.
func TestRule4_6_AnUnknownEpochIsNoFault(t *testing.T) {
	r := newRig(t, 4, unknownAt(6))
	n := r.w.node(1, 1, 1, 0, 5)
	n.Parent.Epoch = 99
	expect(t, "node", r.node(n), UnknownEpoch)
	expect(t, "faults", len(r.faults()), 0)
	r.epoch(6)
	expect(t, "node while the current sets are unknown", r.node(genesis(2, 1)), UnknownEpoch)
	expect(t, "faults", len(r.faults()), 0)
}

// 4.6: InvalidAck is for blocking peers: we are none of ours.
func TestRule4_6_OurOwnBrokenSignerIsSuspectedButNotReported(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	r.c.AckSigned(r.now, r.signAcks[0].Call, make([]byte, model.VoteSize), nil)
	r.signAcks = nil
	r.drain()
	r.ack(1, chunk(1, 0, 1), 5)
	r.ack(2, chunk(1, 0, 1), 5)
	r.verdicts()
	expect(t, "suspects", r.c.Counts().Suspects, 1)
	expect(t, "faults", len(r.faults()), 0)
	r.ack(3, chunk(1, 0, 1), 5)
	r.verdicts()
	expect(t, "locks", len(r.locks()), 1)
}
