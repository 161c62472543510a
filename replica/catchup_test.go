package replica_test

import (
	"context"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// hasLanes answers like an honest peer that holds lanes, including pages of headers.
func hasLanes(lanes ...[]*made) func(context.Context, wire.PublicKey, network.Type, []byte, reply) {
	bodies := has(slices.Concat(lanes...)...)
	return func(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, reply reply) {
		var q message.HeadersRequest
		if t != message.HeadersRequestType || q.Decode(request) != nil {
			bodies(ctx, from, t, request, reply)
			return
		}
		for _, lane := range lanes {
			if q.Height >= uint64(len(lane)) || lane[q.Height].digest != q.Digest {
				continue
			}
			var page message.Headers
			for height := int(q.Height); height >= 0 && len(page.Headers) < int(q.Count); height-- {
				page.Headers = append(page.Headers, lane[height].header)
			}
			_ = reply(message.HeadersType, page.AppendTo(nil))
			return
		}
		_ = reply(message.AbsentType, (&message.Absent{Reason: message.Never}).AppendTo(nil))
	}
}

// docs/protocol.md 7.4: «Who sent the last range of a lane is asked first for the next, and
// somebody else as well after HedgeDelay». So a slow peer costs its lane that delay once.
func TestRule7_4_ALaneWhosePeerIsSlowWaitsForItOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const heights = 80
		c := newCluster(t, 4, lan)
		c.tune = func(_ int, config *replica.Config) { config.SetPage(4) }
		app := newChain(c.ids[0], 0, 0)
		r := c.start(0, app)
		lane := laneOf(c.ids[3], heights)
		honest := hasLanes(lane)
		for i, id := range c.ids[1:] {
			s := c.stranger(id, func(ctx context.Context, from wire.PublicKey, typ network.Type, request []byte, reply reply) {
				if i == 2 && typ == message.HeadersRequestType { // the sequencer: asked first
					time.Sleep(1900 * time.Millisecond)
				}
				honest(ctx, from, typ, request, reply)
			})
			defer s.stop()
			s.awaits(c.ids[0])
		}
		began := time.Now()
		if err := r.Offer(t.Context(), c.lockOf(lane[heights-1])); err != nil {
			t.Fatal(err)
		}
		c.eventually(time.Minute, "something is handed over", func() bool { return app.next(c.ids[3]) > 0 })
		// 20 pages of 10 ms each, and the delay.
		if took := time.Since(began); took > replica.DefaultHedgeDelay+time.Second/2 {
			t.Errorf("it took %v", took)
		}
		c.eventually(time.Minute, "the lane is handed over", func() bool { return app.next(c.ids[3]) == heights })
		c.stopAll()
	})
}

// A peer that sends one header at a time is not asked for each of them.
func TestRule7_4_APeerThatSendsOneHeaderAtATimeIsAskedLast(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const heights = 80
		c := newCluster(t, 4, lan)
		c.tune = func(_ int, config *replica.Config) { config.SetPage(16) }
		app := newChain(c.ids[0], 0, 0)
		r := c.start(0, app)
		lane := laneOf(c.ids[3], heights)
		all, one := hasLanes(lane), has(lane...)
		var asked atomic.Int32
		for i, id := range c.ids[1:] {
			s := c.stranger(id, func(ctx context.Context, from wire.PublicKey, typ network.Type, request []byte, reply reply) {
				if i == 2 && typ == message.HeadersRequestType { // the sequencer: asked first
					asked.Add(1)
					one(ctx, from, typ, request, reply)
					return
				}
				all(ctx, from, typ, request, reply)
			})
			defer s.stop()
			s.awaits(c.ids[0])
		}
		if err := r.Offer(t.Context(), c.lockOf(lane[heights-1])); err != nil {
			t.Fatal(err)
		}
		c.eventually(time.Minute, "the lane is handed over", func() bool { return app.next(c.ids[3]) == heights })
		if n := asked.Load(); n < 1 || n > 5 {
			t.Errorf("it was asked %d times", n)
		}
		c.stopAll()
	})
}

