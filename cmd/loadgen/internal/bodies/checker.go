package bodies

import (
	"fmt"
	"sync"

	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

// checker checks what a replica hands over: each lane in height order, none missing, each chunk on
// the one before it, and the bodies that the generator makes.
type checker struct {
	generator *generator

	mu      sync.Mutex
	cursors map[wire.PublicKey]cursor // of all lanes
}

// cursor says how far a lane has been delivered.
type cursor struct {
	Next uint64      `json:"next"` // the first height that is missing
	Last wire.Digest `json:"last"` // the digest of the chunk below; zero below height 0
}

func newChecker(g *generator, lanes []wire.PublicKey) *checker {
	c := &checker{generator: g, cursors: make(map[wire.PublicKey]cursor, len(lanes))}
	for _, lane := range lanes {
		c.cursors[lane] = cursor{}
	}
	return c
}

// take takes the next chunk. An error says what is wrong with it; then the lane goes on above it.
// repeated says that its height was taken before: a replica hands over each chunk at least once.
func (c *checker) take(k *replica.Chunk) (repeated bool, err error) {
	genuine := c.generator.genuine(k.Sequencer, k.Height, k.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	at, known := c.cursors[k.Sequencer]
	if !known {
		return false, fmt.Errorf("a chunk of lane %v, which there is not", k.Sequencer)
	}
	repeated = k.Height < at.Next
	switch {
	case k.Height+1 == at.Next && k.Digest != at.Last:
		err = fmt.Errorf("another chunk at height %d of lane %v than before: %v, and not %v", k.Height, k.Sequencer, k.Digest, at.Last)
	case k.Height > at.Next:
		err = fmt.Errorf("height %d of lane %v after height %d: %d missing", k.Height, k.Sequencer, int64(at.Next)-1, k.Height-at.Next)
	case k.Height == at.Next && k.Parent != at.Last:
		err = fmt.Errorf("the chunk at height %d of lane %v stands on %v, and not on %v", k.Height, k.Sequencer, k.Parent, at.Last)
	case !genuine:
		err = fmt.Errorf("the body at height %d of lane %v is not the one that was made", k.Height, k.Sequencer)
	}
	if !repeated {
		c.cursors[k.Sequencer] = cursor{Next: k.Height + 1, Last: k.Digest}
	}
	return repeated, err
}

// next returns the first height of a lane that is missing.
func (c *checker) next(lane wire.PublicKey) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cursors[lane].Next
}

// all returns a copy of the cursors.
func (c *checker) all() map[wire.PublicKey]cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[wire.PublicKey]cursor, len(c.cursors))
	for lane, at := range c.cursors {
		all[lane] = at
	}
	return all
}

// resume sets the cursors of the lanes that there are.
func (c *checker) resume(from map[wire.PublicKey]cursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for lane := range c.cursors {
		c.cursors[lane] = from[lane]
	}
}
