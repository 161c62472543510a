package core

import (
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// 4.8: A stream of growing epoch numbers.
func TestRule4_8_EpochsOnlyGrow(t *testing.T) {
	r := newRig(t, 4)
	r.epoch(4)
	expect(t, "epoch", r.c.Epoch(), 5)
	r.epoch(5)
	r.epoch(9)
	expect(t, "epoch", r.c.Epoch(), 9)
}

// 4.8: A change prunes acks outside the bounds.
func TestRule4_8_AChangePrunesAcksOutsideTheBounds(t *testing.T) {
	r := newRig(t, 4)
	for e := uint64(4); e <= 6; e++ {
		for h := range uint64(3) {
			r.ack(1, chunk(1, h, 1), e)
			r.ack(2, chunk(2, h, 1), e)
		}
	}
	expect(t, "votes", r.c.Counts().Votes, 18)
	r.epoch(6)
	expect(t, "votes of [5, 7]", r.c.Counts().Votes, 12)
	r.epoch(7)
	expect(t, "votes of [6, 8]", r.c.Counts().Votes, 6)
	r.epoch(9)
	expect(t, "votes of [8, 10]", r.c.Counts().Votes, 0)
	expect(t, "memory", r.c.Counts().VoteBytes, 0)
	for e := range r.c.epochs.known {
		expect(t, "an epoch out of bounds is kept", e < 8 || e > 10, false)
	}
}

// 4.8: Of lanes that are not dormant, a tip and the certificates of tip and parent are never
// pruned.
func TestRule4_8_TipsAndTheirCertificatesOutliveEveryEpoch(t *testing.T) {
	r := newRig(t, 4)
	r.tip(r.w.node(1, 1, 1, 0, 4))
	r.certify(chunk(1, 1, 1), 5)
	for e := uint64(6); e < 20; e++ {
		r.epoch(e)
	}
	_, ok := r.c.Tip(id(1))
	expect(t, "tip", ok, true)
	for h := range uint64(2) {
		_, ok := r.c.Certificate(id(1), h)
		expect(t, "certificate", ok, true)
	}
	expect(t, "released", len(r.releases), 0)
}

// 4.8: A chunk may be certified in a later epoch than the one in which it was sent.
func TestRule4_8_AChunkMayBeCertifiedInALaterEpochThanItsOwn(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.epoch(6)
	r.certify(chunk(1, 0, 1), 6)
	expect(t, "locks", len(r.locks()), 1)
	expect(t, "epoch", r.locks()[0].Epoch, 6)
}

// 4.8: Providers keep each epoch's sets while a live lane's tip or certificate refers to it; the
// engine says which they are.
func TestRule4_8_TheEngineSaysWhichEpochsAreNeeded(t *testing.T) {
	needed := func(r *rig, want ...uint64) {
		t.Helper()
		if got := r.c.EpochsNeeded(); !slices.Equal(got, want) {
			t.Fatalf("needed: %v, want %v", got, want)
		}
	}
	r := newRig(t, 4)
	needed(r, 4, 5, 6) // including epochs without messages
	r.tip(r.w.node(1, 1, 1, 0, 2))
	r.epoch(8)
	needed(r, 2, 7, 8, 9)
	r.certify(chunk(1, 1, 1), 8)
	r.tip(on(r.w.lock(chunk(1, 1, 1), 8), 2))
	r.certify(chunk(1, 2, 2), 8)
	r.tip(on(r.w.lock(chunk(1, 2, 2), 8), 3))
	needed(r, 7, 8, 9)
	r.epoch(15)
	r.epoch(20) // the last that is known
	needed(r, 8, 19, 20)
}

// 4.8: Providers keep each epoch's sets while a live lane's tip or certificate refers to it; the
// engine says which they are.
func TestRule4_8_TheEpochOfATipsParentIsNeededAlsoWhereANewerCertificateIsHeld(t *testing.T) {
	r := newRig(t, 4)
	for i := 1; i < 4; i++ {
		r.ack(i, chunk(1, 0, 0), 5)
	}
	r.verdicts()
	r.tip(on(r.w.lock(chunk(1, 0, 0), 1), 1)) // the certificate of its parent is of epoch 1
	expect(t, "epoch of the one held", r.locks()[0].Epoch, 5)
	expect(t, "locks", len(r.locks()), 1) // an old certificate beside a newer one is nothing new
	expect(t, "needed", slices.Contains(r.c.EpochsNeeded(), 1), true)
	r.crash(r.disk.Next-1, true)
	expect(t, "needed after a restart", slices.Contains(r.c.EpochsNeeded(), 1), true)
}

func TestAnEpochsSequencersMayBecomeKnownAfterItsScheme(t *testing.T) {
	r := newRig(t, 4, func(r *rig) { delete(r.w.sequencers, 6) })
	r.epoch(6)
	expect(t, "ack", r.ack(1, chunk(1, 0, 1), 6), UnknownEpoch)
	expect(t, "node", r.node(genesis(1, 1)), UnknownEpoch)
	r.w.sequencers[6] = ids(4)
	expect(t, "ack", r.ack(1, chunk(1, 0, 1), 6), Accepted)
	expect(t, "node", r.node(genesis(1, 1)), Accepted)
}

func TestANodeWhoseParentsEpochIsForgottenWhileItWaitsIsDropped(t *testing.T) {
	r := newRig(t, 4)
	r.node(r.w.node(1, 1, 1, 0, 5))
	r.node(r.w.node(1, 3, 3, 2, 2)) // waits
	r.sets.unknown[2] = true
	r.verdicts()
	p, _ := r.c.Tip(id(1))
	expect(t, "tip", p.Chunk, chunk(1, 1, 1))
	expect(t, "stale", r.c.Counts().Nodes[Stale], 1)
	expect(t, "faults", len(r.faults()), 0)
}

func TestAFormatIsKnownOfEpochsWithinBoundsOnly(t *testing.T) {
	r := newRig(t, 4)
	if _, ok := r.c.epochs.Format(3); ok {
		t.Fatal("a format for an epoch below bounds")
	}
	if _, ok := r.c.epochs.Format(1 << 63); ok {
		t.Fatal("a format for an epoch that nobody knows")
	}
	f, _ := r.c.epochs.Format(5)
	expect(t, "kind", f.Kind, wire.SignersAndList)
}

// 4.8: On entering an epoch, a validator of it signs and sends its ack in the new epoch, at once,
// for every ackable tip for which it holds no certificate of an epoch in bounds.
func TestRule4_8_OnEnteringAnEpochUncertifiedTipsAreAckedAtOnce(t *testing.T) {
	r := newRig(t, 4)
	for lane, certified := range map[int]uint64{1: 0, 2: 5, 3: 4} {
		r.tip(genesis(lane, 1))
		r.answer(Approved)
		r.sign(nil)
		if certified > 0 {
			r.certify(chunk(lane, 0, 1), certified)
		}
	}
	r.tip(genesis(1000, 1)) // not answered yet
	r.acks = nil
	r.epoch(6) // where the certificate of epoch 4 does not count
	expect(t, "signatures asked for", len(r.signAcks), 2)
	r.sign(nil)
	for _, e := range r.acks {
		var a wire.Ack
		if err := a.Decode(e.Bytes); err != nil {
			t.Fatal(err)
		}
		expect(t, "epoch", a.Epoch, 6)
		expect(t, "lane", a.Chunk.Sequencer == id(1) || a.Chunk.Sequencer == id(3), true)
	}
	expect(t, "acks", len(r.acks), 2)
	r.answer(Approved)
	expect(t, "signatures asked for once it is approved", len(r.signAcks), 1)
	r.epoch(7)
	expect(t, "signatures asked for, the certificate of epoch 5 being out of bounds", len(r.signAcks), 4)
}

// 4.8: … and a sequencer sends such a tip of its own again.
func TestRule4_8_OnEnteringAnEpochASequencerSendsItsUncertifiedTipAgain(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	r.answer(Approved)
	r.sign(nil)
	r.epoch(6)
	expect(t, "nodes", len(r.nodes), 2)
	expectChunks(t, "payloads spread", r.broadcasts, c, c)
	r.sign(nil)
	expect(t, "acks of ours", len(r.acks), 2)
	r.certifyOwn(c, 6)
	r.epoch(7)
	expect(t, "nodes, once it is certified in bounds", len(r.nodes), 2)
}

// 4.8: Signers and schemes that were not known when first asked for are asked for again.
func TestRule4_8_ASignerThatWasNotThereIsAskedForAgain(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	r.sets.noSigner = true
	r.epoch(6)
	r.pass(10 * time.Second)
	expect(t, "signatures asked for", len(r.signAcks), 0)
	expect(t, "cancelled, of epoch 5", len(r.cancelled), 1)
	r.sets.noSigner = false
	r.pass(time.Second)
	expect(t, "signatures asked for", len(r.signAcks), 1)
	expect(t, "epoch", r.signAcks[0].Epoch, 6)
	r.sign(nil)
	expect(t, "acks", len(r.acks), 1)
}

// 4.8: Signers and schemes that were not known when first asked for are asked for again.
func TestRule4_8_AnEpochWhoseSchemeComesLateIsAckedInOnceItIsThere(t *testing.T) {
	r := newRig(t, 4, unknownAt(6))
	r.tip(genesis(1, 1))
	r.answer(Approved)
	r.sign(nil)
	r.epoch(6)
	r.pass(10 * time.Second)
	expect(t, "signatures asked for", len(r.signAcks), 0)
	delete(r.sets.unknown, 6)
	r.pass(time.Second)
	expect(t, "signatures asked for", len(r.signAcks), 1)
	r.sign(nil)
	expect(t, "acks", len(r.acks), 2)
}

// 4.5: A tip is ackable when its height is not below the lane's highest certified. No other ack is
// signed, sent or sent again.
func TestRule4_5_NothingIsAckedOrSentAgainBelowTheHighestCertificate(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 0))
	r.answer(Approved)
	r.sign(nil)
	r.certify(chunk(1, 5, 5), 5)
	r.tip(genesis(2, 0)) // a tip that is approved later
	r.certify(chunk(2, 5, 5), 5)
	r.answer(Approved)
	for range 3 {
		r.pass(time.Minute)
		r.node(genesis(1, 0))
		r.node(genesis(2, 0))
		r.epoch(r.c.Epoch() + 1)
	}
	expect(t, "signatures asked for", len(r.signAcks), 0)
	expect(t, "acks", len(r.acks), 1)
	r.crash(r.disk.Next-1, true)
	r.answer(Approved)
	expect(t, "signatures asked for after a restart", len(r.signAcks), 0)
}

