package replica_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/simnet"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// single is the configuration of a replica that is the only validator.
func single(t testing.TB, disk *memFS, create bool) replica.Config {
	t.Helper()
	set := testkit.MustSet(t, testkit.Ed25519, 1, namespace, 1)
	id := testkit.Identity(set.Identities[0])
	epochs, err := engine.NewStaticEpochs(set.Scheme, set.Signers[0], []wire.PublicKey{id})
	if err != nil {
		t.Fatal(err)
	}
	network, err := simnet.New(simnet.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Close)
	app := newChain(id, 1000, 5)
	return replica.Config{
		Namespace: namespace, Key: set.Identities[0], Epochs: epochs, Application: app, Next: app.next,
		Dir: "disk", Create: create, Transport: network.NewTransport(id, replica.Types(0)),
		Engine:  engine.Config{Workers: 1, Journal: engine.JournalConfig{Storage: journal.Config{FS: disk}}},
		Archive: archive.Config{MinFree: -1, FS: disk},
	}
}

// isClosed fails the test if files are left open, or locked, on a disk.
func isClosed(t *testing.T, what string, disk *memFS) {
	t.Helper()
	disk.Mu.Lock()
	defer disk.Mu.Unlock()
	if disk.Handles != 0 {
		t.Errorf("%s: %d files are open", what, disk.Handles)
	}
	for name, locked := range disk.Locked {
		if locked {
			t.Errorf("%s: %s is locked", what, name)
		}
	}
}

func TestCloseWithoutRunLeavesNothingOpen(t *testing.T) {
	disk := newMemFS()
	registry := prometheus.NewRegistry()
	for i := range 3 {
		c := single(t, disk, i == 0)
		c.Metrics = registry
		r, err := replica.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		isClosed(t, "after Close", disk)
		if err := r.Close(); err != nil {
			t.Errorf("the second Close: %v", err)
		}
		if err := r.Run(t.Context()); !errors.Is(err, replica.ErrRunning) {
			t.Errorf("Run after Close: %v", err)
		}
		if _, err := r.Get(t.Context(), wire.PublicKey{1}, 0); !errors.Is(err, replica.ErrNotCertified) {
			t.Errorf("Get after Close: %v", err)
		}
		if families, err := registry.Gather(); err != nil || len(families) != 0 {
			t.Errorf("%d metrics are registered, %v", len(families), err)
		}
	}
}

// At whatever step New fails, nothing stays open, locked or registered, and the next New works.
func TestANewThatFailsLeavesNothingOpen(t *testing.T) {
	registry := prometheus.NewRegistry()
	attempt := func(what string, change func(c *replica.Config)) {
		t.Helper()
		disk := newMemFS()
		c := single(t, disk, true)
		c.Metrics = registry
		change(&c)
		r, err := replica.New(c)
		if err == nil {
			t.Errorf("%s: New returned no error", what)
			_ = r.Close()
		}
		isClosed(t, what, disk)
		if families, err := registry.Gather(); err != nil || len(families) != 0 {
			t.Errorf("%s: %d metrics are registered, %v", what, len(families), err)
		}
	}
	attempt("configuration", func(c *replica.Config) { c.MaxPayload = -1 })
	attempt("engine's configuration", func(c *replica.Config) { c.Engine.MaxPeers = -1 })
	attempt("archive's configuration", func(c *replica.Config) { c.Archive.Quota = 1 })
	// Each operation on the disk fails once.
	failed := errors.New("failed")
	for operation := 1; ; operation++ {
		disk := newMemFS()
		c := single(t, disk, true)
		c.Metrics = registry
		count := 0
		disk.Fault = func(string, string) error {
			if count++; count == operation {
				return failed
			}
			return nil
		}
		r, err := replica.New(c)
		disk.Mu.Lock()
		reached := count >= operation
		disk.Mu.Unlock()
		if err == nil {
			_ = r.Close() // later failures, in goroutines of the parts, are returned here
		}
		isClosed(t, "a disk that fails", disk)
		if families, err := registry.Gather(); err != nil || len(families) != 0 {
			t.Errorf("operation %d: %d metrics are registered, %v", operation, len(families), err)
		}
		if !reached {
			break
		}
	}
}

