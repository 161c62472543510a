package core

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// 4.2.3: The same chunk as the tip, whatever the rest of the bytes, is a duplicate, and not
// verified again.
func TestRule4_2_3_ANodeWithTheTipsChunkIsADuplicateWithAnyOtherBytes(t *testing.T) {
	r := newRig(t, 4)
	n := r.w.node(1, 1, 1, 0, 5)
	r.tip(n)
	n.Signature[5] ^= 1
	n.Parent = on(r.w.lock(chunk(1, 0, 9), 3, 1, 2, 3), 0).Parent
	expect(t, "outcome", r.node(n), Duplicate)
	r.sets.unknown[3] = true
	expect(t, "outcome with a parent that cannot be bounded", r.node(n), Duplicate)
	expect(t, "statements", len(r.verifies), 0)
	n.Chunk.Payload = payload(9)
	expect(t, "outcome of another chunk with such a parent", r.node(n), UnknownEpoch)
	expect(t, "outcome where there is no tip", r.node(r.w.node(2, 1, 1, 0, 3)), UnknownEpoch)
	expect(t, "faults", len(r.faults()), 0)
}

// 4.2: Duplicate: with a true verdict known, our ack for the current epoch is sent, no more often
// than a set interval.
func TestRule4_2_ADuplicateHasOurAckSentAgainOncePerInterval(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	r.sign(nil)
	expect(t, "acks", len(r.acks), 1)
	for range 10 {
		r.node(genesis(1, 1))
	}
	expect(t, "acks within the interval", len(r.acks), 1)
	r.pass(time.Second)
	for range 10 {
		r.node(genesis(1, 1))
	}
	expect(t, "acks after it", len(r.acks), 2)
	expect(t, "signed", len(r.signAcks), 0)
	expect(t, "bytes", string(r.acks[0].Bytes), string(r.acks[1].Bytes))
	expect(t, "questions", len(r.asks), 0)
}

// 4.2: Duplicate: our ack for the current epoch is signed once per epoch.
func TestRule4_2_ADuplicateInANewEpochDoesNotHaveOurAckSignedAgain(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	r.sign(nil)
	r.epoch(6)
	r.node(genesis(1, 1))
	r.node(genesis(1, 1))
	expect(t, "signatures asked for", len(r.signAcks), 1)
	r.sign(nil)
	expect(t, "acks", len(r.acks), 2)
	var a wire.Ack
	if err := a.Decode(r.acks[1].Bytes); err != nil {
		t.Fatal(err)
	}
	expect(t, "epoch", a.Epoch, 6)
	r.pass(time.Second)
	r.node(genesis(1, 1))
	expect(t, "signatures asked for", len(r.signAcks), 0)
	expect(t, "acks", len(r.acks), 3)
}

// 4.2: Duplicate: with a false verdict, or none and none pending, the application is asked again,
// once per interval.
func TestRule4_2_ADuplicateHasTheApplicationAskedAgainOncePerInterval(t *testing.T) {
	for _, a := range []Answer{Refused, Failed} {
		r := newRig(t, 4)
		r.tip(genesis(1, 1))
		r.node(genesis(1, 1))
		r.pass(time.Minute)
		r.node(genesis(1, 1))
		expect(t, "questions while one is pending", len(r.asks), 1)
		r.answer(a)
		r.node(genesis(1, 1)) // the last question is a minute old
		expect(t, "questions", len(r.asks), 1)
		r.answer(a)
		for range 10 {
			r.node(genesis(1, 1))
		}
		expect(t, "questions within the interval", len(r.asks), 0)
		r.pass(time.Second)
		r.node(genesis(1, 1))
		r.node(genesis(1, 1))
		expect(t, "questions after it", len(r.asks), 1)
		r.answer(Approved)
		expect(t, "signatures", len(r.signAcks), 1)
	}
}
