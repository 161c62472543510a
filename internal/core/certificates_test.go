package core

import (
	"slices"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// certify delivers a quorum of acks of others, and has them verified.
func (r *rig) certify(c wire.Chunk, epoch uint64) {
	r.t.Helper()
	for i := 1; i < 4; i++ {
		if o := r.ack(i, c, epoch); o != Accepted {
			r.t.Fatalf("ack %d: %v", i, o)
		}
	}
	r.verdicts()
}

// 4.4: Below the lane's highest certified height − 1: if within HeightBound of it and nothing was
// reported for that height in this run, journaled and reported like a new one, and not held; else
// ignored.
func TestRule4_4_ACertificateBelowTheHighestLessOneIsReportedOnceAndNotHeld(t *testing.T) {
	r := newRig(t, 4)
	r.certify(chunk(1, 8, 8), 5)
	r.tip(r.w.node(1, 1, 1, 0, 5)) // its parent is at height 0: HeightBound below the highest
	expect(t, "locks, out of HeightBound", len(r.locks()), 1)
	records := r.disk.Next
	r.tip(r.w.node(1, 4, 4, 3, 5))
	expect(t, "locks", len(r.locks()), 2)
	expect(t, "lock", r.locks()[1].Chunk, chunk(1, 3, 3))
	expect(t, "records, with the tip's", r.disk.Next, records+2)
	_, ok := r.c.Certificate(id(1), 3)
	expect(t, "held", ok, false)
	expect(t, "released once it is reported", slices.Contains(r.releases, records), true)
	r.tip(on(r.w.lock(chunk(1, 4, 4), 6), 5))
	r.tip(on(r.w.lock(chunk(1, 5, 5), 4), 6))
	r.tip(r.w.node(1, 8, 8, 7, 5)) // and at height 7: the highest less one
	expect(t, "locks", len(r.locks()), 5)
	// Another epoch's for a height that has been reported.
	records = r.disk.Next
	l := r.c.lanes.bySequencer[id(1)]
	lock := r.w.lock(chunk(1, 4, 4), 5)
	r.c.certified(l, lock)
	r.drain()
	expect(t, "locks", len(r.locks()), 5)
	expect(t, "records", r.disk.Next, records)
}

// 4.4: One for that (height, epoch) is held: ignored.
func TestRule4_4_AKnownCertificateIsIgnored(t *testing.T) {
	r := newRig(t, 4)
	for i := 1; i < 4; i++ {
		r.ack(i, chunk(1, 0, 1), 5)
	}
	votes := r.verifies[0]
	r.verifies = nil
	r.tip(on(r.w.lock(chunk(1, 0, 1), 5, 1, 2, 3), 1)) // the same from other signers
	records := r.disk.Next
	r.c.SignaturesVerified(r.now, decide(votes))
	r.drain()
	expect(t, "locks", len(r.locks()), 1)
	expect(t, "records", r.disk.Next, records)
	expect(t, "faults", len(r.faults()), 0)
	held, _ := r.c.Certificate(id(1), 0)
	expect(t, "held", string(held.Certificate), string(r.w.lock(chunk(1, 0, 1), 5, 1, 2, 3).Certificate))
}

// 4.4: One for another payload is held or kept at that height: a LockConflict.
func TestRule4_4_ACertificateForAnotherPayloadIsALockConflictReportedOnce(t *testing.T) {
	r := newRig(t, 4)
	r.certify(chunk(1, 0, 1), 5)
	r.certify(chunk(1, 0, 2), 4)
	f := fault[*wire.LockConflict](r)
	expect(t, "first", f.First.Chunk, chunk(1, 0, 1))
	expect(t, "second", f.Second.Chunk, chunk(1, 0, 2))
	expect(t, "both valid", r.w.validLock(&f.First) && r.w.validLock(&f.Second), true)
	expect(t, "locks", len(r.locks()), 1)
	held, _ := r.c.Certificate(id(1), 0)
	expect(t, "the first stands", held.Chunk, chunk(1, 0, 1))
	r.certify(chunk(1, 0, 3), 6)
	expect(t, "faults", len(r.faults()), 1)
}

// 4.4: New: stored, journaled, reported as a Lock, pending acks for it freed at once, and
// everything of that lane below height − 1 pruned.
func TestRule4_4_ANewCertificateIsJournaledReportedAndPrunes(t *testing.T) {
	r := newRig(t, 4)
	for h := range uint64(6) {
		r.ack(1, chunk(1, h, 1), 5)
		r.ack(1, chunk(1, h, 1), 6)
	}
	expect(t, "votes", r.c.Counts().Votes, 12)
	r.certify(chunk(2, 0, 1), 5)
	r.ack(3, chunk(1, 4, 1), 5)
	r.ack(2, chunk(1, 4, 1), 5)
	r.verdicts()
	// The acks of the slot and of all lower heights are gone; (4, epoch 6), (5, 5) and (5, 6)
	// remain.
	expect(t, "votes", r.c.Counts().Votes, 3)
	expect(t, "locks", len(r.locks()), 2)
	expect(t, "records", r.disk.Next, 3)
	expect(t, "durable when it was reported", r.disk.Durable, 0) // a lock proves itself
	rec := r.disk.Records[1].Bytes
	var lock wire.Lock
	if err := lock.DecodeStored(rec[1:]); err != nil || rec[0] != recordLock {
		t.Fatalf("no lock in the journal: %v", err)
	}
	expect(t, "journaled", lock.Chunk, chunk(1, 4, 1))
}

// 4.4: Everything of that lane below height − 1 is pruned; a tip and the certificates of tip and
// parent never are.
func TestRule4_4_OfALaneTwoHeightsOfCertificatesAreHeldAndTheTips(t *testing.T) {
	r := newRig(t, 4)
	r.tip(r.w.node(1, 1, 1, 0, 5))
	for h := uint64(1); h < 8; h++ {
		r.certify(chunk(1, h, int(h)), 5)
	}
	held := map[uint64]bool{}
	for h := range uint64(10) {
		_, held[h] = r.c.Certificate(id(1), h)
	}
	for h, want := range map[uint64]bool{0: true, 1: true, 2: false, 5: false, 6: true, 7: true, 8: false} {
		expect(t, "held", held[h], want) // 0 and 1 are the tip's parent's and the tip's
	}
	expect(t, "released", len(r.releases), 4)
	r.tip(r.w.node(1, 7, 7, 6, 5))
	_, ok := r.c.Certificate(id(1), 1)
	expect(t, "held once the tip has moved", ok, false)
}

// 4.4: A Lock is reported once in a run; after a restart each lane's top ones are reported again.
func TestRule4_4_ALockIsReportedOnceInARunAndAgainAfterARestart(t *testing.T) {
	r := newRig(t, 4)
	r.certify(chunk(1, 0, 1), 5)
	r.tip(on(r.locks()[0], 1))
	expect(t, "locks", len(r.locks()), 1)
	r.reports = nil
	r.crash(r.disk.Durable, false)
	expect(t, "locks of the second run", len(r.locks()), 1)
	r.node(on(r.w.lock(chunk(1, 1, 1), 5), 2))
	r.verdicts()
	expect(t, "locks of the second run", len(r.locks()), 2)
}

// 4.4: One for that (height, epoch) is held: ignored. One of another epoch is new.
func TestRule4_4_ACertificateOfALaterEpochForTheSameChunkIsNew(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.certify(chunk(1, 0, 1), 5)
	r.certify(chunk(1, 0, 1), 6)
	expect(t, "locks", len(r.locks()), 2)
	held, _ := r.c.Certificate(id(1), 0)
	expect(t, "the newest's epoch", held.Epoch, 6)
	r.epoch(6)
	expect(t, "released while both are in bounds", len(r.releases), 0)
	r.epoch(7)
	expect(t, "released", len(r.releases), 1)
	_, ok := r.c.Certificate(id(1), 0)
	expect(t, "held", ok, true)
}

func TestCertificateOfAnUnknownLaneOrHeightIsNone(t *testing.T) {
	r := newRig(t, 4)
	_, ok := r.c.Certificate(id(1), 0)
	expect(t, "of an unknown lane", ok, false)
	_, ok = r.c.Tip(id(1))
	expect(t, "tip of an unknown lane", ok, false)
	r.tip(genesis(1, 1))
	_, ok = r.c.Certificate(id(1), 0)
	expect(t, "of an uncertified height", ok, false)
}

func TestLanesAreListedWithWhereTheyStand(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(3, 1))
	r.node(genesis(2, 1))
	r.verdicts()
	r.certify(chunk(1, 4, 1), 5)
	r.ack(3, chunk(1, 5, 1), 5)
	lanes := r.c.Lanes()
	expect(t, "lanes", len(lanes), 3)
	expect(t, "first", lanes[0], LaneStatus{Sequencer: id(1), Certified: 4, HasCertified: true, Slots: 1})
	expect(t, "second", lanes[1], LaneStatus{Sequencer: id(2), HasTip: true})
	expect(t, "third", lanes[2], LaneStatus{Sequencer: id(3), HasTip: true, Durable: true})
}
