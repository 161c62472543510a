package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"sync"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/examples/internal/kv"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

// maxAhead is the number of chunks of a lane that may wait for the order. Further ones are not
// approved, so that archives do not fill with chunks that cannot be applied: see docs/ordering.md.
const maxAhead = 64

// lanes is the part of a replica that an order needs.
type lanes interface {
	Heads() []wire.Lock
	Wait(ctx context.Context, k wire.Lock) error
	Get(ctx context.Context, sequencer wire.PublicKey, height uint64) (replica.Chunk, error)
}

// order is the application of one process. A body of the leader is a cut, and then pairs; a body of
// others is pairs.
type order struct {
	self, leader wire.PublicKey
	formats      wire.Formats // for reading locks
	store        *kv.Store
	puts         *kv.Puts
	lanes        lanes         // the replica; set before it runs
	grown        chan struct{} // holds a token if a lane of others may have grown

	mu    sync.Mutex
	moved chan struct{} // closed and replaced when the order has advanced
	// As the leader: the heights of other lanes in our last cut, which was for height cutAt of our
	// lane, and those in the cut before it.
	cut, before map[wire.PublicKey]uint64
	cutAt       uint64
}

func newOrder(self, leader wire.PublicKey, formats wire.Formats, store *kv.Store) *order {
	return &order{
		self: self, leader: leader, formats: formats, store: store, puts: kv.NewPuts(),
		grown: make(chan struct{}, 1), moved: make(chan struct{}),
		cut: make(map[wire.PublicKey]uint64), before: make(map[wire.PublicKey]uint64),
	}
}

// appendCut encodes a cut: the number of locks, and the locks by ascending sequencer.
func appendCut(b []byte, cut []wire.Lock) []byte {
	b = binary.AppendUvarint(b, uint64(len(cut)))
	for i := range cut {
		b = cut[i].AppendTo(b)
	}
	return b
}

// readBody splits the body of a lane into its cut, which is empty except on the leader's lane, and
// its pairs. ok depends only on the body and its place.
func (o *order) readBody(at engine.Place, body []byte) (cut []wire.Lock, pairs []byte, ok bool) {
	if at.Sequencer != o.leader {
		return nil, body, true
	}
	count, n := binary.Uvarint(body)
	if n <= 0 {
		return nil, nil, false
	}
	for pairs = body[n:]; count > 0; count-- { // each reads some bytes, or is an error
		var k wire.Lock
		n, err := k.DecodePrefix(pairs, o.formats)
		if err != nil || k.Chunk.Sequencer == o.leader ||
			len(cut) > 0 && k.Chunk.Sequencer.Compare(cut[len(cut)-1].Chunk.Sequencer) <= 0 {
			return nil, nil, false
		}
		cut, pairs = append(cut, k), pairs[n:]
	}
	return cut, pairs, true
}

// Propose returns pairs and, if we are the leader, the locks certified in other lanes since the
// last cut. It waits until there are any.
func (o *order) Propose(ctx context.Context, at engine.Place) ([]byte, error) {
	if err := o.awaitOrder(ctx, at); err != nil {
		return nil, err
	}
	for {
		var body []byte
		if o.self != o.leader {
			body = o.puts.Take(at.Height)
		} else if cut, pairs := o.nextCut(at.Height), o.puts.Take(at.Height); len(cut)+len(pairs) > 0 {
			body = append(appendCut(nil, cut), pairs...)
		}
		if body != nil {
			return body, nil
		}
		select {
		case <-o.puts.Some():
		case <-o.grown:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// nextCut returns the locks of lanes that have grown since the last cut, for the body of a height.
func (o *order) nextCut(height uint64) (cut []wire.Lock) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cutAt == height { // a second call for the height: the first body was not proposed
		o.cut = o.before
	}
	o.cutAt, o.before = height, maps.Clone(o.cut)
	for _, k := range o.lanes.Heads() {
		id, top := k.Chunk.Sequencer, k.Chunk.Height
		if last, known := o.cut[id]; id != o.leader && top >= o.store.Next(id) && (!known || top > last) {
			o.cut[id] = top
			cut = append(cut, k)
		}
	}
	return cut
}

// Verify approves a cut once all chunks that it names are here and durable. So the certificate of a
// leader's chunk proves that a quorum can apply it. It never approves an invalid lock.
func (o *order) Verify(ctx context.Context, at engine.Place, body []byte) (bool, error) {
	cut, pairs, ok := o.readBody(at, body)
	if !ok {
		return false, nil
	}
	if _, ok := kv.ReadPairs(pairs); !ok {
		return false, nil
	}
	for _, k := range cut {
		if err := o.lanes.Wait(ctx, k); err != nil {
			return false, err
		}
	}
	err := o.awaitOrder(ctx, at)
	return err == nil, err
}

// awaitOrder waits while a lane is too far ahead of the order. It delays only this lane.
func (o *order) awaitOrder(ctx context.Context, at engine.Place) error {
	for {
		o.mu.Lock()
		moved := o.moved
		o.mu.Unlock()
		if at.Sequencer == o.leader || at.Height < o.store.Next(at.Sequencer)+maxAhead {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Deliver applies a chunk of the leader: the chunks of its cut first, lane by lane, then its own
// pairs. Chunks of other lanes stay in the archive until then; a Deliver that waited for the
// leader's would keep their bodies in memory.
func (o *order) Deliver(ctx context.Context, c replica.Chunk) error {
	if c.Sequencer != o.leader {
		select {
		case o.grown <- struct{}{}:
		default:
		}
		return nil
	}
	cut, _, ok := o.readBody(c.Place, c.Body)
	if !ok {
		return errApproved(c)
	}
	for _, k := range cut {
		// We may have neither this lock nor the bodies: the leader's chunk may have got its quorum
		// without us.
		if err := o.lanes.Wait(ctx, k); err != nil {
			return err
		}
		lane := k.Chunk.Sequencer
		for height := o.store.Next(lane); height <= k.Chunk.Height; height++ {
			below, err := o.lanes.Get(ctx, lane, height)
			if err != nil {
				return err
			}
			if err := o.apply(below); err != nil {
				return err
			}
		}
	}
	if err := o.apply(c); err != nil {
		return err
	}
	o.mu.Lock()
	close(o.moved)
	o.moved = make(chan struct{})
	o.mu.Unlock()
	return nil
}

// apply applies the next chunk of the order. Chunks that are handed over again change nothing.
func (o *order) apply(c replica.Chunk) error {
	_, body, ok := o.readBody(c.Place, c.Body)
	pairs, allowed := kv.ReadPairs(body)
	if !ok || !allowed {
		return errApproved(c)
	}
	if err := o.store.Apply(&c, pairs); err != nil {
		return err
	}
	if c.Sequencer == o.self {
		o.puts.Applied(c.Height, body)
	}
	return nil
}

func errApproved(c replica.Chunk) error {
	return fmt.Errorf("a quorum approved a wrong body: height %d of lane %v", c.Height, c.Sequencer)
}
