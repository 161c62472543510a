package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/simnet"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// TestMain checks that no goroutine is left except those of the pool that package ants starts in
// its init.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

// app approves of everything.
type app struct{ id wire.PublicKey }

func (a app) Propose(_ context.Context, at engine.Place) (wire.Digest, error) {
	return wire.Digest{byte(at.Height), a.id[0]}, nil
}
func (a app) Verify(context.Context, engine.Place, wire.Digest) (bool, error) { return true, nil }
func (a app) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {
}

// process is an engine over a transport.
type process struct {
	*testkit.Recorder
	engine *engine.Engine
	bridge *bridge.Bridge
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// start starts validator i of a set.
func start(t *testing.T, set *testkit.Set, i int, transport network.Transport, c bridge.Config, acks engine.Acks) *process {
	t.Helper()
	return startWith(t, set, i, transport, c, func(c *engine.Config) { c.Acks = acks })
}

func startWith(t *testing.T, set *testkit.Set, i int, transport network.Transport, c bridge.Config, change func(*engine.Config)) *process {
	t.Helper()
	var ids []wire.PublicKey
	for _, k := range set.Identities {
		ids = append(ids, testkit.Identity(k))
	}
	epochs, err := engine.NewStaticEpochs(set.Scheme, set.Signers[i], ids)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Recorder: new(testkit.Recorder), bridge: bridge.New(transport, c)}
	config := engine.Config{
		Namespace: []byte("bridge"), Identity: ids[i], Sequencer: set.ChunkSigners[i],
		Schemes: epochs, Sequencers: epochs, Monitor: epochs,
		Automaton: app{ids[i]}, Relay: app{ids[i]}, Reporter: p, Sender: p.bridge,
		Journal:            engine.JournalConfig{Dir: filepath.Join(t.TempDir(), strconv.Itoa(i)), Create: true},
		RebroadcastTimeout: 50 * time.Millisecond,
	}
	change(&config)
	p.engine, err = engine.New(config)
	if err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	p.done.Go(func() {
		if err := p.bridge.Run(ctx, p.engine); err != nil {
			t.Errorf("transport %d: %v", i, err)
		}
	})
	p.done.Go(func() {
		if err := p.engine.Run(ctx); err != nil {
			t.Errorf("engine %d: %v", i, err)
		}
	})
	return p
}

func TestEnginesCertifyEachOthersChunksOverATransport(t *testing.T) {
	for _, acks := range []engine.Acks{engine.AcksToAll, engine.AcksToSequencer} {
		t.Run(acks.String(), func(t *testing.T) { certifyOverATransport(t, acks) })
	}
}

func certifyOverATransport(t *testing.T, acks engine.Acks) {
	set := testkit.MustSet(t, testkit.Ed25519, 4, []byte("bridge"), 1)
	n, err := simnet.New(simnet.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	var mu sync.Mutex
	var connected []wire.PublicKey
	var all []*process
	for i := range 4 {
		id := testkit.Identity(set.Identities[i])
		c := bridge.Config{Admit: func(wire.PublicKey) network.Role { return network.Member }}
		if i == 0 {
			c.Connected = func(id wire.PublicKey, r network.Role) {
				mu.Lock()
				defer mu.Unlock()
				connected = append(connected, id)
			}
		}
		all = append(all, start(t, set, i, n.NewTransport(id, bridge.Types(64<<10)), c, acks))
	}
	for i, p := range all {
		for _, k := range set.Identities {
			testkit.Eventually(t, "every lane grows at process "+strconv.Itoa(i), func() bool { return p.Height(testkit.Identity(k)) > 3 })
		}
		if len(p.Faults()) > 0 {
			t.Errorf("process %d reports %v", i, p.Faults())
		}
	}
	for i, p := range all {
		if got := p.bridge.Epochs(); len(got) == 0 || got[0].Digest != set.Scheme.(*verify.Ed25519).Digest() {
			t.Errorf("process %d names the epochs %v", i, got)
		}
		p.cancel()
		p.done.Wait()
		if got := p.bridge.Epochs(); got != nil {
			t.Errorf("process %d, which has stopped, names the epochs %v", i, got)
		}
	}
	slices.SortFunc(connected, func(a, b wire.PublicKey) int { return slices.Compare(a[:], b[:]) })
	if len(slices.Compact(connected)) != 3 {
		t.Errorf("told of %d peers", len(connected))
	}
}

// transport is a transport that does nothing.
type transport struct {
	network.Transport
	runs chan struct{}
}

func (t transport) Run(ctx context.Context, _ network.Handler) error {
	close(t.runs)
	<-ctx.Done()
	return nil
}
func (transport) Send([]wire.PublicKey, network.Type, []byte) {}

func TestTheHandleOfANonMemberIsClosedAndMessagesOfDisconnectedPeersAreReleased(t *testing.T) {
	set := testkit.MustSet(t, testkit.Ed25519, 1, []byte("bridge"), 1)
	stand := transport{runs: make(chan struct{})}
	p := start(t, set, 0, stand, bridge.Config{Admit: func(id wire.PublicKey) network.Role {
		if id[0] == 1 {
			return network.Member
		}
		return network.Follower
	}}, engine.AcksToAll)
	defer p.done.Wait()
	defer p.cancel()
	<-stand.runs
	member, follower := wire.PublicKey{1}, wire.PublicKey{2}
	before := make(map[wire.PublicKey]*engine.Peer)
	for _, id := range []wire.PublicKey{member, follower} {
		p.bridge.Connected(id, network.Member)
		before[id], _ = p.engine.Peer(id)
		p.bridge.Messages(id, []network.Message{{Type: bridge.Ack, Buffer: wire.CopyBuffer([]byte("ack"))}})
		p.bridge.Disconnected(id, network.ErrDisconnected)
		b := wire.CopyBuffer([]byte("late"))
		p.bridge.Messages(id, []network.Message{{Type: bridge.Ack, Buffer: b}})
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a message of nobody is not released")
				}
			}()
			b.Release()
		}()
	}
	for id, same := range map[wire.PublicKey]bool{member: true, follower: false} {
		if now, err := p.engine.Peer(id); err != nil || (now == before[id]) != same {
			t.Errorf("peer %v has its handle: %v, %v; want %v", id[0], now == before[id], err, same)
		}
	}
}

