package core

import (
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
)

func TestAnAckThatCompletesNoQuorumAllocatesNothing(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	r := newRig(t, 100, observing)
	const acks = 64 // of 67
	peers, messages := make([]*Peer, acks), make([][]byte, acks)
	for i := range acks { // a peer's first ack allocates its account
		r.ack(i, chunk(3, 0, 1), 5)
	}
	for lane := range 2 {
		c := chunk(lane+1, 0, 1)
		for i := range acks {
			peers[i], messages[i] = r.peer(id(i)), r.w.ack(i, c, 5)
		}
		r.c.Ack(0, peers[0], messages[0]) // opens the slot
		n := 1
		got := testing.AllocsPerRun(acks-2, func() {
			if o := r.c.Ack(0, peers[n], messages[n]); o != Accepted {
				t.Fatalf("ack %d: %v", n, o)
			}
			n++
		})
		if got != 0 {
			t.Fatalf("%v allocations per ack", got)
		}
	}
	expect(t, "votes", r.c.Counts().Votes, 3*acks)
	if got := testing.AllocsPerRun(100, func() { r.c.Ack(0, peers[3], messages[3]) }); got != 0 {
		t.Fatalf("%v allocations per duplicate", got)
	}
	low := r.w.ack(3, chunk(1, 1<<40, 1), 5)
	if got := testing.AllocsPerRun(100, func() { r.c.Ack(0, peers[3], low) }); got != 0 {
		t.Fatalf("%v allocations per ack out of bounds", got)
	}
}

func TestACertificateAllocatesLittle(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	r := newRig(t, 4, observing)
	height := uint64(0)
	acks := make([][][]byte, 200)
	for h := range acks {
		for i := range 3 {
			acks[h] = append(acks[h], r.w.ack(i, chunk(1, uint64(h), 1), 5))
		}
	}
	peers := []*Peer{r.peer(id(0)), r.peer(id(1)), r.peer(id(2))}
	verdicts := 0.0
	got := testing.AllocsPerRun(len(acks)-2, func() {
		for i, m := range acks[height] {
			r.c.Ack(0, peers[i], m)
		}
		height++
		st := r.c.Effects()[0].Statement
		var v = decide(st)
		verdicts = testing.AllocsPerRun(1, func() { decide(st) })
		r.c.SignaturesVerified(0, v)
		r.c.Done()
	})
	// The allocations of the verdicts, and those of the second run that measures them, are not the
	// core's.
	if core := got - 3*verdicts; core > 12 {
		t.Fatalf("%v allocations per certificate", core)
	}
}
