package replica_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/internal/simnet"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

var lan = simnet.Conditions{Latency: 5 * time.Millisecond}

func TestEveryLaneIsHandedOverEverywhere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.startAll(100_000, 20)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(20))
		c.stopAll()
	})
}

func TestBodiesOfEverySizeAreHandedOver(t *testing.T) {
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 300_000} {
		inBubble(t, func(t *testing.T) {
			c := newCluster(t, 4, lan)
			c.startAll(size, 3)
			c.eventually(30*time.Second, "every lane is handed over", c.everywhere(3))
			c.stopAll()
		})
	}
}

// docs/protocol.md 7.3: «A validator with a node but no body after a short delay asks for the
// body».
func TestRule7_3_BodiesThatAreLostAreAskedFor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, simnet.Conditions{Latency: 5 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.2})
		c.startAll(150_000, 10)
		c.eventually(5*time.Minute, "every lane is handed over", c.everywhere(10))
		c.stopAll()
	})
}

// docs/protocol.md 7.4: «The host is handed every chunk of a lane in height order, each once the
// one below has been handed over, none missing, at least once».
func TestRule7_4_AReplicaThatWasAwayIsHandedWhatItMissed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.startAll(80_000, 30)
		c.eventually(30*time.Second, "some chunks are handed over", c.everywhere(3))
		c.stop(3)
		app := c.all[3].chain
		c.eventually(30*time.Second, "the others go on", func() bool { return c.all[0].chain.next(c.ids[1]) >= 15 })
		c.start(3, app)
		c.eventually(60*time.Second, "every lane is handed over", c.everywhere(30))
		c.stopAll()
	})
}

func TestAReplicaThatWasCutOffIsHandedWhatItMissed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.startAll(80_000, 30)
		c.eventually(30*time.Second, "some chunks are handed over", c.everywhere(3))
		c.cut(2, true)
		c.eventually(30*time.Second, "the others go on", func() bool { return c.all[0].chain.next(c.ids[1]) >= 15 })
		c.cut(2, false)
		c.eventually(60*time.Second, "every lane is handed over", c.everywhere(30))
		c.stopAll()
	})
}

// The host keeps the cursor: chunks that it has not applied durably are handed over once more.
func TestDeliveryGoesOnWhereTheHostSays(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.startAll(10_000, 10)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(10))
		c.stop(0)
		old := c.all[0].chain
		app := newChain(c.ids[0], 10_000, 12)
		for id, digests := range old.delivered {
			app.delivered[id] = append([]wire.Digest(nil), digests[:4]...)
		}
		c.start(0, app)
		c.eventually(30*time.Second, "it is handed the rest again", func() bool {
			for _, id := range c.ids {
				if app.next(id) < 10 {
					return false
				}
			}
			return true
		})
		for id, digests := range old.delivered {
			for h, d := range digests {
				if app.delivered[id][h] != d {
					t.Errorf("height %d of lane %v was handed over with digest %v, and %v before", h, id, app.delivered[id][h], d)
				}
			}
		}
		c.stopAll()
	})
}

// A slow host stops the proposals of its own lane, and not its acks.
func TestASlowHostStopsItsOwnLaneOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.tune = func(_ int, config *replica.Config) { config.MaxUndelivered = 5 }
		apps := make([]*chain, 4)
		for i := range c.ids {
			apps[i] = newChain(c.ids[i], 10_000, 60)
		}
		open := make(chan struct{})
		apps[0].deliver = func(ctx context.Context, _ replica.Chunk) error {
			select {
			case <-open:
			case <-ctx.Done():
				return ctx.Err()
			}
			return nil
		}
		for i := range c.ids {
			c.start(i, apps[i])
		}
		c.eventually(60*time.Second, "the lanes of the others are certified with replica 1 away", func() bool {
			return apps[2].next(c.ids[3]) == 60 && apps[3].next(c.ids[2]) == 60
		})
		if n := apps[1].next(c.ids[0]); n < 5 || n > 8 {
			t.Errorf("the lane of the slow host has come to height %d, MaxUndelivered is 5", n)
		}
		close(open)
		c.eventually(60*time.Second, "every lane is handed over", c.everywhere(60))
		c.stopAll()
	})
}

