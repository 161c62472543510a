package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/examples/internal/keys"
	"github.com/lanecast/lanecast/examples/internal/kv"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

// someLock returns a lock that can be decoded but is not valid.
func someLock(lane wire.PublicKey, height uint64) wire.Lock {
	signers := wire.NewSigners(processes)
	for i := range wire.Participant(3) {
		signers.Add(i)
	}
	certificate := wire.AppendSignersAndList(nil, signers, func(wire.Participant) []byte { return make([]byte, 64) })
	return wire.Lock{Chunk: wire.Chunk{Sequencer: lane, Height: height}, Certificate: certificate}
}

// newTestOrder returns the order of the leader, its lanes, and the others' identities, ascending.
func newTestOrder(t *testing.T) (o *order, known *someLanes, lanes []wire.PublicKey) {
	t.Helper()
	store, err := kv.Open(filepath.Join(t.TempDir(), "state"), true)
	if err != nil {
		t.Fatal(err)
	}
	epochs, err := keys.Epochs(namespace, leader, processes)
	if err != nil {
		t.Fatal(err)
	}
	ids := keys.Identities(processes)
	lanes = slices.DeleteFunc(slices.Clone(ids), func(id wire.PublicKey) bool { return id == ids[leader] })
	slices.SortFunc(lanes, wire.PublicKey.Compare)
	o = newOrder(ids[leader], ids[leader], epochs, store)
	known = &someLanes{waited: make(chan wire.PublicKey), here: make(chan struct{})}
	o.lanes = known
	return o, known, lanes
}

// someLanes is a replica that has all chunks once here is closed.
type someLanes struct {
	heads  []wire.Lock
	waited chan wire.PublicKey // gets the lane of each Wait
	here   chan struct{}       // closed when the chunks are here
	got    []string
}

func (l *someLanes) Heads() []wire.Lock { return l.heads }

func (l *someLanes) Wait(ctx context.Context, k wire.Lock) error {
	select {
	case l.waited <- k.Chunk.Sequencer:
		<-l.here
	case <-l.here:
	}
	return ctx.Err()
}

func (l *someLanes) Get(_ context.Context, sequencer wire.PublicKey, height uint64) (replica.Chunk, error) {
	l.got = append(l.got, fmt.Sprintf("%v %d", sequencer, height))
	return replica.Chunk{Place: engine.Place{Sequencer: sequencer, Height: height}}, nil
}

// leads returns a chunk of the leader with a cut.
func leads(o *order, height uint64, cut ...wire.Lock) replica.Chunk {
	return replica.Chunk{Place: engine.Place{Sequencer: o.leader, Height: height}, Body: appendCut(nil, cut)}
}

func TestACutIsApprovedOnceAllItsChunksAreHere(t *testing.T) {
	o, known, lanes := newTestOrder(t)
	approved := make(chan bool)
	go func() {
		c := leads(o, 0, someLock(lanes[0], 3), someLock(lanes[1], 5))
		ok, err := o.Verify(t.Context(), c.Place, c.Body)
		approved <- ok && err == nil
	}()
	select {
	case id := <-known.waited:
		if id != lanes[0] {
			t.Errorf("waits for %v first", id)
		}
	case <-approved:
		t.Fatal("approved of at once")
	}
	close(known.here)
	if !<-approved {
		t.Error("not approved of")
	}
}

func TestChunksAreAppliedLaneByLaneUpToTheCutAndOnce(t *testing.T) {
	o, known, lanes := newTestOrder(t)
	close(known.here)
	for height, cut := range [][]wire.Lock{
		{someLock(lanes[0], 1), someLock(lanes[2], 0)},
		{someLock(lanes[0], 0), someLock(lanes[1], 0), someLock(lanes[2], 1)}, // nothing of lane 0
	} {
		for range 2 { // handed over twice
			if err := o.Deliver(t.Context(), leads(o, uint64(height), cut...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := fmt.Sprintf("[%v 0 %v 1 %v 0 %v 0 %v 1]", lanes[0], lanes[0], lanes[2], lanes[1], lanes[2])
	if got := fmt.Sprint(known.got); got != want {
		t.Errorf("applied %s, not %s", got, want)
	}
	if o.store.Next(o.leader) != 2 || o.store.Next(lanes[0]) != 2 {
		t.Errorf("the cursors are %v", o.store.Status().Next)
	}
}

func TestACutNamesLanesThatHaveGrownAndIsMadeAgainIfItsBodyWasNotProposed(t *testing.T) {
	o, known, lanes := newTestOrder(t)
	heights := func(at uint64) (s string) {
		for _, k := range o.nextCut(at) {
			s += fmt.Sprintf("%d@%d ", slices.Index(lanes, k.Chunk.Sequencer), k.Chunk.Height)
		}
		return s
	}
	known.heads = []wire.Lock{someLock(lanes[0], 0), someLock(lanes[1], 4), someLock(o.leader, 9)}
	for at, want := range []string{"0@0 1@4 ", "", "1@5 "} {
		if at == 2 {
			known.heads[1].Chunk.Height = 5
		}
		for range 2 {
			if got := heights(uint64(at)); got != want {
				t.Errorf("at height %d: %q, not %q", at, got, want)
			}
		}
	}
}

func TestALaneThatIsFarAheadWaitsForTheOrder(t *testing.T) {
	o, _, lanes := newTestOrder(t)
	at := engine.Place{Sequencer: lanes[0], Height: maxAhead - 1}
	if ok, err := o.Verify(t.Context(), at, nil); !ok || err != nil {
		t.Fatal(ok, err)
	}
	at.Height++
	ended, end := context.WithCancel(t.Context())
	end()
	if ok, err := o.Verify(ended, at, nil); ok || !errors.Is(err, context.Canceled) {
		t.Fatalf("one too far ahead: %v, %v", ok, err)
	}
	approved := make(chan bool)
	go func() {
		ok, err := o.Verify(t.Context(), at, nil)
		approved <- ok && err == nil
	}()
	if err := o.store.Apply(&replica.Chunk{Place: engine.Place{Sequencer: lanes[0]}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := o.Deliver(t.Context(), leads(o, 0)); err != nil {
		t.Fatal(err)
	}
	if !<-approved {
		t.Error("not approved of after the order has moved")
	}
}

func TestACutHasLocksOfOtherLanesInAscendingOrder(t *testing.T) {
	o, _, lanes := newTestOrder(t)
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
