package replica_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// docs/protocol.md 7.4: «On connecting […] it exchanges tips». Peers that do not answer, or answer
// with page after page, do not keep others from being asked.
func TestRule7_4_TipsAreAskedOfEverybodyWhoConnectsWhoeverAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 10, lan)
		var mu sync.Mutex
		asked := make(map[wire.PublicKey]time.Time)
		c.start(0, newChain(c.ids[0], 0, 0))
		started := time.Now()
		for i, id := range c.ids[1:] {
			s := c.stranger(id, func(ctx context.Context, _ wire.PublicKey, typ network.Type, request []byte, reply reply) {
				var q message.TipsRequest
				if typ != message.TipsRequestType || q.Decode(request) != nil {
					return
				}
				mu.Lock()
				if asked[id].IsZero() {
					asked[id] = time.Now()
				}
				mu.Unlock()
				if i < 3 {
					<-ctx.Done()
					return
				}
				_ = reply(message.TipsType, (&message.Tips{}).AppendTo(nil))
			})
			defer s.stop()
		}
		time.Sleep(5 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		for i, id := range c.ids[1:] {
			if at := asked[id]; at.IsZero() || at.Sub(started) > 500*time.Millisecond {
				t.Errorf("peer %d was asked after %v", i, at.Sub(started))
			}
		}
		c.stopAll()
	})
}

// Forged locks, in tips and unasked, count for nothing and name their sender.
func TestRule7_4_LocksThatDoNotVerifyCountForNothing(t *testing.T) {
	onePeer(t, nil, func(c *cluster, s *stranger, read func(string, string) float64) {
		k := c.lock(wire.Chunk{Sequencer: s.id, Height: 3, Payload: wire.Digest{1}})
		k.Chunk.Height = 1 << 60
		s.serves(func(_ context.Context, _ wire.PublicKey, typ network.Type, _ []byte, reply reply) {
			if typ == message.TipsRequestType {
				_ = reply(message.TipsType, (&message.Tips{Locks: []wire.Lock{k}}).AppendTo(nil))
			}
		})
		for range 10 {
			s.Send(c.ids[:1], message.NewLockType, k.AppendTo(nil))
			time.Sleep(time.Second)
		}
		if n := read("wrong_answers_total", ""); n < 1 || n > 5 {
			c.t.Errorf("%v wrong answers were counted", n)
		}
		for _, head := range c.all[0].Heads() {
			if head.Chunk.Sequencer == s.id {
				c.t.Errorf("height %d counts", head.Chunk.Height)
			}
		}
	})
}

// A follower that got an invalid lock from a peer does not ask that peer for further locks.
func TestRule7_4_WhoFeedsWhatDoesNotVerifyIsAskedForNoMore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		key := testkit.Identities(5, 77)[0]
		follower := testkit.Identity(key)
		c.tune = func(_ int, config *replica.Config) {
			epochs, err := engine.NewStaticEpochs(c.set.Scheme, nil, c.ids)
			if err != nil {
				t.Fatal(err)
			}
			config.Key, config.Epochs = key, epochs
			config.Transport = c.net.NewTransport(follower, replica.Types(0))
		}
		c.start(0, newChain(follower, 0, 0))
		var mu sync.Mutex
		var follow []bool // in each request
		s := c.stranger(c.ids[3], func(_ context.Context, _ wire.PublicKey, typ network.Type, request []byte, reply reply) {
			var q message.TipsRequest
			if typ == message.TipsRequestType && q.Decode(request) == nil {
				mu.Lock()
				follow = append(follow, q.Follow)
				mu.Unlock()
				_ = reply(message.TipsType, (&message.Tips{}).AppendTo(nil))
			}
		})
		s.awaits(follower)
		time.Sleep(5 * time.Second)
		k := c.lock(wire.Chunk{Sequencer: s.id, Height: 3, Payload: wire.Digest{1}})
		k.Chunk.Height++
		s.Send([]wire.PublicKey{follower}, message.NewLockType, k.AppendTo(nil))
		time.Sleep(time.Second)
		mu.Lock()
		before := len(follow)
		if before == 0 || slices.Contains(follow[:before-1], false) {
			t.Errorf("before, the requests said %v", follow)
		}
		mu.Unlock()
		time.Sleep(5 * time.Second)
		mu.Lock()
		if after := follow[before:]; len(after) == 0 || slices.Contains(after, true) {
			t.Errorf("after it, the requests said %v", after)
		}
		mu.Unlock()
		s.stop()
		c.stopAll()
	})
}

// docs/protocol.md 4.8: «A validator that joins hands the engine the highest lock of each lane»,
// which it gets from its peers: then it acks nothing below.
func TestRule4_8_TheEngineGetsTheLocksThatPeersTellOf(t *testing.T) {
	onePeer(t, nil, func(c *cluster, s *stranger, _ func(string, string) float64) {
		k := c.lock(wire.Chunk{Sequencer: c.ids[2], Height: 7, Payload: wire.Digest{1}})
		s.serves(func(_ context.Context, _ wire.PublicKey, typ network.Type, _ []byte, reply reply) {
			if typ == message.TipsRequestType {
				_ = reply(message.TipsType, (&message.Tips{Locks: []wire.Lock{k}}).AppendTo(nil))
			}
		})
		c.eventually(10*time.Second, "the engine knows the lock", func() bool {
			return slices.ContainsFunc(c.status(0).Lanes, func(l engine.Lane) bool {
				return l.Sequencer == c.ids[2] && l.HasCertified && l.Certified == 7
			})
		})
	})
}
