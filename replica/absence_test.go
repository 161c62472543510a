package replica_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/simnet"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// passing holds epochs that pass, the same for all replicas of a cluster.
type passing struct {
	*cluster
	current uint64
	of      map[int]*engine.Epochs
	// from is the first epoch of which a replica that starts knows the sets. nil: all of them.
	from func(i int) uint64
}

// passing makes a cluster's replicas use epochs that pass. follower is a replica without a key of
// the set, or −1.
func (c *cluster) passing(follower int) *passing {
	p := &passing{cluster: c, of: make(map[int]*engine.Epochs)}
	before := c.tune
	c.tune = func(i int, config *replica.Config) {
		if before != nil {
			before(i, config)
		}
		epochs := engine.NewEpochs(p.current)
		first := uint64(0)
		if p.from != nil {
			first = p.from(i)
		}
		for epoch := first; epoch <= p.current+1; epoch++ {
			p.add(epochs, i, epoch, i == follower)
		}
		config.Epochs, p.of[i] = epochs, epochs
	}
	return p
}

func (p *passing) add(epochs *engine.Epochs, i int, epoch uint64, follower bool) {
	p.t.Helper()
	signer := p.set.Signers[min(i, len(p.set.Signers)-1)]
	if follower {
		signer = nil
	}
	if err := epochs.Add(epoch, p.set.Scheme, signer, p.ids); err != nil {
		p.t.Fatal(err)
	}
}

// advance makes all running replicas enter the next epoch.
func (p *passing) advance(follower int) {
	p.t.Helper()
	p.current++
	for i, epochs := range p.of {
		p.add(epochs, i, p.current+1, i == follower)
		if err := epochs.Advance(p.current); err != nil {
			p.t.Fatal(err)
		}
	}
}

// docs/protocol.md 7.4: «A lock that counts, verifies and is above what we have is walked down by
// parent digests, with no signature to check below the lock», whatever the epochs of the chunks
// below.
func TestRule7_4_AReplicaThatWasAwayForManyEpochsIsHandedWhatItMissed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		epochs := c.passing(-1)
		apps := make([]*chain, 4)
		for i := range c.ids {
			apps[i] = newChain(c.ids[i], 20_000, 5)
			c.start(i, apps[i])
		}
		c.eventually(30*time.Second, "some chunks are handed over", c.everywhere(5))
		c.stop(3)
		delete(epochs.of, 3)
		for range 6 {
			epochs.advance(-1)
			for _, app := range apps {
				app.grow(app.limit()+5, 20_000)
			}
			c.eventually(time.Minute, "the others go on", func() bool {
				return !slices.ContainsFunc(apps[:3], func(a *chain) bool {
					return slices.ContainsFunc(c.ids[:3], func(id wire.PublicKey) bool { return a.next(id) < apps[0].limit() })
				})
			})
		}
		c.start(3, apps[3])
		c.eventually(time.Minute, "every lane is handed over", c.everywhere(35))
		c.stopAll()
	})
}

// A process that joins late knows only the sets of the epochs within bounds.
func TestRule7_4_AFollowerThatJoinsAfterManyEpochsIsHandedTheLanesFromTheirStart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		key := testkit.Identities(5, 77)[0]
		follower := testkit.Identity(key)
		c.tune = func(i int, config *replica.Config) {
			config.Admit = func(id wire.PublicKey) network.Role {
				if id == follower {
					return network.Follower
				}
				return network.Refused
			}
			if i == 4 {
				config.Key, config.Transport = key, c.net.NewTransport(follower, replica.Types(0))
			}
		}
		epochs := c.passing(4)
		epochs.from = func(i int) uint64 {
			if i == 4 {
				return epochs.current - 1
			}
			return 0
		}
		apps := make([]*chain, 4)
		for i := range c.ids {
			apps[i] = newChain(c.ids[i], 20_000, 3)
			c.start(i, apps[i])
		}
		for range 8 {
			c.eventually(time.Minute, "every lane is handed over", c.everywhere(apps[0].limit()))
			epochs.advance(4)
			for _, app := range apps {
				app.grow(app.limit()+3, 20_000)
			}
		}
		c.all, c.disk = append(c.all, nil), append(c.disk, newMemFS())
		c.startAs(4, 0, newChain(follower, 0, 0))
		c.eventually(time.Minute, "every lane is handed over to who joined", c.everywhere(apps[0].limit()))
		c.stopAll()
	})
}

