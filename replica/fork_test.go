package replica_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

// lockOf certifies a body: see cluster.lock.
func (c *cluster) lockOf(m *made) wire.Lock {
	return c.lock(wire.Chunk{Sequencer: m.header.Sequencer, Height: m.header.Height, Payload: m.digest})
}

// laneOf makes bodies each of which is the parent of the next.
func laneOf(id wire.PublicKey, heights int) []*made {
	var lane []*made
	parent := wire.Digest{}
	for height := range uint64(heights) {
		m := makeBody(id, height, parent, bodyOf(id, height, 100), nil)
		lane, parent = append(lane, m), m.digest
	}
	return lane
}

// docs/protocol.md 7.4: «If two locks that count contradict each other, or a walk ends beside what
// was delivered, the lane stops».
func TestRule7_4_ALaneThatContradictsItselfStops(t *testing.T) {
	for name, contradict := range map[string]func(c *cluster, lane []*made) *made{
		"at the top": func(c *cluster, lane []*made) *made {
			return makeBody(lane[0].header.Sequencer, 2, lane[1].digest, []byte("another"), nil)
		},
		"at the height that was handed over last": func(c *cluster, lane []*made) *made {
			return makeBody(lane[0].header.Sequencer, 1, lane[0].digest, []byte("another"), nil)
		},
		"below what stands above it": func(c *cluster, lane []*made) *made {
			m := makeBody(lane[0].header.Sequencer, 3, wire.Digest{1}, []byte("another"), nil)
			return m
		},
	} {
		onePeer(t, nil, func(c *cluster, s *stranger, read func(string, string) float64) {
			r := c.all[0]
			lane := laneOf(s.id, 3)
			other := contradict(c, lane)
			s.serves(has(append(slices.Clone(lane), other)...))
			handed := 3
			if other.header.Height == 1 {
				handed = 2
			}
			if err := r.Offer(c.t.Context(), c.lockOf(lane[handed-1])); err != nil {
				c.t.Fatal(err)
			}
			c.eventually(10*time.Second, "the lane is handed over", func() bool { return r.chain.next(s.id) == uint64(handed) })
			if err := r.Offer(c.t.Context(), c.lockOf(other)); err != nil {
				c.t.Fatal(err)
			}
			c.eventually(10*time.Second, "the lane has stopped", func() bool { return read("stopped_lanes_total", "") == 1 })
			if err := r.Wait(c.t.Context(), c.lockOf(other)); other.header.Height >= uint64(handed) && !errors.Is(err, replica.ErrFork) {
				c.t.Errorf("%s: Wait returned %v", name, err)
			}
			if n := r.chain.next(s.id); n != uint64(handed) {
				c.t.Errorf("%s: after the lane had stopped the host was handed height %d", name, n-1)
			}
		})
	}
}

// A lock below the highest one may contradict the proven chunks at its height.
func TestRule7_4_ALockBelowTheHighestThatContradictsItStopsTheLane(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		read := c.count()
		app := newChain(c.ids[0], 0, 0)
		// All chunks stay proven, and undelivered.
		app.deliver = func(ctx context.Context, _ replica.Chunk) error {
			<-ctx.Done()
			return ctx.Err()
		}
		r := c.start(0, app)
		lane := laneOf(c.ids[3], 4)
		s := c.stranger(c.ids[3], has(lane...))
		s.awaits(c.ids[0])
		if err := r.Wait(t.Context(), c.lockOf(lane[3])); err != nil {
			t.Fatal(err)
		}
		for _, m := range lane {
			if err := r.Offer(t.Context(), c.lockOf(m)); err != nil {
				t.Fatal(err)
			}
		}
		if n := read(0, "stopped_lanes_total", ""); n != 0 {
			t.Fatal("a lane has stopped whose locks agree")
		}
		other := makeBody(s.id, 1, lane[0].digest, []byte("another"), nil)
		if err := r.Offer(t.Context(), c.lockOf(other)); err != nil {
			t.Fatal(err)
		}
		if n := read(0, "stopped_lanes_total", ""); n != 1 {
			t.Error("the lane goes on")
		}
		s.stop()
		c.stopAll()
	})
}

// A host may need the next chunk of one lane before it takes more of any other, for any number of
// lanes, however far it is behind on each.
func TestLanesThatAreFarBehindWaitForNoOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const n, heights = 22, 40
		c := newCluster(t, n, lan)
		c.tune = func(_ int, config *replica.Config) { config.SetPage(4) }
		app := newChain(c.ids[0], 0, 0)
		needed := make(chan struct{})
		app.deliver = func(ctx context.Context, k replica.Chunk) error {
			if k.Sequencer != c.ids[n-1] {
				select {
				case <-needed:
				case <-ctx.Done():
					return ctx.Err()
				}
			} else if k.Height == heights-1 {
				close(needed)
			}
			return nil
		}
		r := c.start(0, app)
		for _, id := range c.ids[1:] {
			lane := laneOf(id, heights)
			s := c.stranger(id, has(lane...))
			defer s.stop()
			s.awaits(c.ids[0])
			if err := r.Offer(t.Context(), c.lockOf(lane[heights-1])); err != nil {
				t.Fatal(err)
			}
		}
		c.eventually(time.Minute, "every lane is handed over", func() bool {
			return !slices.ContainsFunc(c.ids[1:], func(id wire.PublicKey) bool { return app.next(id) < heights })
		})
		c.stopAll()
	})
}
