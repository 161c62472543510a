package engine_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// world holds the sets that all members of a test network have in common.
type world struct {
	schemes    map[uint64]verify.Scheme
	sequencers map[uint64][]wire.PublicKey
}

func (w *world) Scheme(epoch uint64) (verify.Scheme, bool) {
	s, ok := w.schemes[epoch]
	return s, ok
}

func (w *world) Sequencers(epoch uint64) ([]wire.PublicKey, bool) {
	s, ok := w.sequencers[epoch]
	return s, ok
}

// oneEpoch is a world with one set for the epochs 0 to 9, in which all validators are sequencers.
func oneEpoch(s *testkit.Set) *world {
	w := &world{map[uint64]verify.Scheme{}, map[uint64][]wire.PublicKey{}}
	for e := range uint64(10) {
		w.schemes[e], w.sequencers[e] = s.Scheme, s.Scheme.Participants()
	}
	return w
}

// provider is one member's view of the world.
type provider struct {
	*world
	signers map[uint64]verify.AckSigner
}

func (p provider) AckSigner(epoch uint64) verify.AckSigner { return p.signers[epoch] }

// application proposes payloads that are computed from the place, and approves only these.
type application struct {
	limit   uint64        // no proposals from this height on; 0: no proposals at all
	raised  atomic.Uint64 // replaces limit while the engine runs, if it is not 0
	propose func(ctx context.Context, at engine.Place) (wire.Digest, error)
	verify  func(ctx context.Context, at engine.Place, payload wire.Digest) (bool, error)
}

func payloadAt(at engine.Place) wire.Digest {
	return sha256.Sum256(binary.BigEndian.AppendUint64(append([]byte("payload"), at.Sequencer[:]...), at.Height))
}

func (a *application) Propose(ctx context.Context, at engine.Place) (wire.Digest, error) {
	if a.propose != nil {
		return a.propose(ctx, at)
	}
	if at.Height >= max(a.limit, a.raised.Load()) {
		return wire.Digest{}, engine.ErrDeclined
	}
	return payloadAt(at), nil
}

func (a *application) Verify(ctx context.Context, at engine.Place, payload wire.Digest) (bool, error) {
	if a.verify != nil {
		return a.verify(ctx, at, payload)
	}
	return payload == payloadAt(at), nil
}

// Broadcast makes an application a relay too. Payloads are computed from their places, so there is
// nothing to send.
func (a *application) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {}

// monitor is a Monitor whose epoch the test sets.
type monitor struct {
	now     uint64
	updates chan uint64
}

func (m *monitor) Epochs(context.Context) (uint64, <-chan uint64, error) {
	return m.now, m.updates, nil
}

// network delivers messages between engines of one process through their Peer handles.
type network struct {
	mu      sync.Mutex
	handles map[[2]wire.PublicKey]*engine.Peer // from, to
	mirrors []wire.PublicKey                   // these get a copy of every message
	acks    atomic.Int64                       // sent by all members

	certificates atomic.Int64
}

func (n *network) handle(from, to wire.PublicKey) *engine.Peer {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.handles[[2]wire.PublicKey{from, to}]
}

// sender is one member's end of the network.
type sender struct {
	net *network
	me  wire.PublicKey
}

func (s *sender) each(to []wire.PublicKey, deliver func(*engine.Peer)) {
	for _, list := range [][]wire.PublicKey{to, s.net.mirrors} {
		for _, id := range list {
			if p := s.net.handle(s.me, id); p != nil {
				deliver(p)
			}
		}
	}
}

func (s *sender) SendNode(to []wire.PublicKey, message []byte) {
	s.each(to, func(p *engine.Peer) { _ = p.DeliverNodeBytes(message) })
}

func (s *sender) SendAck(to []wire.PublicKey, message []byte) {
	s.net.acks.Add(1)
	s.each(to, func(p *engine.Peer) { _ = p.DeliverAckBytes(message) })
}

func (s *sender) SendCertificate(to []wire.PublicKey, message []byte) {
	s.net.certificates.Add(1)
	s.each(to, func(p *engine.Peer) { _ = p.DeliverCertificateBytes(message) })
}

// member is one engine with its collaborators.
type member struct {
	id       wire.PublicKey
	config   engine.Config
	app      *application
	recorder *testkit.Recorder
	monitor  *monitor
	engine   *engine.Engine
	stop     context.CancelFunc
	result   chan error
}

// newMember returns the member for validator i of a set that serves in all epochs of w, with a
// folder of its own.
func newMember(t testing.TB, net *network, w *world, s *testkit.Set, i int) *member {
	m := &member{
		id: testkit.Identity(s.Identities[i]), app: &application{limit: 1 << 40}, recorder: &testkit.Recorder{},
		monitor: &monitor{updates: make(chan uint64, 8)},
	}
	signers := map[uint64]verify.AckSigner{}
	for e, scheme := range w.schemes {
		if scheme == s.Scheme {
			signers[e] = s.Signers[i]
		}
	}
	m.config = engine.Config{
		Namespace: namespace, Identity: m.id, Sequencer: s.ChunkSigners[i],
		Schemes: provider{w, signers}, Sequencers: w, Monitor: m.monitor, Automaton: m.app, Relay: m.app,
		Reporter: m.recorder, Sender: &sender{net, m.id},
		Journal:            engine.JournalConfig{Dir: t.TempDir(), Create: true},
		RebroadcastTimeout: 100 * time.Millisecond, AckInterval: 50 * time.Millisecond,
		ProposeBackoff: 10 * time.Millisecond, PeerQuota: 256, MaxPeers: 16,
	}
	return m
}

