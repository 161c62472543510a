package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

// payloads makes and recognizes the digests of a cluster's payloads. A digest is the number of the
// run that it was made in, 8 bytes big-endian, and 24 bytes of a hash of that, the seed and the
// place. So any member can check any payload, of earlier runs too, without storing anything; and a
// later run never proposes the same payload for a place.
type payloads struct {
	seed uint64
	run  uint64
}

func (p payloads) digest(at engine.Place) (d wire.Digest) {
	b := []byte("lanecast loadgen payload")
	b = binary.BigEndian.AppendUint64(b, p.seed)
	b = binary.BigEndian.AppendUint64(b, p.run)
	b = append(b, at.Sequencer[:]...)
	b = binary.BigEndian.AppendUint64(b, at.Height)
	sum := sha256.Sum256(b)
	binary.BigEndian.PutUint64(d[:8], p.run)
	copy(d[8:], sum[:])
	return d
}

func (p payloads) genuine(at engine.Place, d wire.Digest) bool {
	p.run = binary.BigEndian.Uint64(d[:8])
	return p.digest(at) == d
}

// application is a member's application: it proposes at once whenever it is asked, and accepts
// genuine payloads.
type application struct {
	payloads payloads
	open     <-chan struct{} // closed when the measured run begins; until then nothing is proposed
	clock    clock
}

// Propose implements engine.Automaton.
func (a *application) Propose(ctx context.Context, at engine.Place) (wire.Digest, error) {
	select {
	case <-a.open:
	case <-ctx.Done():
		return wire.Digest{}, ctx.Err()
	}
	a.clock.proposed(at.Height)
	return a.payloads.digest(at), nil
}

// Verify implements engine.Automaton.
func (a *application) Verify(_ context.Context, at engine.Place, payload wire.Digest) (bool, error) {
	return a.payloads.genuine(at, payload), nil
}

// clock holds the times at which the chunks of a lane were proposed. The next one may be proposed
// before the lock of the last has been reported, so there can be several.
type clock struct {
	mu        sync.Mutex
	proposals map[uint64]time.Time // by height; those of this run without a reported lock
}

func (c *clock) proposed(height uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proposals == nil {
		c.proposals = make(map[uint64]time.Time)
	}
	c.proposals[height] = time.Now()
}

// certified returns the time since the chunk at a height was proposed; false if it was not proposed
// in this run.
func (c *clock) certified(height uint64) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.proposals[height]
	delete(c.proposals, height)
	return time.Since(at), ok
}