// Lanes whose headers no peer has, in any number, delay no other lane.
func TestRule7_4_LanesWithoutHeadersKeepNoOtherFromItsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const n, heights = 62, 40
		c := newCluster(t, n, lan)
		c.tune = func(_ int, config *replica.Config) { config.SetPage(4) }
		app := newChain(c.ids[0], 0, 0)
		r := c.start(0, app)
		last := c.ids[n-1]
		s := c.stranger(last, hasLanes(laneOf(last, heights)))
		s.awaits(c.ids[0])
		for _, id := range c.ids[1 : n-1] {
			if err := r.Offer(t.Context(), c.lockOf(laneOf(id, heights)[heights-1])); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second) // they ask for pages, and get none
		if err := r.Offer(t.Context(), c.lockOf(laneOf(last, heights)[heights-1])); err != nil {
			t.Fatal(err)
		}
		c.eventually(time.Minute, "the lane that somebody has is handed over", func() bool { return app.next(last) == heights })
		s.stop()
		c.stopAll()
	})
}

// A lock in the tips of all peers is verified once by the replica, and once by its engine, which
// adopts it.
func TestRule7_4_ALockThatAllPeersTellIsVerifiedTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 10, lan)
		read := c.count()
		lane := laneOf(c.ids[9], 3)
		k := c.lockOf(lane[2])
		for _, id := range c.ids[1:] {
			s := c.stranger(id, func(ctx context.Context, from wire.PublicKey, typ network.Type, request []byte, reply reply) {
				if typ == message.TipsRequestType {
					_ = reply(message.TipsType, (&message.Tips{Locks: []wire.Lock{k}}).AppendTo(nil))
					return
				}
				hasLanes(lane)(ctx, from, typ, request, reply)
			})
			defer s.stop()
		}
		app := newChain(c.ids[0], 0, 0)
		c.start(0, app)
		c.eventually(10*time.Second, "the lane is handed over", func() bool { return app.next(c.ids[9]) == 3 })
		time.Sleep(5 * time.Second)
		if n := read(0, "statements_total", ""); n != 2 {
			t.Errorf("%v signatures were checked for one lane", n)
		}
		c.stopAll()
	})
}

// docs/protocol.md 7.4: tips are «what changed since, per lane the highest lock of the newest of
// the epochs that the asker names». If the sets of an epoch become known later, peers are asked for
// all locks of it.
func TestRule7_4_LocksOfAnEpochThatBecomesKnownAreAskedForAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		epochs := engine.NewEpochs(5)
		add := func(epoch uint64) {
			if err := epochs.Add(epoch, c.set.Scheme, c.set.Signers[0], c.ids); err != nil {
				t.Fatal(err)
			}
		}
		add(5)
		c.tune = func(_ int, config *replica.Config) { config.Epochs = epochs }
		app := newChain(c.ids[0], 0, 0)
		c.start(0, app)
		lane := laneOf(c.ids[3], 3)
		k := c.lockIn(6, wire.Chunk{Sequencer: c.ids[3], Height: 2, Payload: lane[2].digest})
		var told atomic.Int32
		s := c.stranger(c.ids[3], func(ctx context.Context, from wire.PublicKey, typ network.Type, request []byte, reply reply) {
			var q message.TipsRequest
			if typ != message.TipsRequestType || q.Decode(request) != nil {
				hasLanes(lane)(ctx, from, typ, request, reply)
				return
			}
			told.Add(1)
			page := message.Tips{Revision: message.Revision{Number: 1}}
			if q.Since == nil && slices.Contains(q.Epochs, 6) {
				page.Locks = []wire.Lock{k}
			}
			_ = reply(message.TipsType, page.AppendTo(nil))
		})
		s.awaits(c.ids[0])
		time.Sleep(5 * time.Second)
		if told.Load() == 0 {
			t.Error("no tips were asked for")
		}
		add(6)
		c.eventually(10*time.Second, "the lane is handed over", func() bool { return app.next(c.ids[3]) == 3 })
		s.stop()
		c.stopAll()
	})
}