func TestFormerMembersGiveTheirHandlesToConnectedPeersWithoutOne(t *testing.T) {
	set := testkit.MustSet(t, testkit.Ed25519, 1, []byte("bridge"), 1)
	stand := transport{runs: make(chan struct{})}
	var former atomic.Bool
	p := startWith(t, set, 0, stand, bridge.Config{Admit: func(id wire.PublicKey) network.Role {
		if id[0] == 1 && former.Load() {
			return network.Refused
		}
		return network.Member
	}}, func(c *engine.Config) { c.MaxPeers = 1 })
	defer p.done.Wait()
	defer p.cancel()
	<-stand.runs
	old, next := wire.PublicKey{1}, wire.PublicKey{2}
	p.bridge.Connected(old, network.Member)
	p.bridge.Disconnected(old, network.ErrDisconnected)
	p.bridge.Connected(next, network.Member)
	if _, err := p.engine.Peer(next); !errors.Is(err, engine.ErrTooManyPeers) {
		t.Fatalf("the engine has room for two: %v", err)
	}
	former.Store(true)
	p.bridge.Messages(next, []network.Message{{Type: bridge.Ack, Buffer: wire.CopyBuffer([]byte("ack"))}})
	if _, err := p.engine.Peer(next); err != nil {
		t.Errorf("a peer that is connected has no handle: %v", err)
	}
}

func TestAFollowerGivesItsHandleToAMemberThatIsConnectedWithoutOne(t *testing.T) {
	set := testkit.MustSet(t, testkit.Ed25519, 1, []byte("bridge"), 1)
	stand := transport{runs: make(chan struct{})}
	p := startWith(t, set, 0, stand, bridge.Config{Admit: func(id wire.PublicKey) network.Role {
		if id[0] == 1 || id[0] == 2 {
			return network.Follower
		}
		return network.Member
	}}, func(c *engine.Config) { c.MaxPeers = 1 })
	defer p.done.Wait()
	defer p.cancel()
	<-stand.runs
	follower, other, member := wire.PublicKey{1}, wire.PublicKey{2}, wire.PublicKey{3}
	p.bridge.Connected(follower, network.Follower)
	p.bridge.Connected(other, network.Follower)
	if _, err := p.engine.Peer(other); !errors.Is(err, engine.ErrTooManyPeers) {
		t.Fatalf("the engine has room for two: %v", err)
	}
	p.bridge.Connected(member, network.Member)
	if _, err := p.engine.Peer(member); err != nil {
		t.Errorf("a member that is connected has no handle: %v", err)
	}
	p.bridge.Messages(follower, []network.Message{{Type: bridge.Ack, Buffer: wire.CopyBuffer([]byte("ack"))}})
	if _, err := p.engine.Peer(follower); !errors.Is(err, engine.ErrTooManyPeers) {
		t.Errorf("a follower took a handle back: %v", err)
	}
}

func TestCauseNamesAJournalThatIsStaleToTheTransport(t *testing.T) {
	stale := fmt.Errorf("running: %w", engine.ErrStaleJournal)
	if err := bridge.Cause(stale); !errors.Is(err, network.ErrStaleJournal) || !errors.Is(err, engine.ErrStaleJournal) {
		t.Errorf("got %v", err)
	}
	for _, err := range []error{nil, engine.ErrReporter} {
		if got := bridge.Cause(err); got != err {
			t.Errorf("got %v for %v", got, err)
		}
	}
}
