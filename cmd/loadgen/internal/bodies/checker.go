package bodies

import (
	"fmt"
	"maps"
	"sync"

	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

// checker checks the chunks that a replica delivers: each lane comes in height order without gaps,
// each chunk extends the one before it, and the bodies are those of the generator.
type checker struct {
	generator *generator

	mu      sync.Mutex
	cursors map[wire.PublicKey]cursor // by lane, for all lanes
}

// cursor is the place up to which a lane has been delivered.
type cursor struct {
	Next uint64      `json:"next"` // the lowest height not delivered yet
	Last wire.Digest `json:"last"` // the digest of the chunk below Next; zero if Next is 0
}

func newChecker(g *generator, lanes []wire.PublicKey) *checker {
	c := &checker{generator: g, cursors: make(map[wire.PublicKey]cursor, len(lanes))}
	for _, lane := range lanes {
		c.cursors[lane] = cursor{}
	}
	return c
}

// take takes in the next chunk. Its error describes what is wrong with the chunk; the lane then
// goes on above it. repeated reports that the height was taken before: a replica delivers each
// chunk at least once.
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

// next returns the lowest height of a lane that was not delivered yet.
func (c *checker) next(lane wire.PublicKey) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cursors[lane].Next
}

// all returns a copy of the cursors.
func (c *checker) all() map[wire.PublicKey]cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.cursors)
}

// resume sets the cursors of the known lanes.
func (c *checker) resume(from map[wire.PublicKey]cursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for lane := range c.cursors {
		c.cursors[lane] = from[lane]
	}
}
