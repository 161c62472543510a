package core

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// heights returns the heights of the locks reported.
func (r *rig) heights() (all []uint64) {
	for _, l := range r.locks() {
		all = append(all, l.Chunk.Height)
	}
	return all
}

func expectHeights(t *testing.T, what string, got []uint64, want ...uint64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s: got %v, want %v", what, got, want)
		}
	}
}

// one decides the first waiting statement, and no other.
func (r *rig) one() *verify.Statement {
	r.t.Helper()
	st := r.verifies[0]
	r.verifies = r.verifies[1:]
	r.c.SignaturesVerified(r.now, decide(st))
	r.drain()
	return st
}

// 4.2.5: When a waiting node is replaced by a higher one, its parent certificate goes on as a
// statement of its own, so that a process that falls behind for a moment loses no lock that reached
// it. One such statement per lane is in verification, the highest first.
func TestRule4_2_5_TheParentsOfReplacedNodesAreVerifiedTheHighestFirstAndOneAtATime(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 0))
	for h := uint64(1); h <= 8; h++ {
		r.node(r.w.node(1, h, int(h), int(h-1), 5))
	}
	expect(t, "statements: a node, and a parent", len(r.verifies), 2)
	expect(t, "the parent of the first that was replaced", r.verifies[1].Subject.Chunk, chunk(1, 1, 1))
	expect(t, "no node among them", r.verifies[1].Proposal == nil, true)
	expect(t, "replaced", r.c.Counts().Nodes[Replaced], 6)
	expect(t, "dropped", r.c.Counts().ParentsDropped, 0)
	first := r.verifies[0]
	r.verifies = r.verifies[1:]
	for _, h := range []uint64{1, 6, 5, 4, 3, 2} {
		expect(t, "parent", r.one().Subject.Chunk.Height, h)
		expect(t, "statements", len(r.verifies) <= 1, true)
	}
	expectHeights(t, "locks", r.heights(), 1, 6, 5, 4, 3, 2)
	r.verifies = append(r.verifies, first)
	r.verdicts()
	expectHeights(t, "locks", r.heights(), 1, 6, 5, 4, 3, 2, 0, 7)
	p, _ := r.c.Tip(id(1))
	expect(t, "tip", p.Chunk.Height, 8)
}

// 4.2.5: The same for a node that came while a higher one waited, and for one that a higher one
// overtook.
func TestRule4_2_5_TheParentsOfLowerAndOvertakenNodesAreVerifiedToo(t *testing.T) {
	r := newRig(t, 4)
	r.node(r.w.node(1, 7, 7, 6, 5))
	r.node(r.w.node(1, 5, 5, 4, 5))
	expect(t, "lower than the one that waits", r.node(r.w.node(1, 3, 3, 2, 5)), Busy)
	r.verdicts()
	expectHeights(t, "locks", r.heights(), 6, 2, 4)
	expect(t, "the same again", r.node(r.w.node(1, 3, 3, 2, 5)), HeightTooLow)
	expect(t, "statements", len(r.verifies), 0)
}

// 4.2.5: At most the lesser of HeightBound and 64 wait, of heights above the highest certified −
// HeightBound and of epochs within bounds; what does not fit is dropped and counted.
func TestRule4_2_5_ParentsThatWaitAreBoundedAndThoseDroppedAreCounted(t *testing.T) {
	r := newRig(t, 4)
	for h := uint64(1); h < 40; h++ {
		r.node(r.w.node(1, h, int(h), int(h-1), 5))
	}
	l := r.c.lanes.bySequencer[id(1)]
	expect(t, "parents that wait", len(l.parents.waiting), 8)
	expect(t, "the lowest of them", l.parents.waiting[0].subject.Chunk.Height, 30)
	expect(t, "dropped", r.c.Counts().ParentsDropped, 37-1-8)
	r.verdicts()
	// The locks of the first node, the first parent and the last node, and those of the waiting
	// ones except the lowest, which is too low now.
	expect(t, "locks", len(r.locks()), 1+1+1+7)

	r = newRig(t, 4, func(r *rig) { r.cfg.HeightBound = 1 << 20 })
	for h := uint64(1); h < 100; h++ {
		r.node(r.w.node(1, h, int(h), int(h-1), 5))
	}
	l = r.c.lanes.bySequencer[id(1)]
	expect(t, "parents that wait, of a large HeightBound", len(l.parents.waiting), 64)
	expect(t, "the lowest of them, of a large HeightBound", l.parents.waiting[0].subject.Chunk.Height, 34)

	r = newRig(t, 4)
	r.certify(chunk(1, 8, 8), 5)
	r.node(r.w.node(1, 9, 9, 8, 5))
	for _, n := range []wire.Node{
		r.w.node(1, 1, 1, 0, 5), // HeightBound below the certified height
		r.w.node(1, 4, 4, 3, 3), // of an epoch below bounds
		r.w.node(1, 5, 5, 4, 7), // and above
	} {
		r.node(n)
		r.node(r.w.node(1, 6, 6, 5, 5)) // replaces it, and is lower later
		r.now += r.cfg.BadNodeInterval  // then another epoch out of bounds may be named
	}
	r.node(r.w.node(1, 10, 10, 9, 5))
	r.verdicts()
	expect(t, "dropped", r.c.Counts().ParentsDropped, 3)
	expectHeights(t, "locks", r.heights(), 8, 5, 9)
}

