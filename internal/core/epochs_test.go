package core

import (
	"slices"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

func TestRule4_8_EpochsOnlyGrow(t *testing.T) {
	r := newRig(t, 4)
	r.epoch(4)
	expect(t, "epoch", r.c.Epoch(), 5)
	r.epoch(5)
	r.epoch(9)
	expect(t, "epoch", r.c.Epoch(), 9)
}

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
	expect(t, "old epochs kept", len(r.c.epochs), 0)
}

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

func TestRule4_8_AChunkMayBeCertifiedInALaterEpochThanItsOwn(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.epoch(6)
	r.certify(chunk(1, 0, 1), 6)
	expect(t, "locks", len(r.locks()), 1)
	expect(t, "epoch", r.locks()[0].Epoch, 6)
}

func TestRule4_8_TheEngineSaysWhichEpochsAreNeeded(t *testing.T) {
	needed := func(r *rig, want ...uint64) {
		t.Helper()
		if got := r.c.EpochsNeeded(); !slices.Equal(got, want) {
			t.Fatalf("needed: %v, want %v", got, want)
		}
	}
	r := newRig(t, 4)
	needed(r, 4, 5, 6) // also those that no message was of yet
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

func TestRule4_8_TheEpochOfATipsParentIsNeededAlsoWhereANewerCertificateIsHeld(t *testing.T) {
	r := newRig(t, 4)
	for i := range 3 {
		r.ack(i, chunk(1, 0, 0), 5)
	}
	r.verdicts()
	r.tip(on(r.w.lock(chunk(1, 0, 0), 1), 1)) // its parent's certificate is of epoch 1
	expect(t, "epoch of the one held", r.locks()[0].Epoch, 5)
	expect(t, "locks", len(r.locks()), 1) // an old certificate beside a newer one is nothing new
	expect(t, "needed", slices.Contains(r.c.EpochsNeeded(), 1), true)
	r.crash(r.disk.Next-1, true)
	expect(t, "needed after a restart", slices.Contains(r.c.EpochsNeeded(), 1), true)
}

func TestAnEpochsSequencersMayBecomeKnownAfterItsScheme(t *testing.T) {
	r := newRig(t, 4)
	delete(r.w.sequencers, 6)
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

func TestAnUnknownParentEpochIsAskedForOnlyByWhoMayProposeThere(t *testing.T) {
	r := newRig(t, 4)
	n := r.w.node(1, 1, 1, 0, 5)
	n.Parent.Epoch = 1 << 63
	expect(t, "outcome", r.nodeBytes(id(2), n.AppendTo(nil)), UnknownEpoch)
	expect(t, "lanes", r.c.Counts().Lanes, 0)
	if _, ok := r.c.Format(1 << 63); ok {
		t.Fatal("a format for an epoch that nobody knows")
	}
	f, _ := r.c.Format(5)
	expect(t, "kind", f.Kind, wire.SignersAndList)
}