// docs/protocol.md 7.3: the archive's «quota stops acks, proposals and unasked pushes only: what is
// certified and next to be handed over has room of its own».
func TestRule7_3_AFullArchiveStopsAcksAndProposalsUntilTheHostPrunes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.tune = func(_ int, config *replica.Config) {
			config.MaxPayload = 64 << 10
			config.Archive.Quota, config.Archive.Retain = 1<<20, -1
		}
		apps := make([]*chain, 4)
		for i := range c.ids {
			apps[i] = newChain(c.ids[i], 60_000, 100)
			c.start(i, apps[i])
		}
		time.Sleep(20 * time.Second)
		total := uint64(0)
		for _, id := range c.ids {
			total += apps[0].next(id)
		}
		if total < 12 || total > 24 {
			t.Errorf("%d chunks of 60 kB were certified and handed over with a quota of 1 MiB", total)
		}
		stop := make(chan struct{})
		var pruning sync.WaitGroup
		for i, p := range c.all {
			pruning.Go(func() {
				for {
					for _, id := range c.ids {
						if err := p.Prune(t.Context(), id, apps[i].next(id)); err != nil && !errors.Is(err, archive.ErrClosed) {
							t.Errorf("pruning: %v", err)
						}
					}
					select {
					case <-time.After(50 * time.Millisecond):
					case <-stop:
						return
					}
				}
			})
		}
		c.eventually(2*time.Minute, "every lane is handed over", c.everywhere(100))
		close(stop)
		pruning.Wait()
		c.stopAll()
	})
}

// The host takes one lane after the other, while the archive is full: each is handed over all the
// same.
func TestAHostThatNeedsItsLanesInTheWorstOrderIsServed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		apps := make([]*chain, 4)
		const heights = 12
		c.tune = func(i int, config *replica.Config) {
			config.MaxPayload = 64 << 10
			if i == 3 {
				config.Archive.Quota, config.Archive.Retain = 256<<10, -1
			}
		}
		for i := range c.ids {
			apps[i] = newChain(c.ids[i], 60_000, heights)
		}
		apps[3].max = 0
		apps[3].deliver = func(ctx context.Context, k replica.Chunk) error {
			for i, id := range c.ids[:3] {
				if k.Sequencer != id {
					continue
				}
				for i < 2 && apps[3].next(c.ids[i+1]) < heights { // the last lane comes first
					select {
					case <-time.After(10 * time.Millisecond):
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				if k.Height%2 == 1 {
					go func() { _ = c.all[3].Prune(ctx, id, k.Height) }()
				}
			}
			return nil
		}
		for i := range c.ids {
			c.start(i, apps[i])
		}
		c.eventually(3*time.Minute, "three lanes are handed over everywhere", func() bool {
			for _, app := range apps {
				for _, id := range c.ids[:3] {
					if app.next(id) < heights {
						return false
					}
				}
			}
			return true
		})
		c.stopAll()
	})
}

// docs/protocol.md 7.4: «the host is told that it needs its own state transfer only when peers
// weighing more than f of a known epoch say so and no other has it».
func TestRule7_4_AHostThatFellBehindWhatIsKeptIsToldAndRestored(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		told := make(map[wire.PublicKey]uint64)
		var mu sync.Mutex
		c.tune = func(i int, config *replica.Config) {
			config.Archive.Retain = -1
			if i == 3 {
				config.Behind = func(id wire.PublicKey, next uint64) {
					mu.Lock()
					defer mu.Unlock()
					told[id] = next
				}
			}
		}
		apps := make([]*chain, 4)
		for i := range c.ids {
			apps[i] = newChain(c.ids[i], 10_000, 3)
			c.start(i, apps[i])
		}
		c.eventually(30*time.Second, "some chunks are handed over", c.everywhere(3))
		c.stop(3)
		for _, app := range apps {
			app.grow(40, 10_000)
		}
		c.eventually(30*time.Second, "the others go on", func() bool {
			return apps[0].next(c.ids[0]) >= 20 && apps[1].next(c.ids[1]) >= 20 && apps[2].next(c.ids[2]) >= 20
		})
		for _, p := range c.all[:3] {
			for _, id := range c.ids[:3] {
				if err := p.Prune(t.Context(), id, 15); err != nil {
					t.Fatal(err)
				}
			}
		}
		c.start(3, apps[3])
		c.eventually(60*time.Second, "the host is told", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(told) == 3
		})
		for _, id := range c.ids[:3] {
			if told[id] != apps[3].next(id) {
				t.Errorf("the host was told of height %d, next is %d", told[id], apps[3].next(id))
			}
		}
		// Its state comes from replica 0, and the lanes go on.
		c.eventually(30*time.Second, "the others are handed all", func() bool {
			return apps[0].next(c.ids[0]) == 40 && apps[0].next(c.ids[1]) == 40 && apps[0].next(c.ids[2]) == 40
		})
		var locks []wire.Lock
		for _, k := range c.all[0].Heads() {
			if k.Chunk.Sequencer != c.ids[3] {
				locks = append(locks, k)
			}
		}
		apps[3].take(apps[0], c.ids[:3])
		if err := c.all[3].Restore(t.Context(), locks...); err != nil {
			t.Fatal(err)
		}
		for _, app := range apps {
			app.grow(50, 10_000)
		}
		c.eventually(60*time.Second, "every lane is handed over", c.everywhere(50))
		c.stopAll()
	})
}

