package core

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

func expectNeeded(t testing.TB, what string, r *rig, want ...uint64) {
	t.Helper()
	if got := r.c.EpochsNeeded(); !slices.Equal(got, want) {
		t.Fatalf("%s: needed are %v, want %v", what, got, want)
	}
}

// 4.8: Providers keep each epoch's sets while a live lane's tip or certificate refers to it, and
// get them again for a node whose parent's certificate is of it: the engine says which they are
// (`EpochsNeeded`).
//
// A lane stood still for long: its tip is not certified, and the tip's parent was certified in an
// epoch that is unknown to a validator that joined later.
func TestRule4_8_AJoinerIsToldWhichOldEpochALaneNeeds(t *testing.T) {
	r := newRig(t, 4, unknownAt(5))
	r.epoch(8)
	expectNeeded(t, "before the node", r, 7, 8, 9)
	n := r.w.node(1, 7, 1, 0, 5)
	for range 3 {
		expect(t, "node", r.node(n), UnknownEpoch)
		r.pass(5 * time.Second)
	}
	expectNeeded(t, "with it", r, 5, 7, 8, 9)
	expect(t, "warnings", len(r.warnings), 1)
	expect(t, "the warning is ErrEpochLacking", errors.Is(r.warnings[0].Err, ErrEpochLacking), true)
	expect(t, "faults", len(r.faults()), 0)

	delete(r.sets.unknown, 5) // the host has got them
	r.tip(n)
	expectNeeded(t, "by the tip", r, 5, 7, 8, 9)
	r.answer(Approved)
	r.sign(nil)
	expect(t, "acks", len(r.acks), 1)
	r.certify(chunk(1, 7, 1), 8)
	r.tip(on(r.w.lock(chunk(1, 7, 1), 8), 2))
	r.certify(chunk(1, 8, 2), 8)
	r.tip(on(r.w.lock(chunk(1, 8, 2), 8), 3))
	expectNeeded(t, "once the lane has moved on", r, 7, 8, 9)
}

// 4.8: …
//
// The epoch is within bounds, and the joiner's provider begins with the next one.
func TestRule4_8_AnEpochWithinBoundsThatIsLackingIsNamedAsWell(t *testing.T) {
	r := newRig(t, 4, unknownAt(4))
	expectNeeded(t, "before the node", r, 5, 6)
	expect(t, "node", r.node(r.w.node(1, 7, 1, 0, 4)), UnknownEpoch)
	expectNeeded(t, "with it", r, 4, 5, 6)
}

// 4.8: …
//
// While its node waits, an epoch leaves the bounds.
func TestRule4_8_TheEpochOfANodeThatWaitsIsNeeded(t *testing.T) {
	r := newRig(t, 4)
	expect(t, "node", r.node(r.w.node(1, 6, 1, 0, 4)), Accepted)
	expect(t, "one that waits", r.node(r.w.node(1, 8, 1, 0, 5)), Accepted)
	r.epoch(9)
	expectNeeded(t, "after four epochs", r, 4, 5, 8, 9, 10)
	r.verdicts()
	r.sync()
	tip, _ := r.c.Tip(id(1))
	expect(t, "tip", tip.Chunk.Height, 8)
}

// 4.8: The operator is told if the provider lacks it.
//
// A sequencer that names two epochs in turn does not fill the log.
func TestRule4_8_TheOperatorIsNotToldOfEachEpochThatASequencerMakesUp(t *testing.T) {
	r := newRig(t, 4, unknownAt(4), unknownAt(5), unknownAt(7))
	r.epoch(7)
	r.c.lane(id(1)) // its nodes may wait for the sets of epoch 7
	for i := range uint64(1000) {
		r.node(r.w.node(1, 7+i, 1, 0, 4+i%2))
		r.node(r.w.node(1, 7+i, 1, 0, 7))
		r.now += time.Millisecond
	}
	expect(t, "warnings in a second", len(r.warnings), 1)
}