// docs/protocol.md 7.4: «A lock counts when its epoch is within bounds of our own current epoch, or
// when the host hands it in: old keys that leak prove nothing, and a lock of an epoch below bounds
// stops no lane».
func TestRule7_4_KeysThatWereRetiredProveNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		epochs := c.passing(-1)
		epochs.current = 6
		read := c.count()
		app := newChain(c.ids[0], 0, 0)
		r := c.start(0, app)
		lane := laneOf(c.ids[3], 3)
		beside := makeBody(c.ids[3], 2, lane[1].digest, []byte("another"), nil)
		above := makeBody(c.ids[3], 5, wire.Digest{1}, []byte("another"), nil)
		var old []wire.Lock
		for _, m := range []*made{beside, above} {
			old = append(old, c.lockIn(3, wire.Chunk{Sequencer: c.ids[3], Height: m.header.Height, Payload: m.digest}))
		}
		var tell atomic.Int32
		s := c.stranger(c.ids[3], func(ctx context.Context, from wire.PublicKey, typ network.Type, request []byte, reply reply) {
			if typ == message.TipsRequestType {
				i := tell.Add(1) % 2
				_ = reply(message.TipsType, (&message.Tips{Locks: old[i : i+1]}).AppendTo(nil))
				return
			}
			has(append(slices.Clone(lane), beside, above)...)(ctx, from, typ, request, reply)
		})
		s.awaits(c.ids[0])
		if err := r.Offer(t.Context(), c.lockIn(6, wire.Chunk{Sequencer: c.ids[3], Height: 2, Payload: lane[2].digest})); err != nil {
			t.Fatal(err)
		}
		c.eventually(10*time.Second, "the lane is handed over", func() bool { return app.next(c.ids[3]) == 3 })
		for range 10 {
			for i := range old {
				s.Send(c.ids[:1], message.NewLockType, old[i].AppendTo(nil))
				s.Send(c.ids[:1], bridge.Certificate, old[i].AppendTo(nil))
			}
			time.Sleep(5 * time.Second)
		}
		if n := tell.Load(); n < 3 {
			t.Errorf("tips were asked for %d times", n)
		}
		if n := read(0, "stopped_lanes_total", ""); n != 0 {
			t.Error("a lane has stopped")
		}
		for _, k := range r.Heads() {
			if k.Chunk.Sequencer == c.ids[3] && k.Chunk.Height != 2 {
				t.Errorf("a lock of height %d counts", k.Chunk.Height)
			}
		}
		if err := r.Offer(t.Context(), old[0]); err != nil {
			t.Fatal(err)
		}
		if n := read(0, "stopped_lanes_total", ""); n != 1 {
			t.Error("what the host hands in does not count")
		}
		s.stop()
		c.stopAll()
	})
}