// 4.2.5: If one is invalid, InvalidNode is reported with the node that it came from, the sequencer
// counts as one whose node failed, and those that wait are dropped; of such a sequencer none is
// kept.
func TestRule4_2_5_AnInvalidParentBlamesTheSequencerAndDropsThoseThatWait(t *testing.T) {
	r := newRig(t, 4)
	bad := r.w.node(1, 4, 4, 3, 5)
	bad.Parent.Certificate[len(bad.Parent.Certificate)-1] ^= 1
	r.node(r.w.node(1, 1, 1, 0, 5))
	r.node(r.w.node(1, 3, 3, 2, 5))
	r.node(bad)
	r.node(r.w.node(1, 6, 6, 5, 5))
	r.node(r.w.node(1, 7, 7, 6, 5))
	r.verdicts() // the parents of heights 2, then 5, then the bad one
	f := fault[*wire.InvalidNode](r)
	expect(t, "peer", f.Peer, id(1))
	expect(t, "message", string(f.Message), string(bad.AppendTo(nil)))
	expect(t, "invalid", r.c.Counts().Nodes[Invalid], 1)
	expect(t, "bad", r.c.lanes.bySequencer[id(1)].bad, true)
	dropped := r.c.Counts().ParentsDropped
	r.node(r.w.node(1, 9, 9, 8, 5))
	r.node(r.w.node(1, 10, 10, 9, 5))
	r.node(r.w.node(1, 11, 11, 10, 5))
	expect(t, "dropped", r.c.Counts().ParentsDropped > dropped, true)
	expect(t, "waiting", len(r.c.lanes.bySequencer[id(1)].parents.waiting), 0)
	r.pass(time.Second)
	expect(t, "faults", len(r.faults()), 1)
}

// 4.2.5: If one parent is invalid, those that wait are dropped.
func TestRule4_2_5_AnInvalidParentDropsThoseBelowThatWait(t *testing.T) {
	r := newRig(t, 4)
	bad := r.w.node(1, 6, 6, 5, 5)
	bad.Parent.Certificate[len(bad.Parent.Certificate)-1] ^= 1
	r.node(r.w.node(1, 1, 1, 0, 5))
	for _, n := range []wire.Node{r.w.node(1, 3, 3, 2, 5), r.w.node(1, 4, 4, 3, 5), r.w.node(1, 5, 5, 4, 5), bad, r.w.node(1, 7, 7, 6, 5)} {
		r.node(n)
	}
	parent := r.verifies[1]
	r.verifies = r.verifies[:1]
	r.c.SignaturesVerified(r.now, decide(parent))
	r.drain()
	expect(t, "the bad one is next", r.verifies[1].Subject.Chunk.Height, 5)
	parent = r.verifies[1]
	r.verifies = r.verifies[:1]
	r.c.SignaturesVerified(r.now, decide(parent))
	r.drain()
	fault[*wire.InvalidNode](r)
	expect(t, "dropped", r.c.Counts().ParentsDropped, 2)
	expect(t, "statements", len(r.verifies), 1)
}

// 4.2.5: The same where the node that was verified is the invalid one.
func TestRule4_2_5_AnInvalidNodeDropsTheParentsThatWait(t *testing.T) {
	r := newRig(t, 4)
	bad := r.w.node(1, 1, 1, 0, 5)
	bad.Signature[0] ^= 1
	r.node(bad)
	for h := uint64(3); h < 7; h++ {
		r.node(r.w.node(1, h, int(h), int(h-1), 5))
	}
	expect(t, "parents that wait", len(r.c.lanes.bySequencer[id(1)].parents.waiting), 2)
	r.one()
	expect(t, "parents that wait", len(r.c.lanes.bySequencer[id(1)].parents.waiting), 0)
	expect(t, "dropped", r.c.Counts().ParentsDropped, 2)
	fault[*wire.InvalidNode](r)
}

// 4.2.5: A verification that was cut short blames nobody.
func TestRule4_2_5_AParentWithoutAVerdictIsDroppedAndBlamesNobody(t *testing.T) {
	r := newRig(t, 4)
	for h := uint64(1); h < 5; h++ {
		r.node(r.w.node(1, h, int(h), int(h-1), 5))
	}
	st := r.verifies[1]
	r.verifies = r.verifies[:1]
	r.c.SignaturesVerified(r.now, &verify.Verdict{Statement: st, Err: errTest})
	r.drain()
	expect(t, "dropped", r.c.Counts().ParentsDropped, 1)
	expect(t, "the next one", r.verifies[1].Subject.Chunk.Height, 2)
	r.verdicts()
	expect(t, "faults", len(r.faults()), 0)
	expectHeights(t, "locks", r.heights(), 0, 2, 3)
}

// 4.4: Below the lane's highest certified height − 1: one for another payload than one that is kept
// there is a LockConflict.
func TestRule4_4_AContradictionToAPastCertificateIsALockConflict(t *testing.T) {
	for name, late := range map[string]bool{"that was held": false, "that came late": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4)
			if late {
				r.certify(chunk(1, 7, 7), 5)
				r.node(r.w.node(1, 4, 4, 3, 5))
				r.verdicts()
			} else {
				for h := uint64(3); h < 8; h++ {
					r.certify(chunk(1, h, int(h)), 5)
				}
			}
			locks := len(r.locks())
			r.node(r.w.node(1, 9, 9, 8, 5))
			r.node(r.w.node(1, 5, 5, 4, 5))
			r.node(r.w.node(1, 4, 44, 99, 5)) // it has another parent at height 3
			r.verdicts()
			f := fault[*wire.LockConflict](r)
			expect(t, "first", f.First.Chunk, chunk(1, 3, 3))
			expect(t, "second", f.Second.Chunk, chunk(1, 3, 99))
			expect(t, "both valid", r.w.validLock(&f.First) && r.w.validLock(&f.Second), true)
			if late {
				locks++ // of height 4
			}
			expect(t, "locks, with that of height 8", len(r.locks()), locks+1)
		})
	}
}