// 4.8: An epoch that has not come is none that a provider has dropped.
func TestRule4_8_AnEpochToComeIsNotNamed(t *testing.T) {
	r := newRig(t, 4, unknownAt(9))
	expect(t, "node", r.node(r.w.node(1, 7, 1, 0, 9)), UnknownEpoch)
	expectNeeded(t, "with it", r, 4, 5, 6)
	expect(t, "warnings", len(r.warnings), 0)
}

// 4.8: The higher one of two nodes names the epoch that is needed.
func TestRule4_8_ALowerNodeDoesNotTakeTheNeedOfAHigherOneAway(t *testing.T) {
	r := newRig(t, 4, unknownAt(5), unknownAt(4))
	r.epoch(8)
	r.node(r.w.node(1, 7, 1, 0, 5))
	r.pass(time.Minute)
	expect(t, "a lower node", r.node(r.w.node(1, 6, 1, 0, 4)), UnknownEpoch)
	expectNeeded(t, "after both", r, 5, 7, 8, 9)
}

// 2: The provider is asked for epochs within bounds and those that a lane refers to; for another
// one only if the lane's own sequencer names it, and one per lane and `BadNodeInterval`.
func TestRule2_NoStrangerChoosesTheEpochsThatTheProviderIsAskedFor(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.tip(r.w.node(1, 3, 1, 0, 5))
	r.node(r.w.node(2, 3, 1, 0, 5)) // in verification
	r.sets.asked = map[uint64]int{}
	node := func(sequencer int, height, epoch uint64) []byte {
		n := r.w.node(sequencer, height, 1, 0, 5)
		n.Parent.Epoch = epoch
		return n.AppendTo(nil)
	}
	for i := range uint64(100) {
		far := 1<<40 + 7*i
		for _, epoch := range []uint64{far, i % 4} { // above and below bounds
			r.nodeBytes(id(77), node(77, 1, epoch)) // from a stranger
			r.nodeBytes(id(77), node(1, 4, epoch))  // in the name of a sequencer
			r.nodeBytes(id(2), node(1, 4, epoch))   // by another sequencer
			r.nodeBytes(id(2), node(0, 4, epoch))   // in our name
			r.nodeBytes(id(1), node(1, 2, epoch))   // below the tip
			r.nodeBytes(id(1), node(1, 3, epoch))   // a duplicate, or one that conflicts
			ack := wire.Ack{Chunk: chunk(1, 3, 1), Epoch: epoch, Participant: 1, Signature: make([]byte, 64)}
			r.ackBytes(id(77), ack.AppendTo(nil))
			r.ackBytes(id(1), ack.AppendTo(nil))
		}
	}
	for epoch, n := range r.sets.asked {
		expect(t, "within bounds", epoch >= 4 && epoch <= 6, true)
		expect(t, "asked for more than once per message", n <= 1600, true)
	}

	clear(r.sets.asked)
	for i := range uint64(1000) { // 10 s of a sequencer that invents them
		r.nodeBytes(id(1), node(1, 4+i, 1<<40+i))
		r.now += 10 * time.Millisecond
	}
	far := 0
	for epoch, n := range r.sets.asked {
		if epoch > 6 {
			far++
			expect(t, "asked for one epoch", n, 1)
		}
	}
	expect(t, "epochs that a sequencer made up", far, 10)
	expect(t, "named", slices.Max(r.c.EpochsNeeded()), 6)
}

