package core

import (
	"slices"
	"testing"
)

// docs/protocol.md 4.3.3: "Rule 4.1 against the ack's epoch", and 4.1.1: "The sequencer is in epoch
// e's sequencers." That a lane is known, and had acks or a tip in one epoch, says nothing about
// another.
func TestRule4_3_3_AnAckOfAKnownLaneIsCountedOnlyInEpochsThatHaveItsSequencer(t *testing.T) {
	r := newRig(t, 4, sequencersIn(6, id(77)))
	r.tip(genesis(1, 1))
	for i := 1; i < 3; i++ { // in turn, so that no epoch is always the last one looked up
		expect(t, "in epoch 5, which has it", r.ack(i, chunk(1, 0, 1), 5), Accepted)
		expect(t, "in epoch 6, which has not", r.ack(i, chunk(1, 0, 1), 6), UnknownSequencer)
	}
	expect(t, "in epoch 4, which has it", r.ack(1, chunk(1, 0, 1), 4), Accepted)
	r.epoch(6)
	expect(t, "after the change, in epoch 6", r.ack(3, chunk(1, 0, 1), 6), UnknownSequencer)
	expect(t, "after the change, in epoch 5", r.ack(3, chunk(1, 0, 1), 5), Accepted)
}

// docs/protocol.md 4.1.1, and 4.3: bounds of height hold for a sequencer of which nothing is known.
func TestRule4_3_3_AnAckOfAnUnknownLaneMakesNoLaneUnlessItsEpochHasTheSequencer(t *testing.T) {
	r := newRig(t, 4, sequencersIn(6, id(77)))
	before := r.c.Counts().Lanes
	expect(t, "no sequencer at all", r.ack(1, chunk(500, 0, 1), 5), UnknownSequencer)
	expect(t, "a sequencer of another epoch", r.ack(1, chunk(77, 0, 1), 5), UnknownSequencer)
	expect(t, "lanes", r.c.Counts().Lanes, before)
	expect(t, "the sequencer's own epoch", r.ack(1, chunk(77, 0, 1), 6), Accepted)
	expect(t, "lanes", r.c.Counts().Lanes, before+1)
}

// docs/protocol.md 4.7: "the chunk below that height, if any, is certified (if it is the tip: for
// its payload)". Payloads of a lane may repeat: the certificate of a lower height says nothing
// about the tip, though its payload is the same.
func TestRule4_7_ACertificateIsForTheTipOnlyAtItsHeight(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.certifyOwn(r.propose(1), 5)
	second := r.propose(1)
	expect(t, "height", second.Height, 1)
	expect(t, "payload", second.Payload, payload(1))
	expect(t, "questions before the second is certified", len(r.proposes), 0)
	r.nodes = nil
	r.pass(r.cfg.RebroadcastTimeout)
	expect(t, "rebroadcasts", len(r.nodes), 1)
	r.certifyOwn(second, 5)
	expect(t, "questions", len(r.proposes), 1)
	r.nodes = nil
	r.pass(3 * r.cfg.RebroadcastTimeout)
	expect(t, "rebroadcasts of a certified chunk", len(r.nodes), 0)
}

// docs/protocol.md 4.8: "Providers keep each epoch's sets while a live lane's tip or certificate
// refers to it; the engine says which they are." A lane may have acks only, a tip without a parent,
// or certificates without a tip.
func TestRule4_8_TheEpochsNeededAreThoseOfLanesWithAndWithoutATip(t *testing.T) {
	r := newRig(t, 4)
	needed := func(want ...uint64) {
		t.Helper()
		if got := r.c.EpochsNeeded(); !slices.Equal(got, want) {
			t.Fatalf("needed: %v, want %v", got, want)
		}
	}
	r.ack(1, chunk(2, 0, 1), 5) // acks only
	needed(4, 5, 6)
	r.tip(genesis(1, 1)) // a tip without a parent
	needed(4, 5, 6)
	r.certify(chunk(3, 0, 1), 5) // a certificate without a tip
	r.epoch(9)
	needed(5, 8, 9, 10)
}
