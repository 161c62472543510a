package replica_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/simnet"
	"github.com/lanecast/lanecast/replica"
)

// docs/protocol.md 5.1, 7.2 and 7.4, at every moment: replicas lose power in every way that a disk
// can lose unsynced data, are cut off, have hosts that stop taking chunks, forget what they
// applied, and prune. All hosts are handed the same, without a gap.
//
// LANECAST_REPLICA_STORMS sets the number of runs.
func TestStormsLeaveNoHoleAndNoSecondBody(t *testing.T) {
	runs := fromEnvironment(t, "LANECAST_REPLICA_STORMS", 6, 2)
	for seed := range uint64(runs) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T) { storm(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func storm(t *testing.T, rng *rand.Rand) {
	const heights = 30
	loss := []float64{0, 0.02, 0.1}[rng.IntN(3)]
	c := newCluster(t, 4, simnet.Conditions{Latency: 2 * time.Millisecond, Jitter: time.Duration(rng.IntN(8)) * time.Millisecond, Loss: loss})
	acks := []engine.Acks{engine.AcksToAll, engine.AcksToSequencer}[rng.IntN(2)]
	retain := []time.Duration{-1, 5 * time.Second}[rng.IntN(2)]
	undelivered := 1 + rng.IntN(20)
	c.tune = func(_ int, config *replica.Config) {
		config.Engine.Acks, config.Archive.Retain, config.MaxUndelivered = acks, retain, undelivered
	}
	size := []int{0, 900, 70_000, 200_000}[rng.IntN(4)]
	c.startAll(size, heights)
	sleep := func(most time.Duration) { time.Sleep(time.Duration(rng.Int64N(int64(most)))) }
	pruned := uint64(0) // no host's state goes back below it
	for range 14 {
		sleep(300 * time.Millisecond)
		i := rng.IntN(4)
		app := c.all[i].chain
		switch rng.IntN(4) {
		case 0, 1:
			c.crash(i, rng, rng.IntN(3))
			// The host returns as Next the height up to which it has applied durably.
			app.mu.Lock()
			for id, digests := range app.delivered {
				keep := max(len(digests)-rng.IntN(4), min(len(digests), int(pruned)))
				app.delivered[id] = digests[:keep]
			}
			app.mu.Unlock()
			sleep(200 * time.Millisecond)
			c.start(i, app)
		case 2:
			c.cut(i, true)
			sleep(500 * time.Millisecond)
			c.cut(i, false)
		default: // the host takes no chunk
			app.pause(time.Duration(rng.Int64N(int64(time.Second))))
		}
		if least := c.least(); rng.IntN(3) == 0 && least > pruned {
			pruned = least
			for _, p := range c.all {
				for _, id := range c.ids {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					_ = p.Prune(ctx, id, pruned)
					cancel()
				}
			}
		}
	}
	c.eventually(3*time.Minute, "every lane is handed over", c.everywhere(heights))
	first := c.all[0].chain.delivered
	for i, p := range c.all {
		for id, digests := range p.chain.delivered {
			for h := range min(len(digests), len(first[id])) {
				if digests[h] != first[id][h] {
					t.Errorf("replica %d was handed %v at height %d of lane %v, and replica 0 %v", i, digests[h], h, id, first[id][h])
				}
			}
		}
	}
	c.stopAll()
}

// least returns the height below which every host has every lane.
func (c *cluster) least() uint64 {
	least := ^uint64(0)
	for _, p := range c.all {
		for _, id := range c.ids {
			least = min(least, p.chain.next(id))
		}
	}
	return least
}
