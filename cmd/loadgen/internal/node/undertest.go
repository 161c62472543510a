package node

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/audit"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/presign"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/scratch"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// nodeUnderTest is the engine under test with its collaborators. It is validator self and sequencer
// of lane 0. The messages that it sends are dropped; the generator answers its chunks.
type nodeUnderTest struct {
	identity wire.PublicKey
	scheme   verify.Scheme
	sets     *engine.StaticEpochs
	lanes    []*presign.Lane
	index    map[wire.PublicKey]int // of the lanes

	open        chan struct{} // closed when the node may propose
	proposal    func(ctx context.Context, height uint64) error
	broadcasted func(height int64)
	acked       func(lane int, height uint64)
	locked      func(lane int, height uint64, certificate []byte)

	sent      measure.Sent
	broadcast atomic.Int64 // highest height of its own lane that it sent
	problems  *audit.Problems
	faulty    map[wire.PublicKey]bool // validators that may be blamed
	certified []atomic.Int64          // by lane: the highest certified height, −1 for none
	audit     *audit.Audit
	every     atomic.Int64 // one certificate in this many is audited
	locks     atomic.Uint64
	audited   atomic.Uint64
	signers   atomic.Uint64 // in the certificates counted by locks; 0 where certificates do not tell
	blamed    atomic.Uint64

	engine  *engine.Engine
	peers   map[wire.PublicKey]*engine.Peer
	folder  *scratch.Folder
	cancel  context.CancelFunc
	stopped chan error
}

// auditedAtMost is the approximate number of certificates of a run that are verified again
// afterwards, a sample if there are more.
const auditedAtMost = 4096

// newNodeUnderTest makes the engine, which does not run yet.
func newNodeUnderTest(cfg *Config, set *presign.Set, lanes []*presign.Lane, p *population, t *audit.Problems, registry prometheus.Registerer, log io.Writer) (*nodeUnderTest, error) {
	u := &nodeUnderTest{
		identity: set.Identities()[self], lanes: lanes, index: make(map[wire.PublicKey]int), open: make(chan struct{}),
		problems: t, faulty: make(map[wire.PublicKey]bool), stopped: make(chan error, 1), peers: make(map[wire.PublicKey]*engine.Peer),
	}
	u.broadcast.Store(-1)
	u.certified = make([]atomic.Int64, len(lanes))
	for i := range u.certified {
		u.certified[i].Store(-1)
	}
	u.every.Store(1)
	for i, bad := range p.faulty {
		u.faulty[set.Identities()[i]] = bad
	}
	var ids []wire.PublicKey
	for i, l := range lanes {
		u.index[l.Sequencer] = i
		ids = append(ids, l.Sequencer)
	}
	var err error
	if u.scheme, err = set.Scheme(); err != nil {
		return nil, err
	}
	signer, err := set.Signer(u.scheme, self)
	if err != nil {
		return nil, err
	}
	if u.sets, err = engine.NewStaticEpochs(u.scheme, signer, ids); err != nil {
		return nil, err
	}
	fresh, err := set.Scheme()
	if err != nil {
		return nil, err
	}
	u.audit = audit.New(fresh, setup.Epoch, t)
	u.audit.Backlog = math.MaxInt // it waits for the end
	if u.folder, err = scratch.New(cfg.Data); err != nil {
		return nil, cli.Usagef("--data: %v", err)
	}
	if err := u.build(cfg, set, registry, log); err != nil {
		u.folder.Remove()
		return nil, err
	}
	return u, nil
}

func (u *nodeUnderTest) build(cfg *Config, set *presign.Set, registry prometheus.Registerer, log io.Writer) error {
	peers := append([]wire.PublicKey(nil), set.Identities()[1:]...)
	for i := cfg.Validators; i < len(u.lanes); i++ {
		peers = append(peers, u.lanes[i].Sequencer)
	}
	var err error
	u.engine, err = engine.New(engine.Config{
		Namespace: []byte(setup.Namespace), Identity: u.identity,
		Sequencer: verify.NewChunkSigner([]byte(setup.Namespace), set.Identity(self)),
		Schemes:   u.sets, Sequencers: u.sets, Monitor: u.sets, Automaton: u, Reporter: u, Sender: u, Relay: u,
		Journal: engine.JournalConfig{Dir: filepath.Join(u.folder.Dir, "journal"), Create: true},
		Acks:    cfg.AcksTo(),
		Workers: cfg.Workers, BatchSize: cfg.BatchSize, BatchDelay: cfg.BatchDelay,
		PeerQuota: cfg.quota(len(peers)), MaxPeers: max(1, len(peers)),
		Metrics: registry,
		Logger:  slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	for _, id := range peers {
		if u.peers[id], err = u.engine.Peer(id); err != nil {
			_ = u.engine.Close()
			return fmt.Errorf("opening a peer: %w", err)
		}
	}
	return nil
}

// quota returns --peer-quota, or the largest quota that so many peers can have.
func (cfg *Config) quota(peers int) int { return min(cfg.peerQuota, (1<<26)/max(1, peers)) }

// start runs the engine.
func (u *nodeUnderTest) start() {
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel = cancel
	go func() { u.stopped <- u.engine.Run(ctx) }()
}

// stop ends the engine and removes its journal. It returns the engine's error, if it failed.
func (u *nodeUnderTest) stop() error {
	var err error
	if u.cancel == nil {
		err = u.engine.Close()
	} else {
		u.cancel()
		err = <-u.stopped
		u.stopped <- err
	}
	u.folder.Remove()
	return err
}

// status returns the engine's status.
func (u *nodeUnderTest) status() (engine.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), measure.StatusTimeout)
	defer cancel()
	return u.engine.Status(ctx)
}