func TestASecondReplicaWithTheSameMetricsIsRefusedAndLeavesThoseOfTheFirst(t *testing.T) {
	registry := prometheus.NewRegistry()
	c := single(t, newMemFS(), true)
	c.Metrics = registry
	first, err := replica.New(c)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := registry.Gather()
	c = single(t, newMemFS(), true)
	c.Metrics = registry
	if _, err := replica.New(c); err == nil {
		t.Error("a second replica was made with the same registry")
	}
	if after, _ := registry.Gather(); len(after) != len(before) {
		t.Errorf("%d of %d families of metrics are left", len(after), len(before))
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
}

// stateless is an application without a field.
type stateless struct{}

func (stateless) Propose(context.Context, engine.Place) ([]byte, error) {
	return nil, engine.ErrDeclined
}
func (stateless) Verify(context.Context, engine.Place, []byte) (bool, error) { return true, nil }
func (stateless) Deliver(context.Context, replica.Chunk) error               { return nil }

func TestAnApplicationNeedsNoState(t *testing.T) {
	c := single(t, newMemFS(), true)
	c.Application = stateless{}
	r, err := replica.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	c = single(t, newMemFS(), true)
	c.Application = (*chain)(nil)
	var bad *replica.ConfigError
	if _, err := replica.New(c); !errors.As(err, &bad) || bad.Field != "Application" {
		t.Errorf("an application that is nil: %v", err)
	}
}

// withoutScheme claims to know the sets of all epochs, and has a scheme only for the first.
type withoutScheme struct{ *engine.StaticEpochs }

func (w withoutScheme) Scheme(epoch uint64) (verify.Scheme, bool) {
	if epoch == 0 {
		return w.StaticEpochs.Scheme(epoch)
	}
	return nil, true
}

func TestASchemeThatIsNilCountsAsUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.tune = func(_ int, config *replica.Config) {
			config.Epochs = withoutScheme{config.Epochs.(*engine.StaticEpochs)}
		}
		c.startAll(1000, 3)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(3))
		c.stopAll()
	})
}

// Bodies may name sequencers that do not exist: a host that calls Offer and Get for them makes no
// lanes.
func TestLocksThatDoNotVerifyMakeNoLanes(t *testing.T) {
	onePeer(t, nil, func(c *cluster, s *stranger, _ func(string, string) float64) {
		r := c.all[0]
		before := r.Lanes()
		k := c.lock(wire.Chunk{Sequencer: s.id, Height: 3, Payload: wire.Digest{1}})
		for i := range 100 {
			forged := k
			forged.Chunk.Sequencer = wire.PublicKey{1, byte(i)}
			if err := r.Offer(c.t.Context(), forged); err == nil {
				c.t.Error("a forged lock was taken")
			}
			if err := r.Wait(c.t.Context(), forged); err == nil {
				c.t.Error("a forged lock was waited for")
			}
			if _, err := r.Get(c.t.Context(), forged.Chunk.Sequencer, 0); !errors.Is(err, replica.ErrNotCertified) {
				c.t.Errorf("a chunk of no lane: %v", err)
			}
		}
		if n := r.Lanes(); n > before+1 {
			c.t.Errorf("%d lanes became %d", before, n)
		}
	})
}

// If a call of the application hangs until its context ends, Run returns within a second of the end
// of its own context.
func TestRunEndsWhateverTheApplicationWaitsFor(t *testing.T) {
	for _, hangs := range []string{"Propose", "Verify", "Deliver", "Report"} {
		inBubble(t, func(t *testing.T) {
			c := newCluster(t, 4, lan)
			entered := make(chan struct{}, 100)
			hang := func(ctx context.Context, call string) {
				if call == hangs {
					entered <- struct{}{}
					<-ctx.Done()
				}
			}
			c.tune = func(i int, config *replica.Config) {
				if i == 0 {
					config.Application = hanging{config.Application, hang}
					config.Report = func(ctx context.Context, _ wire.Activity) error { hang(ctx, "Report"); return nil }
				}
			}
			c.startAll(100_000, 10)
			<-entered
			time.Sleep(time.Second)
			began := time.Now()
			p := c.all[0]
			p.cancel()
			<-p.done
			// Reports have engine.Config.DrainTimeout.
			if took := time.Since(began); took > time.Second && hangs != "Report" {
				t.Errorf("Run returned %v after its context had ended, while %s waited", took, hangs)
			}
			if p.err != nil && hangs != "Report" {
				t.Errorf("while %s waited: %v", hangs, p.err)
			}
			for i := 1; i < 4; i++ {
				c.stop(i)
			}
			c.net.Close()
		})
	}
}

