package core

import (
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// docs/protocol.md 5.5: "Memory is bounded by configuration, whatever peers send, however long it
// runs". A tip waits for its record to be durable, and is forgotten there with the sync; one that
// was overtaken before takes no more room than its successor.
func TestRule5_5_TipsWaitForTheDiskOnlyUntilTheirRecordsAreDurable(t *testing.T) {
	r := newRig(t, 4, sequencing)
	waiting := func(what string, want int) {
		t.Helper()
		expect(t, "tips that wait for the disk, "+what, len(r.c.volatile.list)-r.c.volatile.first, want)
	}
	own := r.propose(1) // its chunk was made durable before
	waiting("after our own", 0)
	expect(t, "our tip", r.broadcasts[0], own)
	for _, sequencer := range []int{1, 2} {
		if o := r.node(genesis(sequencer, 1)); o != Accepted {
			t.Fatal(o)
		}
		r.verdicts()
	}
	waiting("after two of others", 2)
	r.sync()
	waiting("after the sync", 0)
	for i := range uint64(200) {
		for h := 3*i + 1; h < 3*i+4; h++ { // three tips of one lane between two syncs
			r.node(on(r.w.lock(chunk(1, h-1, 1), 5), 1))
			r.verdicts()
		}
		r.sync()
	}
	expect(t, "height", tipOf(t, r, 1).Height, 600)
	waiting("at the end", 0)
	if n := cap(r.c.volatile.list); n > 16 {
		t.Errorf("there is room for %d tips, and at most 3 waited at once", n)
	}
}

// The disk may always be behind, so that some tip always waits.
func TestRule5_5_TheListOfTipsThatWaitIsAsLongAsTheDiskIsBehind(t *testing.T) {
	r := newRig(t, 4)
	r.node(genesis(1, 1))
	r.verdicts()
	for h := uint64(1); h <= 500; h++ {
		behind := r.disk.Next - 1
		r.node(on(r.w.lock(chunk(1, h-1, 1), 5), 1))
		r.verdicts()
		r.disk.Durable = behind // all except the newest tip, whose record came later
		r.noteDurable()
		r.c.Durable(r.now, behind)
		r.drain()
		expect(t, "tips that wait", len(r.c.volatile.list)-r.c.volatile.first, 1)
	}
	if n := cap(r.c.volatile.list); n > 16 {
		t.Errorf("there is room for %d tips, and at most 2 waited at once", n)
	}
}

// docs/protocol.md 4.2: "Once that is durable, the application is asked to verify". Each tip is,
// unless it has been overtaken, in whatever order lanes come up while the disk is behind.
func TestRule4_2_NoTipIsLeftOutWhileTheDiskIsBehind(t *testing.T) {
	const lanes = 3
	r := newRig(t, 4)
	asked := 0
	r.trace = func(e *Effect) {
		if e.Kind == AskVerify {
			asked++
		}
	}
	var ends []uint64 // of the journal, after each node
	for h := range uint64(100) {
		for lane := 1; lane <= lanes; lane++ {
			n := genesis(lane, 1)
			if h > 0 {
				n = on(r.w.lock(chunk(lane, h-1, 1), 5), 1)
			}
			expect(t, "node", r.node(n), Accepted)
			r.verdicts()
			ends = append(ends, r.disk.Next-1)
			if len(ends) <= lanes-1 {
				continue
			}
			r.disk.Durable = ends[len(ends)-lanes] // all except the newest tips of two lanes
			r.noteDurable()
			r.c.Durable(r.now, r.disk.Durable)
			r.drain()
			r.answer(Approved)
			expect(t, "questions", asked, len(ends)-lanes+1)
		}
	}
	if n := cap(r.c.volatile.list); n > 16 {
		t.Errorf("there is room for %d tips, and at most %d waited at once", n, lanes)
	}
}

func tipOf(t *testing.T, r *rig, sequencer int) wire.Chunk {
	t.Helper()
	p, ok := r.c.Tip(id(sequencer))
	if !ok {
		t.Fatalf("lane %d has no tip", sequencer)
	}
	return p.Chunk
}

// docs/protocol.md 4.2: "Once that is durable, the application is asked to verify". A sync that
// covers none of the tips that wait shows none of them, and loses none.
func TestRule4_2_ATipThatWaitsIsShownWithTheSyncThatCoversItWhateverWasSyncedBefore(t *testing.T) {
	r := newRig(t, 4)
	for _, sequencer := range []int{1, 2, 3} {
		r.node(genesis(sequencer, 1))
		r.verdicts()
	}
	first := r.c.volatile.list[0].position
	r.c.Durable(r.now, first-1)
	r.drain()
	expectChunks(t, "asked about before any is durable", r.asks)
	for i := range 3 {
		r.disk.Durable = first + uint64(i)
		r.noteDurable()
		r.c.Durable(r.now, r.disk.Durable)
		r.drain()
		expect(t, "questions", len(r.asks), i+1)
		expect(t, "the newest is about", r.asks[i], chunk(i+1, 0, 1))
	}
}
