package replica_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/crashfs"
	"github.com/lanecast/lanecast/internal/simnet"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

var namespace = []byte("replica tests")

// chain is an application that proposes bodies of a size, approves bodies that begin with their
// place, and keeps the delivered chunks.
type chain struct {
	id   wire.PublicKey
	size int
	max  uint64        // heights that it proposes
	pace time.Duration // time of a proposal

	// Hooks, nil for none.
	verify  func(at engine.Place, body []byte) (bool, error)
	deliver func(ctx context.Context, c replica.Chunk) error

	mu        sync.Mutex
	delivered map[wire.PublicKey][]wire.Digest // by height
	proposed  int
	again     int       // chunks that were handed over before
	resume    time.Time // Deliver does not return before
}

func newChain(id wire.PublicKey, size int, heights uint64) *chain {
	return &chain{id: id, size: size, max: heights, delivered: make(map[wire.PublicKey][]wire.Digest)}
}

// bodyOf is the body of a place: its name, repeated.
func bodyOf(id wire.PublicKey, height uint64, size int) []byte {
	name := fmt.Appendf(nil, "%v/%d;", id, height)
	return bytes.Repeat(name, size/len(name)+1)[:size]
}

func (c *chain) Propose(ctx context.Context, at engine.Place) ([]byte, error) {
	if c.pace > 0 {
		select {
		case <-time.After(c.pace):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.Height >= c.max {
		return nil, engine.ErrDeclined
	}
	c.proposed++
	return bodyOf(at.Sequencer, at.Height, c.size), nil
}

// grow makes the chain propose up to another height, with bodies of another size.
func (c *chain) grow(heights uint64, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.max, c.size = heights, size
}

func (c *chain) Verify(_ context.Context, at engine.Place, body []byte) (bool, error) {
	if c.verify != nil {
		return c.verify(at, body)
	}
	return bytes.Equal(body, bodyOf(at.Sequencer, at.Height, len(body))), nil
}

func (c *chain) Deliver(ctx context.Context, k replica.Chunk) error {
	if c.deliver != nil {
		if err := c.deliver(ctx, k); err != nil {
			return err
		}
	}
	c.mu.Lock()
	wait := time.Until(c.resume)
	c.mu.Unlock()
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	lane := c.delivered[k.Sequencer]
	switch {
	case k.Height < uint64(len(lane)):
		c.again++
		if lane[k.Height] != k.Digest {
			return fmt.Errorf("height %d of lane %v was handed over with digest %v, now %v", k.Height, k.Sequencer, lane[k.Height], k.Digest)
		}
		return nil
	case k.Height > uint64(len(lane)):
		return fmt.Errorf("height %d of lane %v was handed over, and %d comes next", k.Height, k.Sequencer, len(lane))
	case !bytes.Equal(k.Body, bodyOf(k.Sequencer, k.Height, len(k.Body))):
		return fmt.Errorf("height %d of lane %v was handed over with another body", k.Height, k.Sequencer)
	case k.Height > 0 && k.Parent != lane[k.Height-1]:
		return fmt.Errorf("height %d of lane %v stands on %v, %v was handed over", k.Height, k.Sequencer, k.Parent, lane[k.Height-1])
	case k.Proof.Chunk.Sequencer != k.Sequencer || k.Proof.Chunk.Height < k.Height:
		return fmt.Errorf("height %d of lane %v came with the lock of height %d of %v", k.Height, k.Sequencer, k.Proof.Chunk.Height, k.Proof.Chunk.Sequencer)
	}
	c.delivered[k.Sequencer] = append(lane, k.Digest)
	return nil
}

// pause blocks Deliver for a while.
func (c *chain) pause(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resume = time.Now().Add(d)
}

func (c *chain) next(id wire.PublicKey) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(len(c.delivered[id]))
}

type memFS = crashfs.FS[journal.File]

func newMemFS() *memFS {
	return crashfs.New(func(f crashfs.File) journal.File { return f }, journal.ErrLocked)
}

// take copies another host's state of some lanes.
func (c *chain) take(other *chain, lanes []wire.PublicKey) {
	other.mu.Lock()
	defer other.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range lanes {
		c.delivered[id] = slices.Clone(other.delivered[id])
	}
}

// cluster is a network of replicas in memory.
type cluster struct {
	t    *testing.T
	set  *testkit.Set
	ids  []wire.PublicKey
	net  *simnet.Network
	all  []*process
	disk []*memFS
	tune func(i int, c *replica.Config)
}

// process is one replica, which may be stopped and started again.
type process struct {
	*replica.Replica
	chain  *chain
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func newCluster(t *testing.T, n int, conditions simnet.Conditions) *cluster {
	t.Helper()
	return newClusterOf(t, testkit.Ed25519, n, conditions)
}

// newClusterOf is newCluster with another kind of certificates.
func newClusterOf(t *testing.T, kind testkit.Kind, n int, conditions simnet.Conditions) *cluster {
	t.Helper()
	c := &cluster{t: t, set: testkit.MustSet(t, kind, n, namespace, 1)}
	for _, k := range c.set.Identities {
		c.ids = append(c.ids, testkit.Identity(k))
	}
	var err error
	if c.net, err = simnet.New(simnet.Config{Seed: 1, Default: conditions}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.net.Close)
	c.all = make([]*process, n)
	for range n {
		c.disk = append(c.disk, newMemFS())
	}
	return c
}

// start starts replica i with a chain; the first time it is created.
func (c *cluster) start(i int, app *chain) *process {
	c.t.Helper()
	return c.startAs(i, i, app)
}

// startAll starts every replica with a chain of its own, which proposes bodies of a size up to a
// height.
func (c *cluster) startAll(size int, heights uint64) {
	c.t.Helper()
	for i := range c.ids {
		c.start(i, newChain(c.ids[i], size, heights))
	}
}

// startAs starts replica i with the keys of another one, for tune to replace.
func (c *cluster) startAs(i, member int, app *chain) *process {
	c.t.Helper()
	epochs, err := engine.NewStaticEpochs(c.set.Scheme, c.set.Signers[member], c.ids)
	if err != nil {
		c.t.Fatal(err)
	}
	config := replica.Config{
		Namespace: namespace, Key: c.set.Identities[member], Epochs: epochs, Application: app, Next: app.next,
		Dir: "disk", Create: c.all[i] == nil,
		Transport: c.net.NewTransport(c.ids[member], replica.Types(0)),
		Engine: engine.Config{
			RebroadcastTimeout: time.Second, Workers: 1,
			Journal: engine.JournalConfig{Storage: journal.Config{FS: c.disk[i], SegmentSize: 64 << 10}},
		},
		// Small files: the disk keeps a copy for every write that is not synced.
		MaxPayload: 512 << 10,
		Archive:    archive.Config{MinFree: -1, FS: c.disk[i], SegmentSize: 1 << 20},
	}
	if testing.Verbose() {
		config.Logger = slog.New(slog.NewTextHandler(testWriter{c.t}, nil)).With("replica", i)
	}
	if c.tune != nil {
		c.tune(i, &config)
	}
	r, err := replica.New(config)
	if err != nil {
		c.t.Fatal(err)
	}
	p := &process{Replica: r, chain: app, done: make(chan struct{})}
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(c.t.Context())
	go func() {
		defer close(p.done)
		p.err = r.Run(ctx)
	}()
	c.all[i] = p
	return p
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s %s", time.Now().Format("05.000"), bytes.TrimSpace(b))
	return len(b), nil
}

// stop stops a replica, and fails the test if it ended with an error.
func (c *cluster) stop(i int) {
	c.t.Helper()
	p := c.all[i]
	p.cancel()
	<-p.done
	if p.err != nil {
		c.t.Errorf("replica %d: %v", i, p.err)
	}
}

// crash ends a replica by a power failure: its later writes and messages have no effect. Unsynced
// writes may be lost.
func (c *cluster) crash(i int, rng *rand.Rand, mode int) {
	c.t.Helper()
	p, disk := c.all[i], c.disk[i]
	disk.Mu.Lock()
	disk.CrashAt = disk.Ops + 1
	disk.Mu.Unlock()
	c.cut(i, true)
	p.cancel()
	<-p.done
	c.cut(i, false)
	c.disk[i] = disk.Crash(rng, mode)
}

// cut disconnects a replica from the network, or connects it again.
func (c *cluster) cut(i int, off bool) {
	for j, id := range c.ids {
		switch {
		case j == i:
		case off:
			c.net.Cut(c.ids[i], id)
		default:
			c.net.Heal(c.ids[i], id)
		}
	}
}

func (c *cluster) stopAll() {
	c.t.Helper()
	for i, p := range c.all {
		if p != nil {
			c.stop(i)
		}
	}
	c.net.Close()
}

// eventually waits until something holds, in the time of the bubble.
func (c *cluster) eventually(within time.Duration, what string, holds func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("waited in vain until %s: %s", what, c.heights())
		}
		for i, p := range c.all {
			if p == nil {
				continue
			}
			select {
			case <-p.done:
				if p.err != nil {
					c.t.Fatalf("replica %d: %v", i, p.err)
				}
			default:
			}
		}
	}
}

func (c *cluster) heights() (s string) {
	for i, p := range c.all {
		if p == nil {
			continue
		}
		s += fmt.Sprintf(" %d:", i)
		for _, id := range c.ids {
			s += fmt.Sprintf(" %d", p.chain.next(id))
		}
	}
	return s
}

// everywhere reports whether all replicas that were started have been handed every lane up to a
// height.
func (c *cluster) everywhere(height uint64) func() bool {
	return func() bool {
		for _, p := range c.all {
			for _, id := range c.ids {
				if p != nil && p.chain.next(id) < height {
					return false
				}
			}
		}
		return true
	}
}

func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// fromEnvironment returns the number in an environment variable; unset: usual, or short in a short
// run.
func fromEnvironment(t *testing.T, name string, usual, short int) int {
	t.Helper()
	text := os.Getenv(name)
	switch {
	case text == "" && testing.Short():
		return short
	case text == "":
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// stale demands that a replica stops within a time, since its journal is stale.
func (p *process) stale(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case <-p.done:
		if !errors.Is(p.err, engine.ErrStaleJournal) {
			t.Errorf("it stopped: %v", p.err)
		}
	case <-time.After(within):
		t.Error("it runs on an old copy")
	}
}
