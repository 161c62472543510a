package core

import (
	"errors"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

func unknownLock(sequencer int, height uint64) wire.Subject {
	return wire.Subject{Chunk: chunk(sequencer, height, 1), Epoch: 90}
}

// acksTip reports whether we ack a node once it is our tip.
func (r *rig) acksTip(n wire.Node) bool {
	r.t.Helper()
	r.acks = nil
	r.tip(n)
	r.answer(Approved)
	r.sign(nil)
	r.pass(time.Minute)
	for _, e := range r.acks {
		var a wire.Ack
		if a.Decode(e.Bytes) == nil && a.Chunk == n.Chunk {
			return true
		}
	}
	return false
}

// 7.5: If its epoch is unknown, nothing is acked on that lane until a lock within bounds is held,
// and then only above that one's mark.
func TestRule7_5_ALockOfAnUnknownEpochStopsAcksUntilALockWithinBoundsIsHeld(t *testing.T) {
	r := newRig(t, 4, recovering)
	if err := r.endRecovery(Recovery{
		Locks:   []wire.Lock{r.w.lock(chunk(1, 4, 4), 5), r.w.lock(chunk(3, 5, 5), 3)},
		Unknown: []wire.Subject{unknownLock(1, 9), unknownLock(2, 9), unknownLock(2, 3), unknownLock(3, 70), unknownLock(700, 3)},
	}); err != nil {
		t.Fatal(err)
	}
	r.sync()
	lanes, to := r.c.Abstaining()
	expect(t, "lanes", lanes, 5)
	expect(t, "to", to, 7)
	for range 2 {
		expect(t, "a lock within bounds counts", r.c.loss.of(id(1)), mark{height: 6, set: true})
		expect(t, "open", r.c.loss.of(id(2)), mark{height: 1, set: true, open: true})
		expect(t, "open, beside a lock below bounds", r.c.loss.of(id(3)), mark{height: 7, set: true, open: true})
		expect(t, "open, of a stranger", r.c.loss.of(id(700)), mark{open: true})
		expect(t, "none of another", r.c.loss.of(id(701)), mark{})
		r.crash(r.disk.Durable, true)
	}
	expect(t, "acks on a parent below bounds", r.acksTip(r.w.node(2, 20, 20, 19, 3)), false)
	expect(t, "acks at 21", r.acksTip(r.w.node(2, 21, 21, 20, 5)), false)
	expect(t, "mark", r.c.loss.of(id(2)), mark{height: 22, set: true})
	expect(t, "mark of the lane", r.c.lanes.bySequencer[id(2)].mark, mark{height: 22, set: true})
	r.crash(r.disk.Durable, true)
	expect(t, "acks at 22", r.acksTip(r.w.node(2, 22, 22, 21, 5)), false)
	r.crash(r.disk.Durable, true)
	expect(t, "mark is fixed", r.c.loss.of(id(2)), mark{height: 22, set: true})
	expect(t, "acks at 23", r.acksTip(r.w.node(2, 23, 23, 22, 5)), true)
	// A lock below the mark of one that was verified does not lower it.
	if err := r.adopt(r.w.lock(chunk(3, 4, 4), 5)); err != nil {
		t.Fatal(err)
	}
	expect(t, "mark", r.c.loss.of(id(3)), mark{height: 7, set: true})
}

// 7.5: … until a lock within bounds is held: one that the crash has left without the record of its
// mark, and one whose epoch has come within bounds.
func TestRule7_5_AMarkIsClosedByWhateverLockWithinBoundsIsHeld(t *testing.T) {
	open := func(t *testing.T) *rig {
		r := newRig(t, 4, recovering)
		if err := r.endRecovery(Recovery{Unknown: []wire.Subject{unknownLock(1, 9)}}); err != nil {
			t.Fatal(err)
		}
		r.sync()
		return r
	}
	r := open(t)
	if err := r.adopt(r.w.lock(chunk(1, 4, 4), 5)); err != nil {
		t.Fatal(err)
	}
	expect(t, "mark", r.c.loss.of(id(1)), mark{height: 6, set: true})
	r.crash(r.disk.Next-2, false)
	expect(t, "records of marks, after the crash", r.kinds()[MarkRecord], 1)
	expect(t, "mark", r.c.loss.of(id(1)), mark{height: 6, set: true})
	r = open(t)
	if err := r.adopt(r.w.lock(chunk(1, 4, 4), 9)); err != nil {
		t.Fatal(err)
	}
	expect(t, "open", r.c.loss.of(id(1)).open, true)
	r.epoch(8)
	expect(t, "mark", r.c.loss.of(id(1)), mark{height: 6, set: true})
	r.sync()
	for range 4 { // in any order of the records
		r.disk.Records = append(r.disk.Records[1:], r.disk.Records[0])
		r.crash(r.disk.Durable, true)
		expect(t, "mark", r.c.loss.of(id(1)), mark{height: 6, set: true})
		expect(t, "of the lane", r.c.lanes.bySequencer[id(1)].mark, mark{height: 6, set: true})
	}
	// A lane that was seen while recovering.
	r = newRig(t, 4, recovering)
	r.tip(r.w.node(1, 5, 5, 4, 5))
	if err := r.endRecovery(Recovery{Unknown: []wire.Subject{unknownLock(1, 9)}}); err != nil {
		t.Fatal(err)
	}
	expect(t, "mark", r.c.loss.of(id(1)), mark{height: 6, set: true})
}

// 7.5: The locks that one peer names take bounded memory: if more lanes of strangers are named than
// are kept, all such lanes count as named. Lanes of known sequencers are as before.
func TestRule7_5_LocksOfUnknownEpochsAreBounded(t *testing.T) {
	for _, more := range []int{0, 1, 10000} {
		r := newRig(t, 4, recovering, sequencersIn(9, id(800)))
		var unknown []wire.Subject
		for i := range maxOpenMarks + more {
			unknown = append(unknown, unknownLock(2000+i, 3))
		}
		unknown = append(unknown, unknownLock(2, 3))
		if err := r.endRecovery(Recovery{Locks: []wire.Lock{r.w.lock(chunk(1, 4, 4), 5)}, Unknown: unknown}); err != nil {
			t.Fatal(err)
		}
		r.sync()
		size := len(r.disk.Records[len(r.disk.Records)-1].Bytes)
		if size > 32*(maxOpenMarks+1)+34*5+4 {
			t.Fatalf("a record of %d bytes", size)
		}
		for range 2 {
			expect(t, "mark", r.c.loss.of(id(1)), mark{height: 6, set: true})
			expect(t, "known", r.c.loss.of(id(2)), mark{height: 1, set: true, open: true})
			expect(t, "not named", r.c.loss.of(id(3)), mark{height: 1, set: true})
			expect(t, "the first", r.c.loss.of(id(2000)).open, true)
			expect(t, "the last", r.c.loss.of(id(2000+maxOpenMarks+more-1)).open, true)
			expect(t, "a stranger that nobody named", r.c.loss.of(id(800)).open, more > 0)
			r.crash(r.disk.Durable, true)
		}
		if more == 1 { // the stranger is a sequencer later
			r.epoch(9)
			expect(t, "acks at 0", r.acksTip(genesis(800, 0)), false)
			lanes, _ := r.c.Abstaining()
			expect(t, "lanes, with those of epochs 8 and 10", lanes, 6)
			r.certify(chunk(800, 0, 0), 9)
			expect(t, "acks at 2", r.acksTip(r.w.node(800, 2, 2, 1, 9)), false)
			expect(t, "acks at 3", r.acksTip(r.w.node(800, 3, 3, 2, 9)), true)
		}
	}
}

// 7.5: A lock of an epoch below bounds counts for abstaining only: retired keys stop no lane, and
// make up none.
func TestRule7_5_ALockBelowBoundsCountsForAbstainingOnly(t *testing.T) {
	r := newRig(t, 4, recovering)
	stranger := r.w.lock(chunk(700, 4, 4), 2)
	if err := r.endRecovery(Recovery{Locks: []wire.Lock{r.w.lock(chunk(1, 100, 4), 2), r.w.lock(chunk(1, 4, 4), 5), stranger}}); err != nil {
		t.Fatal(err)
	}
	r.sync()
	for range 2 {
		expect(t, "mark", r.c.loss.of(id(1)), mark{height: 102, set: true})
		expect(t, "of a stranger", r.c.loss.of(id(700)), mark{})
		highest, _ := r.c.lanes.bySequencer[id(1)].votes.Highest()
		expect(t, "highest certified", highest, 4)
		r.crash(r.disk.Durable, true)
	}
	expect(t, "lanes", r.c.Counts().Lanes, 1)
	r.tip(r.w.node(1, 5, 5, 4, 5)) // the lane goes on
	r.certify(chunk(1, 5, 5), 5)
	// If the epoch's sequencers are not known, the lane's sequencer may be one of them.
	r = newRig(t, 4, recovering)
	delete(r.w.sequencers, 2)
	if err := r.endRecovery(Recovery{Locks: []wire.Lock{r.w.lock(chunk(1, 100, 4), 2)}}); err != nil {
		t.Fatal(err)
	}
	expect(t, "mark", r.c.loss.of(id(1)), mark{height: 1, set: true, open: true})
}

// 5.10: Journals of before v0.2 have records that say no more than marks, and they read as they
// did.
func TestRule5_10_TheRecordOfAnEarlierVersionIsReadAsItWas(t *testing.T) {
	for _, flags := range []byte{0, 1} {
		old := []byte{recordRecovered, flags}
		for _, i := range []int{1, 2} {
			key := id(i)
			old = wire.AppendUvarint(append(old, key[:]...), uint64(300*i))
		}
		r := newRig(t, 4, sequencing, recovering, func(r *rig) { r.disk.Durable = r.disk.Append(old) })
		expect(t, "recovering", r.c.Recovering(), false)
		for i := range 3 {
			expect(t, "mark", r.c.loss.of(id(i)), mark{height: uint64(300 * i), set: i > 0, unsafe: i > 0 && flags == 1})
		}
		state, _ := r.c.OwnLane()
		expect(t, "own lane", state, OwnLaneEnded)
		// A record without the new fields is written as before.
		end := recoveredRecord{unsafe: flags == 1, marks: []laneMark{{id(1), 300}, {id(2), 600}}}
		expect(t, "bytes", string(end.AppendTo([]byte{recordRecovered})), string(old))
	}
}

// 5.10: Recover without anything that others know stays recovering.
func TestRule5_10_NothingThatOthersKnowEndsNoRecovery(t *testing.T) {
	r := newRig(t, 4, sequencing, recovering)
	if err := r.endRecovery(Recovery{Resume: true}); !errors.Is(err, ErrNoLocks) {
		t.Fatal(err)
	}
	expect(t, "recovering", r.c.Recovering(), true)
}

// 5.9: *own chunk* carries the highest node and the highest ack of the asker.
func TestRule5_9_WhatIsKnownOfAnotherIdentityIsShown(t *testing.T) {
	r := newRig(t, 4, absent(9, 20))
	nodes, ack := r.c.Shown(id(1))
	expect(t, "nothing", nodes == nil && ack == nil, true)
	r.ack(1, chunk(2, 1, 1), 5)
	r.ack(1, chunk(3, 2, 2), 6)
	r.ack(1, chunk(1, 0, 1), 5)
	r.ack(2, chunk(2, 5, 5), 5)
	_, ack = r.c.Shown(id(1))
	expect(t, "ack", string(ack.AppendTo(nil)), string(r.w.ack(1, chunk(3, 2, 2), 6)))
	_, other := r.c.Shown(id(2))
	expect(t, "another's", other.Chunk, chunk(2, 5, 5))
	ack.Signature[0] ^= 1
	_, again := r.c.Shown(id(1))
	expect(t, "a copy", string(again.AppendTo(nil)), string(r.w.ack(1, chunk(3, 2, 2), 6)))
	_, ack = r.c.Shown(id(500))
	expect(t, "no validator's", ack == nil, true)

	shown := func(what string, want ...wire.Node) {
		t.Helper()
		for range 2 {
			nodes, _ := r.c.Shown(id(1))
			expect(t, what, len(nodes), len(want))
			for i := range want {
				expect(t, what, string(nodes[i].AppendTo(nil)), string(want[i].AppendTo(nil)))
				clear(nodes[i].Parent.Certificate) // it is a copy
			}
		}
	}
	first, second, third := genesis(1, 1), r.w.node(1, 4, 4, 3, 5), r.w.node(1, 5, 5, 4, 5)
	r.node(first)
	shown("in verification", first)
	r.verdicts()
	shown("not durable", first)
	r.node(second)
	r.node(third)
	shown("two that wait", third, second, first)
	conflicting := genesis(1, 9)
	r.verdicts()
	r.sync()
	shown("the tip", third)
	conflicting.Chunk.Height, conflicting.Parent = 5, third.Parent
	conflicting.Signature = model.SignChunk(conflicting.Chunk)
	r.node(conflicting)
	shown("not a chunk that contradicts it", third)
	r.verdicts()
	// A dormant lane has its tip's Proposal.
	r.epoch(11)
	expect(t, "dormant", r.c.Counts().Dormant, 1)
	nodes, ack = r.c.Shown(id(1))
	expect(t, "nodes", len(nodes), 1)
	expect(t, "chunk", nodes[0].Proposal(), third.Proposal())
	expect(t, "parent", nodes[0].Parent.Payload, payload(4))
	expect(t, "certificate", nodes[0].Parent.Certificate == nil, true)
	expect(t, "an ack of an epoch out of bounds", ack == nil, true)
}
