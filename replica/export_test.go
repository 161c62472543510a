package replica

import (
	"context"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

// VerifyChunk asks what the engine asks about a chunk before it acks it.
func (r *Replica) VerifyChunk(ctx context.Context, at engine.Place, digest wire.Digest) (bool, error) {
	return automaton{r}.Verify(ctx, at, digest)
}

// Lanes returns how many lanes are known.
func (r *Replica) Lanes() int { return len(r.allLanes()) }

// SetPage has lanes walked in pages of another length, half of which is read ahead of the host.
func (c *Config) SetPage(headers int) { c.page, c.window = headers, (headers+1)/2 }

// Know has a lock count that was not verified.
func (r *Replica) Know(k wire.Lock) {
	l := r.laneOf(k.Chunk.Sequencer)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pend(&k)
	l.lock, l.locked, l.revision = k, true, r.revision.Add(1)
}