// docs/protocol.md 7.4: after a kill of any replica at any time «the host is handed every chunk of
// a lane in height order, each once the one below has been handed over, none missing, at least
// once», and all hosts the same. One of four replicas at a time loses power; LANECAST_REPLICA_KILLS
// sets the number of kills.
func TestRule7_4_KillsOfOneAtATimeLeaveNoHoleAnywhere(t *testing.T) {
	kills := fromEnvironment(t, "LANECAST_REPLICA_KILLS", 12, 4)
	inBubble(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(uint64(kills), 19))
		c := newCluster(t, 4, simnet.Conditions{Latency: 2 * time.Millisecond, Jitter: 3 * time.Millisecond})
		epochs := c.passing(-1)
		before := c.tune
		c.tune = func(i int, config *replica.Config) {
			before(i, config)
			config.SetPage(16) // some absences need the file of a walk
		}
		c.startAll(3000, 1<<40)
		sleep := func(most time.Duration) { time.Sleep(time.Duration(rng.Int64N(int64(most)))) }
		for kill := range kills {
			sleep(time.Second)
			i := rng.IntN(4)
			app := c.all[i].chain
			c.crash(i, rng, rng.IntN(3))
			delete(epochs.of, i)
			app.mu.Lock()
			for id, digests := range app.delivered { // chunks that the host had not applied durably
				app.delivered[id] = digests[:len(digests)-min(rng.IntN(4), len(digests))]
			}
			app.mu.Unlock()
			sleep(2 * time.Second)
			if kill%4 == 3 {
				epochs.advance(-1)
			}
			c.start(i, app)
			at := c.highest(slices.Min[[]uint64])
			c.eventually(time.Minute, fmt.Sprintf("kill %d: replica %d is level", kill, i), c.everywhere(at))
		}
		end := c.highest(slices.Max[[]uint64]) + 10 // chunks in flight included
		for _, p := range c.all {
			p.chain.grow(end, 3000)
		}
		c.eventually(time.Minute, "every lane is handed over", c.everywhere(end))
		first := c.all[0].chain.delivered
		total := 0
		for i, p := range c.all {
			for id, digests := range p.chain.delivered {
				if !slices.Equal(digests, first[id]) {
					t.Errorf("replica %d was handed %d chunks of lane %v, replica 0 %d, or others", i, len(digests), id, len(first[id]))
				}
				total += len(digests)
			}
		}
		t.Log(kills, "kills,", total, "chunks handed over")
		c.stopAll()
	})
}

// highest returns the least or the most, by of, of the heights up to which a host was handed each
// lane.
func (c *cluster) highest(of func([]uint64) uint64) uint64 {
	heights := make([]uint64, len(c.ids))
	for i, id := range c.ids {
		for _, p := range c.all {
			heights[i] = max(heights[i], p.chain.next(id))
		}
	}
	return of(heights)
}

// limit returns the height up to which the chain proposes.
func (c *chain) limit() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.max
}

// docs/protocol.md 7.4: «the host is told that it needs its own state transfer only when peers
// weighing more than f of a known epoch say so and no other has it». A peer that gives only other
// answers for ever counts as a peer without it.
func TestRule7_4_OneFaultyPeerKeepsNoHostFromBeingTold(t *testing.T) {
	silent := func(ctx context.Context, _ wire.PublicKey, _ network.Type, _ []byte, _ reply) { <-ctx.Done() }
	absent := func(reason message.AbsentReason) func(context.Context, wire.PublicKey, network.Type, []byte, reply) {
		return func(_ context.Context, _ wire.PublicKey, _ network.Type, _ []byte, reply reply) {
			_ = reply(message.AbsentType, (&message.Absent{Reason: reason, Lowest: 10}).AppendTo(nil))
		}
	}
	for name, faulty := range map[string]func(context.Context, wire.PublicKey, network.Type, []byte, reply){
		"says not yet": absent(message.NotYet), "says never": absent(message.Never), "says nothing": silent,
	} {
		inBubble(t, func(t *testing.T) {
			c := newCluster(t, 4, lan)
			told := make(chan uint64, 1)
			c.tune = func(_ int, config *replica.Config) {
				config.Behind = func(_ wire.PublicKey, next uint64) { told <- next }
			}
			r := c.start(0, newChain(c.ids[0], 0, 0))
			lane := laneOf(c.ids[3], 3)
			for _, id := range c.ids[1:3] {
				s := c.stranger(id, absent(message.Pruned))
				defer s.stop()
				s.awaits(c.ids[0])
			}
			s := c.stranger(c.ids[3], faulty)
			s.awaits(c.ids[0])
			if err := r.Offer(t.Context(), c.lockOf(lane[2])); err != nil {
				t.Fatal(err)
			}
			select {
			case next := <-told:
				if next != 0 {
					t.Errorf("a peer that %s: the host was told of height %d", name, next)
				}
			case <-time.After(time.Minute):
				t.Errorf("a peer that %s: the host was not told", name)
			}
			s.stop()
			c.stopAll()
		})
	}
}
