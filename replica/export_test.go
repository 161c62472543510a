package replica

import (
	"context"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

// VerifyChunk calls Verify as the engine does before it acks a chunk.
func (r *Replica) VerifyChunk(ctx context.Context, at engine.Place, digest wire.Digest) (bool, error) {
	return automaton{r}.Verify(ctx, at, digest)
}

// Lanes returns the number of known lanes.
func (r *Replica) Lanes() int { return len(r.allLanes()) }

// SetPage sets the length of the pages in which lanes are walked. Half a page is read ahead of the
// host.
func (c *Config) SetPage(headers int) { c.page, c.window = headers, (headers+1)/2 }

// Know has a lock count that was not verified.
func (r *Replica) Know(k wire.Lock) {
	l := r.laneOf(k.Chunk.Sequencer)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pend(&k)
	l.lock, l.locked, l.revision = k, true, r.revision.Add(1)
}