// Propose implements engine.Automaton. The payload is the one for which the acks were presigned.
func (u *nodeUnderTest) Propose(ctx context.Context, at engine.Place) (wire.Digest, error) {
	select {
	case <-u.open:
	case <-ctx.Done():
		return wire.Digest{}, ctx.Err()
	}
	if at.Height >= uint64(u.lanes[0].Heights()) { // nobody would ack it
		<-ctx.Done()
		return wire.Digest{}, ctx.Err()
	}
	if err := u.proposal(ctx, at.Height); err != nil {
		return wire.Digest{}, err
	}
	return u.lanes[0].Payloads[at.Height], nil
}

// Verify implements engine.Automaton.
func (u *nodeUnderTest) Verify(_ context.Context, at engine.Place, payload wire.Digest) (bool, error) {
	l := u.lanes[u.index[at.Sequencer]]
	return at.Height < uint64(l.Heights()) && l.Payloads[at.Height] == payload, nil
}

// SendNode implements engine.Sender: it makes the generator ack the node's chunk.
func (u *nodeUnderTest) SendNode(to []wire.PublicKey, message []byte) {
	u.sent.Node(len(to), message)
	var n wire.Node
	if err := n.DecodeStored(message); err != nil {
		u.problems.Fault("the engine sent a node that does not decode: %v", err)
		return
	}
	if h := int64(n.Chunk.Height); h > u.broadcast.Load() { // and not again
		u.broadcast.Store(h)
		u.broadcasted(h)
	}
}

// SendAck implements engine.Sender.
func (u *nodeUnderTest) SendAck(to []wire.PublicKey, message []byte) {
	u.sent.Ack(len(to), message)
	var a wire.Ack
	if err := a.Decode(message); err != nil {
		u.problems.Fault("the engine sent an ack that does not decode: %v", err)
		return
	}
	u.acked(u.index[a.Chunk.Sequencer], a.Chunk.Height)
}

// SendCertificate implements engine.Sender.
func (u *nodeUnderTest) SendCertificate(to []wire.PublicKey, message []byte) {
	u.sent.Certificate(len(to), message)
}

// Broadcast implements engine.Relay.
func (u *nodeUnderTest) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {
}

// Report implements engine.Reporter.
func (u *nodeUnderTest) Report(_ context.Context, a wire.Activity) error {
	switch a := a.(type) {
	case *wire.Certified:
		u.lock(&a.Lock)
	case *wire.Tip:
	case *wire.InvalidAck:
		u.blame(a.Peer, "an ack")
	case *wire.InvalidCertificate:
		u.blame(a.Peer, "a certificate")
	default:
		u.problems.Fault("the engine reports a fault that nobody plays, tag %v", a.Tag())
	}
	return nil
}

// blame handles a report of an invalid message.
func (u *nodeUnderTest) blame(peer wire.PublicKey, what string) {
	if u.blamed.Add(1); !u.faulty[peer] {
		u.problems.Fault("the engine calls %s of %v invalid, which plays an honest process", what, peer)
	}
}

// lock records a certified chunk.
func (u *nodeUnderTest) lock(l *wire.Lock) {
	lane := u.index[l.Chunk.Sequencer]
	known := u.lanes[lane]
	if l.Chunk.Height >= uint64(known.Heights()) || known.Payloads[l.Chunk.Height] != l.Chunk.Payload {
		u.problems.Conflict("lane %v height %d is locked with a payload that nobody proposed", l.Chunk.Sequencer, l.Chunk.Height)
		return
	}
	u.certified[lane].Store(max(u.certified[lane].Load(), int64(l.Chunk.Height))) // one reporter
	u.locked(lane, l.Chunk.Height, l.Certificate)
	if s, _, err := u.scheme.Format().SplitCertificate(l.Certificate); err == nil && s.Len() > 0 {
		u.signers.Add(uint64(s.Count()))
	}
	every := u.every.Load()
	if u.locks.Add(1)%uint64(every) != 0 {
		return
	}
	u.audit.Add(*l)
	if u.audited.Add(1)%auditedAtMost == 0 {
		u.every.Store(every * 2)
	}
}

// signersPerCertificate returns the mean number of acks in a certificate.
func (u *nodeUnderTest) signersPerCertificate() float64 {
	if n := u.signers.Load(); n > 0 {
		return float64(n) / float64(u.locks.Load())
	}
	return float64(verify.Quorum(u.scheme.Format().Participants))
}

// waitOpen returns once the engine answers.
func (u *nodeUnderTest) waitOpen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, measure.StatusTimeout)
	defer cancel()
	answered := make(chan error, 1)
	go func() {
		_, err := u.engine.Status(ctx)
		answered <- err
	}()
	select {
	case err := <-answered:
		return err
	case err := <-u.stopped:
		u.stopped <- err
		return err
	}
}

// since returns the time since t in ns. It is never 0, which means not yet.
func since(t time.Time) int64 { return max(1, int64(time.Since(t))) }