// 4.2.5: Parents of epochs out of bounds do not wait, and nobody is asked for their sets.
func TestRule4_2_5_NobodyIsAskedForTheEpochOfAParentThatCannotWait(t *testing.T) {
	r := newRig(t, 4)
	r.tip(r.w.node(1, 3, 1, 0, 2))
	r.node(r.w.node(1, 4, 1, 1, 5))
	r.node(r.w.node(1, 5, 1, 1, 5)) // waits
	r.sets.asked = map[uint64]int{}
	r.node(r.w.node(1, 6, 1, 1, 5)) // replaces it
	for epoch := range r.sets.asked {
		expect(t, "within bounds", epoch >= 4 && epoch <= 6, true)
	}
	expect(t, "parents that wait for the lane", r.c.wantsParent(r.c.lanes.find(&n1), wire.Subject{Chunk: chunk(1, 4, 9), Epoch: 3}), false)
	expect(t, "asked for epoch 3", r.sets.asked[3], 0)
}

var n1 = id(1)

// 4.8: Signers that were not known when first asked for are asked for again.
//
// A message of the next epoch causes a lookup of its sets before our key of it is available.
func TestRule4_8_ASignerThatWasNotThereWhenItsEpochCameIntoViewIsAskedForAgain(t *testing.T) {
	r := newRig(t, 4)
	r.sets.noSigner = true
	r.ack(1, chunk(1, 0, 1), 6)
	r.sets.noSigner = false
	r.epoch(6)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	expect(t, "signatures asked for", len(r.signAcks), 1)
}

// 4.8: … and one whose signature failed, too: it may have been there before its key was.
func TestRule4_8_TheProviderIsAskedForAnotherSignerAfterASignatureThatFailed(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	expect(t, "asked for", r.sets.signers, 1)
	r.sign(errTest)
	r.sets.noSigner = true // withdrawn
	r.pass(3 * time.Second)
	expect(t, "signatures asked for without one", len(r.signAcks), 0)
	r.sets.noSigner = false
	r.pass(time.Second)
	expect(t, "signatures asked for", len(r.signAcks), 1)
	r.sign(nil)
	expect(t, "acks", len(r.acks), 1)
	asked := r.sets.signers
	r.tip(genesis(2, 1))
	r.answer(Approved)
	r.sign(nil)
	expect(t, "asked for again after a signature that did not fail", r.sets.signers, asked)
}

// 4.8: Providers keep each epoch's sets while a live lane's tip or certificate refers to it.
//
// A certificate is in verification while its epoch leaves the bounds: it will be held.
func TestRule4_8_TheEpochOfACertificateInVerificationIsNeeded(t *testing.T) {
	r := newRig(t, 4)
	r.tip(r.w.node(1, 0, 1, 0, 0))
	message := r.w.lock(chunk(1, 0, 1), 5)
	expect(t, "certificate message", r.lock(id(2), message), Accepted)
	r.epoch(8)
	expectNeeded(t, "while it is verified", r, 5, 7, 8, 9)
	r.verdicts()
	expectNeeded(t, "while it is held", r, 5, 7, 8, 9)
	r.tip(on(message, 2))
}

// 4.8: …
//
// The same holds for the parent certificate of a node that a higher one replaced.
func TestRule4_8_TheEpochOfAParentInVerificationIsNeeded(t *testing.T) {
	r := newRig(t, 4)
	expect(t, "node", r.node(r.w.node(1, 6, 1, 0, 5)), Accepted)
	expect(t, "one that waits", r.node(r.w.node(1, 7, 1, 0, 4)), Accepted)
	expect(t, "one that replaces it", r.node(r.w.node(1, 9, 1, 0, 5)), Accepted)
	r.epoch(8)
	expectNeeded(t, "while both are verified", r, 4, 5, 7, 8, 9)
}

// 4.8: The operator is told if the provider lacks it, of one lane at growing intervals.
func TestRule4_8_TheOperatorIsToldOfOneLaneAtGrowingIntervals(t *testing.T) {
	r := newRig(t, 4, unknownAt(4), unknownAt(5))
	r.epoch(8)
	for i := range uint64(3600) { // an hour
		r.node(r.w.node(1, 7+i, 1, 0, 4+i%2))
		r.now += time.Second
	}
	if n := len(r.warnings); n < 5 || n > 13 {
		t.Errorf("%d warnings", n)
	}
}