// 4.5: No certificate is held there for another payload.
func TestRule4_5_NothingIsAckedAgainstACertificateThatIsHeld(t *testing.T) {
	r := newRig(t, 4)
	for i := 1; i < 4; i++ {
		r.ack(i, chunk(1, 0, 9), 5)
	}
	acks := r.verifies
	r.verifies = nil
	r.tip(genesis(1, 1))
	r.answer(Approved)
	past := r.signAcks[0]
	r.verifies = acks
	r.verdicts()
	fault[*wire.Conflict](r)
	expect(t, "cancelled", r.cancelled[0].Call, past.Call)
	r.signed(past)
	r.pass(time.Minute)
	r.node(genesis(1, 1))
	r.epoch(6)
	expect(t, "acks", len(r.acks)+len(r.signAcks), 0)
	r.sync()
	r.crash(r.disk.Next-1, true)
	r.answer(Approved)
	expect(t, "signatures asked for after a restart", len(r.signAcks), 0)
}

// 4.1.3: If a certificate of the lane is held at that height, an adopted one included, a verified
// node is a Conflict.
func TestRule4_1_3_ANodeThatContradictsAnAdoptedLockIsAConflictAndNoTip(t *testing.T) {
	r := newRig(t, 4)
	if err := r.c.Adopt(r.now, []wire.Lock{r.w.lock(chunk(1, 3, 9), 5)}); err != nil {
		t.Fatal(err)
	}
	r.drain()
	expect(t, "locks", len(r.locks()), 1)
	r.node(r.w.node(1, 3, 3, 2, 5))
	r.verdicts()
	f := fault[*wire.Conflict](r)
	expect(t, "lock", f.Lock.Chunk, chunk(1, 3, 9))
	_, ok := r.c.Tip(id(1))
	expect(t, "it is a tip", ok, false)
}