// If the application panics, or ends a goroutine that calls it, Run returns an error, and the
// process lives.
func TestAnApplicationThatPanicsEndsTheRunWithAnError(t *testing.T) {
	for _, call := range []string{"Propose", "Verify", "Deliver"} {
		for name, ends := range map[string]func(){"panics": func() { panic("no") }, "ends its goroutine": runtime.Goexit} {
			inBubble(t, func(t *testing.T) {
				c := newCluster(t, 4, lan)
				c.tune = func(i int, config *replica.Config) {
					if i == 0 {
						config.Application = hanging{config.Application, func(_ context.Context, in string) {
							if in == call {
								ends()
							}
						}}
					}
				}
				c.startAll(1000, 10)
				p := c.all[0]
				<-p.done
				var panicked *engine.PanicError
				if !errors.As(p.err, &panicked) {
					t.Errorf("%s %s: Run returned %v", call, name, p.err)
				}
				for i := 1; i < 4; i++ {
					c.stop(i)
				}
				c.net.Close()
			})
		}
	}
}

// hanging is an application whose calls may hang.
type hanging struct {
	replica.Application
	hang func(ctx context.Context, call string)
}

func (h hanging) Propose(ctx context.Context, at engine.Place) ([]byte, error) {
	h.hang(ctx, "Propose")
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return h.Application.Propose(ctx, at)
}

func (h hanging) Verify(ctx context.Context, at engine.Place, body []byte) (bool, error) {
	h.hang(ctx, "Verify")
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return h.Application.Verify(ctx, at, body)
}

func (h hanging) Deliver(ctx context.Context, k replica.Chunk) error {
	h.hang(ctx, "Deliver")
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return h.Application.Deliver(ctx, k)
}

// Calls of the host end with the replica, whatever the host's own context.
func TestCallsOfTheHostEndWithTheReplica(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		for i := range 3 {
			c.start(i, newChain(c.ids[i], 1000, 3))
		}
		handed := func() bool {
			return !slices.ContainsFunc(c.ids[:3], func(id wire.PublicKey) bool { return c.all[0].chain.next(id) < 3 })
		}
		c.eventually(30*time.Second, "the lanes are handed over", handed)
		c.stop(1) // the others would be shown a lock that they have not signed
		c.stop(2)
		r := c.all[0].Replica
		// No replica has its body.
		k := c.lock(wire.Chunk{Sequencer: c.ids[3], Height: 3, Payload: wire.Digest{1}})
		results := make(chan error, 2)
		go func() { results <- r.Wait(c.t.Context(), k) }()
		time.Sleep(time.Second)
		go func() {
			_, err := r.Get(c.t.Context(), c.ids[3], 3)
			results <- err
		}()
		time.Sleep(time.Second)
		c.stop(0)
		for range 2 {
			if err := <-results; !errors.Is(err, replica.ErrClosed) {
				t.Errorf("a call of the host returned %v", err)
			}
		}
		c.net.Close()
	})
}

// docs/protocol.md 8.2: «Codes of goodbye: … 7 stale journal». A peer's certificate proves it: it
// names us as a signer for a chunk for which our journal has no ack.
func TestAReplicaThatStopsForAStaleJournalSaysSoToItsPeers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		var log syncBuffer
		c.tune = func(i int, config *replica.Config) {
			if i == 1 {
				config.Logger = slog.New(slog.NewTextHandler(&log, nil))
			}
		}
		stale := c.start(0, newChain(c.ids[0], 0, 0))
		c.start(1, newChain(c.ids[1], 0, 0))
		s := c.stranger(c.ids[3], nil)
		s.awaits(c.ids[:2]...)
		k := c.lockOf(makeBody(c.ids[0], 5, wire.Digest{1}, nil, nil))
		s.Send(c.ids[:1], bridge.Certificate, k.AppendTo(nil))
		<-stale.done
		if !errors.Is(stale.err, engine.ErrStaleJournal) {
			t.Errorf("Run returned %v", stale.err)
		}
		c.all[0] = nil
		s.loses(c.ids[0])
		s.mu.Lock()
		why := s.why[c.ids[0]]
		s.mu.Unlock()
		if !errors.Is(why, network.ErrStaleJournal) {
			t.Errorf("a peer was told %v", why)
		}
		c.eventually(time.Second, "the log of another replica names it", func() bool {
			text := log.String()
			return strings.Contains(text, "its journal is older") && strings.Contains(text, c.ids[0].String())
		})
		s.stop()
		c.stopAll()
	})
}

// syncBuffer is a buffer for a log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