func TestAnOrdererSeesHeadsWaitsForLocksAndGetsBodies(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		apps := make([]*chain, 4)
		for i := range c.ids {
			apps[i] = newChain(c.ids[i], 50_000, 8)
		}
		apps[3].deliver = func(ctx context.Context, _ replica.Chunk) error { // it takes nothing
			<-ctx.Done()
			return ctx.Err()
		}
		for i := range c.ids {
			c.start(i, apps[i])
		}
		r := c.all[3]
		c.eventually(30*time.Second, "all lanes are certified", func() bool {
			n := 0
			for _, k := range r.Heads() {
				if k.Chunk.Height == 7 {
					n++
				}
			}
			return n == 4
		})
		for _, k := range r.Heads() {
			if err := r.Wait(t.Context(), k); err != nil {
				t.Fatal(err)
			}
			for height := range k.Chunk.Height + 1 {
				chunk, err := r.Get(t.Context(), k.Chunk.Sequencer, height)
				if err != nil {
					t.Fatal(err)
				}
				if string(chunk.Body) != string(bodyOf(k.Chunk.Sequencer, height, 50_000)) {
					t.Errorf("height %d of lane %v has another body", height, k.Chunk.Sequencer)
				}
			}
			if _, err := r.Get(t.Context(), k.Chunk.Sequencer, 1000); !errors.Is(err, replica.ErrNotCertified) {
				t.Errorf("a chunk above the head: %v", err)
			}
			k.Certificate = append([]byte(nil), k.Certificate...)
			k.Certificate[len(k.Certificate)-1] ^= 1
			k.Chunk.Height--
			if err := r.Wait(t.Context(), k); err == nil || !strings.Contains(err.Error(), "height") {
				t.Errorf("a lock that does not verify: %v", err)
			}
		}
		if len(r.Tips()) < 3 {
			t.Errorf("%d tips", len(r.Tips()))
		}
		if err := r.Prune(t.Context(), r.Heads()[0].Chunk.Sequencer, 3); err != nil {
			t.Errorf("pruning what was not handed over: %v", err)
		}
		if _, err := r.Get(t.Context(), r.Heads()[0].Chunk.Sequencer, 0); err != nil {
			t.Errorf("what was not handed over is gone: %v", err)
		}
		c.stopAll()
	})
}

func TestAnApplicationThatFailsStopsTheReplica(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		broken := errors.New("broken")
		for i := range c.ids {
			app := newChain(c.ids[i], 1000, 5)
			if i == 0 {
				app.deliver = func(context.Context, replica.Chunk) error { return broken }
			}
			c.start(i, app)
		}
		<-c.all[0].done
		if err := c.all[0].err; !errors.Is(err, replica.ErrApplication) || !errors.Is(err, broken) {
			t.Errorf("Run returned %v", err)
		}
		for i := range 3 {
			c.stop(i + 1)
		}
	})
}

func TestAnApplicationThatDeclinesOrProposesTooMuchIsAskedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.tune = func(_ int, config *replica.Config) { config.MaxPayload = 100_000 }
		c.startAll(100_000, 3)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(3))
		c.all[0].chain.grow(6, 100_001)
		time.Sleep(5 * time.Second)
		c.all[0].chain.grow(6, 99_999)
		c.eventually(30*time.Second, "the lane goes on", func() bool { return c.all[1].chain.next(c.ids[0]) == 6 })
		c.stopAll()
	})
}
