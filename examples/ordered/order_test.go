package main

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/examples/internal/keys"
	"github.com/lanecast/lanecast/wire"
)

// someLock returns a lock that can be read; it is not valid.
func someLock(lane wire.PublicKey, height uint64) wire.Lock {
	signers := wire.NewSigners(processes)
	for i := range wire.Participant(3) {
		signers.Add(i)
	}
	certificate := wire.AppendSignersAndList(nil, signers, func(wire.Participant) []byte { return make([]byte, 64) })
	return wire.Lock{Chunk: wire.Chunk{Sequencer: lane, Height: height}, Certificate: certificate}
}

func newTestOrder(t *testing.T) (o *order, lanes []wire.PublicKey) {
	t.Helper()
	epochs, err := keys.Epochs(namespace, leader, processes)
	if err != nil {
		t.Fatal(err)
	}
	ids := keys.Identities(processes)
	lanes = slices.DeleteFunc(slices.Clone(ids), func(id wire.PublicKey) bool { return id == ids[leader] })
	slices.SortFunc(lanes, wire.PublicKey.Compare)
	return newOrder(ids[leader], ids[leader], epochs, nil), lanes
}

func TestACutHasLocksOfOtherLanesInAscendingOrder(t *testing.T) {
	o, lanes := newTestOrder(t)
	at := engine.Place{Sequencer: o.leader, Height: 7}
	a, b := someLock(lanes[0], 3), someLock(lanes[1], 5)
	body := append(appendCut(nil, []wire.Lock{a, b}), "pairs"...)
	cut, pairs, ok := o.readBody(at, body)
	if !ok || len(cut) != 2 || cut[1].Chunk != b.Chunk || string(pairs) != "pairs" {
		t.Fatalf("read %v, %q, %v", cut, pairs, ok)
	}
	for name, wrong := range map[string][]byte{
		"nothing":          nil,
		"cut off":          body[:len(body)-len("pairs")-1],
		"in another order": appendCut(nil, []wire.Lock{b, a}),
		"twice":            appendCut(nil, []wire.Lock{a, a}),
		"the leader's own": appendCut(nil, []wire.Lock{someLock(o.leader, 3)}),
		"a count of 2^64":  binary.AppendUvarint(nil, 1<<64-1),
	} {
		if _, _, ok := o.readBody(at, wrong); ok {
			t.Errorf("%s: read", name)
		}
	}
	if cut, pairs, ok := o.readBody(engine.Place{Sequencer: lanes[0]}, body); !ok || cut != nil || string(pairs) != string(body) {
		t.Errorf("in another lane: read %v, %q, %v", cut, pairs, ok)
	}
}