// docs/protocol.md 7.3: the quota stops bodies that are not the next to be handed over. Bodies are
// fetched ahead of their turn as far as the archive takes them, and none is fetched for nothing.
func TestRule7_3_NothingIsFetchedTwiceBecauseTheArchiveIsFull(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const heights = 40
		c := newCluster(t, 4, lan)
		c.tune = func(i int, config *replica.Config) {
			config.MaxPayload = 64 << 10
			if i == 3 {
				config.Archive.Quota, config.Archive.Retain, config.MaxBuffered = 256<<10, -1, 1<<20
			}
		}
		read := c.count()
		apps := make([]*chain, 4)
		for i := range 3 {
			apps[i] = newChain(c.ids[i], 60_000, heights)
			c.start(i, apps[i])
		}
		c.eventually(time.Minute, "three lanes are handed over", func() bool {
			return apps[0].next(c.ids[0]) == heights && apps[0].next(c.ids[1]) == heights && apps[0].next(c.ids[2]) == heights
		})
		app := newChain(c.ids[3], 0, 0)
		handed := make(chan replica.Chunk, 3*heights)
		app.deliver = func(ctx context.Context, k replica.Chunk) error { // the host takes slowly
			select {
			case <-time.After(200 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
			handed <- k
			return nil
		}
		p := c.start(3, app)
		for range 3 * heights {
			k := <-handed
			if err := p.Prune(t.Context(), k.Sequencer, k.Height); err != nil {
				t.Fatal(err)
			}
		}
		if n := read(3, "fetched_bodies_total", ""); n < 3*heights || n > 3*heights+heights/4 {
			t.Errorf("%v bodies were fetched of %d", n, 3*heights)
		}
		c.stopAll()
	})
}

// Bodies fetched ahead of their turn wait for the disk: while it is too slow, only the next bodies
// of lanes are fetched.
func TestRule7_4_NothingIsFetchedAheadOfASlowDisk(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const heights = 30
		c := newCluster(t, 4, lan)
		read := c.count()
		before := c.tune
		c.tune = func(i int, config *replica.Config) {
			before(i, config)
			config.MaxPayload = 256 << 10
		}
		release := make(chan struct{})
		c.disk[0].Hold = func(name string) {
			if filepath.Ext(name) == ".data" {
				<-release
			}
		}
		app := newChain(c.ids[0], 0, 0)
		r := c.start(0, app)
		var lanes [][]*made
		for _, id := range c.ids[2:] {
			var lane []*made
			parent := wire.Digest{}
			for height := range uint64(heights) {
				m := makeBody(id, height, parent, bodyOf(id, height, 200_000), nil)
				lane, parent = append(lane, m), m.digest
			}
			lanes = append(lanes, lane)
		}
		for _, id := range c.ids[1:] {
			s := c.stranger(id, hasLanes(lanes...))
			defer s.stop()
			s.awaits(c.ids[0])
		}
		fetched := func(lane []*made) float64 {
			before := read(0, "fetched_bodies_total", "")
			if err := r.Offer(t.Context(), c.lockOf(lane[heights-1])); err != nil {
				t.Fatal(err)
			}
			time.Sleep(settled)
			return read(0, "fetched_bodies_total", "") - before
		}
		if n := fetched(lanes[0]); n != 9 {
			t.Errorf("%v bodies were fetched of the first lane, want the next one and 8 more", n)
		}
		if n := fetched(lanes[1]); n != 1 {
			t.Errorf("%v bodies were fetched of the second lane, want the next one", n)
		}
		close(release)
		c.eventually(time.Minute, "both lanes are handed over", func() bool {
			return app.next(c.ids[2]) == heights && app.next(c.ids[3]) == heights
		})
		c.stopAll()
	})
}