// open makes the engine, and connects it with the open engines of others.
func (m *member) open(t testing.TB, net *network, others ...*member) {
	t.Helper()
	e, err := engine.New(m.config)
	if err != nil {
		t.Fatal(err)
	}
	m.engine = e
	m.config.Journal.Create, m.config.Journal.Recover = false, false // a folder in use refuses them
	t.Cleanup(func() { m.halt() })
	for _, o := range others {
		if o == m {
			continue
		}
		net.connect(t, o.id, m)
		if o.engine != nil {
			net.connect(t, m.id, o)
		}
	}
}

// connect delivers messages of from to a member.
func (n *network) connect(t testing.TB, from wire.PublicKey, to *member) {
	t.Helper()
	key := [2]wire.PublicKey{from, to.id}
	n.mu.Lock()
	defer n.mu.Unlock()
	p, err := to.engine.Peer(from)
	if err != nil {
		t.Fatal(err)
	}
	n.handles[key] = p
}

// start runs the engine until halt.
func (m *member) start() {
	ctx, cancel := context.WithCancel(context.Background())
	m.stop, m.result = cancel, make(chan error, 1)
	go func(e *engine.Engine, result chan error) { result <- e.Run(ctx) }(m.engine, m.result)
}

// halt ends the engine, running or not, and returns the result of Run.
func (m *member) halt() error {
	switch {
	case m.engine == nil:
		return nil
	case m.stop == nil:
		err := m.engine.Close()
		m.engine = nil
		return err
	}
	m.stop()
	err := <-m.result
	m.engine, m.stop = nil, nil
	return err
}

// ended waits until Run returns by itself, and returns its result.
func (m *member) ended(t testing.TB) error {
	t.Helper()
	select {
	case err := <-m.result:
		m.stop()
		m.engine, m.stop = nil, nil
		return err
	case <-time.After(patience):
		t.Fatal("the engine did not stop by itself")
		return nil
	}
}

// newCluster returns a network of all validators of a set.
func newCluster(t testing.TB, s *testkit.Set) (*network, *world, []*member) {
	net := &network{handles: map[[2]wire.PublicKey]*engine.Peer{}}
	w := oneEpoch(s)
	members := make([]*member, len(s.Identities))
	for i := range members {
		members[i] = newMember(t, net, w, s, i)
	}
	return net, w, members
}

func startAll(t testing.TB, net *network, members []*member) {
	t.Helper()
	for _, m := range members {
		m.open(t, net, members...)
	}
	for _, m := range members {
		m.start()
	}
}

func haltAll(t testing.TB, members []*member) {
	t.Helper()
	for _, m := range members {
		if err := m.halt(); err != nil {
			t.Errorf("Run returned %v", err)
		}
	}
}

// demandSound checks that every lock verifies under schemes and that no two contradict each other.
func demandSound(t testing.TB, schemes map[uint64]verify.Scheme, members []*member) {
	t.Helper()
	payloads := map[engine.Place]wire.Digest{}
	for i, m := range members {
		for _, l := range m.recorder.Locks() {
			if err := verify.VerifyCertificate(schemes[l.Epoch], l.Subject(), l.Certificate); err != nil {
				t.Fatalf("member %d reported an invalid lock at height %d: %v", i, l.Chunk.Height, err)
			}
			at := engine.Place{Sequencer: l.Chunk.Sequencer, Height: l.Chunk.Height}
			if p, ok := payloads[at]; ok && p != l.Chunk.Payload {
				t.Fatalf("two payloads locked at height %d", at.Height)
			}
			payloads[at] = l.Chunk.Payload
		}
		if f := m.recorder.Faults(); len(f) > 0 {
			t.Fatalf("member %d reported the fault %v", i, f[0].Tag())
		}
	}
}

// quiet returns a member of a four-validator set whose network is silent and which proposes
// nothing.
func quiet(t testing.TB) (*member, *testkit.Set, *world) {
	t.Helper()
	s := newSet(t, testkit.Ed25519, 4, 1)
	net, w, members := newCluster(t, s)
	m := members[0]
	m.config.Sequencer, m.config.Relay = nil, nil
	m.config.PeerQuota, m.config.MaxPeers, m.config.MaxMessage = 8, 4, 1024
	m.open(t, net)
	return m, s, w
}

// oneLane makes the first member of a cluster the only sequencer, and returns its identity.
func oneLane(w *world, members []*member) wire.PublicKey {
	lane := members[0].id
	for e := range w.sequencers {
		w.sequencers[e] = []wire.PublicKey{lane}
	}
	for _, m := range members[1:] {
		m.config.Sequencer, m.config.Relay = nil, nil
	}
	return lane
}
