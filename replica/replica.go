package replica

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// Errors of replicas. Errors of the parts are wrapped, and errors.Is finds them.
var (
	// ErrRunning: Run was called a second time, or Close while Run is at work.
	ErrRunning = errors.New("replica: already running")
	// ErrClosed: the replica has ended.
	ErrClosed = errors.New("replica: closed")
	// ErrApplication: the application's Deliver returned an error.
	ErrApplication = errors.New("replica: the application failed")
	// ErrNotCertified: the chunk is not known to be certified.
	ErrNotCertified = errors.New("replica: not known to be certified")
	// ErrRecovering: the journal was lost, and the replica has not recovered yet.
	ErrRecovering = errors.New("replica: recovering from a lost journal")
	// ErrFork: certified chunks of a lane contradict each other, or those that were handed over.
	ErrFork = errors.New("replica: certified chunks of a lane contradict each other")
	// ErrNext: Config.Next returned a height below those that are kept of a lane. The host lost
	// state that it had applied: it gets its state from elsewhere, and calls Restore.
	ErrNext = errors.New("replica: Config.Next names a height that is pruned")
)

// BodyTooLargeError: the application proposed a body longer than Config.MaxPayload. It counts as a
// proposal that failed, and the application is asked again.
type BodyTooLargeError struct{ Size, Max int }

func (e *BodyTooLargeError) Error() string {
	return fmt.Sprintf("replica: the application proposed a body of %d bytes, MaxPayload is %d", e.Size, e.Max)
}

// Replica combines an engine, an archive and a network. All methods may be called from any
// goroutine.
type Replica struct {
	cfg       Config
	id        wire.PublicKey
	log       *slog.Logger
	backoff   time.Duration // of proposals that were declined
	engine    *engine.Engine
	archive   *archive.Archive
	transport network.Transport
	bridge    *bridge.Bridge

	store     *store
	bodies    *bodies
	peers     *peers
	proposals *proposals
	feed      *feed
	vouched   *vouched
	pusher    pusher
	incoming  atomic.Int64 // bytes of bodies that are being pushed to us
	counts    *counts
	limited   limiter
	epoch     atomic.Uint64
	instance  [16]byte      // identifies this run to peers that ask for tips
	revision  atomic.Uint64 // counts changes of locks
	held      atomic.Bool   // our own lane waits for the host
	// recovering: the journal was lost, and not enough others have answered yet. It is set from the
	// start of a run that may have to recover, until the run has recovered or knows that it need
	// not.
	recovering atomic.Bool
	followers  chan struct{} // capacity followersServed: a value per follower's request in work
	offering   sync.Mutex    // held while locks of a peer's answer are verified

	fs    journal.FS
	walks string // folder of the piles of long walks
	forks string // folder of the lanes that have stopped

	reporting sync.Mutex // held while Config.Report is called

	working context.Context // of all goroutines; it ends with Run
	stop    context.CancelCauseFunc
	workers sync.WaitGroup

	mu sync.Mutex
	// lanes are those of sequencers of epochs that were within bounds, and of locks of the host's.
	lanes   map[wire.PublicKey]*lane
	state   runState
	closing bool // no goroutine is added to workers any more
	failed  error

	registered bool // the counts are registered; used by New and shut
}

// defaultBackoff is the engine's default of ProposeBackoff.
const defaultBackoff = 100 * time.Millisecond

type runState uint8

const (
	made runState = iota
	running
	stopped
)

// New opens the folder and makes a replica. The error is a [*ConfigError], or one of [engine.New],
// [archive.Open] or [network.New]. A caller that does not call Run must call Close.
func New(c Config) (_ *Replica, err error) {
	c, err = c.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Replica{
		cfg: c, id: c.identity(), log: c.Logger, backoff: cmp.Or(c.Engine.ProposeBackoff, defaultBackoff),
		bodies: newBodies(c.MaxBuffered / 4), peers: newPeers(), proposals: newProposals(), feed: newFeed(), vouched: newVouched(),
		lanes: make(map[wire.PublicKey]*lane), limited: newLimiter(), followers: make(chan struct{}, followersServed),
	}
	r.recovering.Store(true)
	r.working, r.stop = context.WithCancelCause(context.Background())
	r.counts = newCounts(r)
	if _, err := rand.Read(r.instance[:]); err != nil {
		return nil, fmt.Errorf("replica: drawing the instance: %w", err)
	}
	defer func() {
		if err != nil {
			r.shut()
		}
	}()
	if r.transport, err = r.newTransport(); err != nil {
		return nil, err
	}
	r.bridge = bridge.New(r.transport, bridge.Config{Admit: r.Admit, Logger: c.Logger})
	if err := r.openArchive(); err != nil {
		return nil, err
	}
	if err := r.openWalks(); err != nil {
		return nil, err
	}
	if err := r.openForks(); err != nil {
		return nil, err
	}
	if err := r.newEngine(); err != nil {
		return nil, err
	}
	r.bridge.Attach(r.engine)
	if c.Metrics != nil {
		if err = c.Metrics.Register(r.counts); err != nil {
			return nil, fmt.Errorf("replica: registering the metrics: %w", err)
		}
		r.registered = true
	}
	return r, nil
}

func (r *Replica) newTransport() (network.Transport, error) {
	c := &r.cfg
	if c.Transport != nil {
		return c.Transport, nil
	}
	n := c.Network
	n.Key, n.Types, n.Listener, n.Addresses = c.Key, Types(c.Engine.MaxMessage), c.Listener, c.Addresses
	n.Metrics, n.Logger = c.Metrics, c.Logger
	n.Settings.Namespace = c.Namespace
	n.Settings.PayloadFormat, n.Settings.MaxPayload = payloadFormat1, uint64(c.MaxPayload)
	n.Settings.AcksToSequencer = c.Engine.Acks == engine.AcksToSequencer
	n.Settings.UncompressedAcks = c.uncompressedAcks()
	n.Settings.Epochs = func() []network.Epoch { return r.bridge.Epochs() }
	if n.QueueBytes == 0 { // four bodies, with their framing
		n.QueueBytes = 4 * (c.MaxPayload + c.MaxPayload/64)
		for _, t := range n.Types {
			n.QueueBytes = max(n.QueueBytes, t.Limit)
		}
	}
	return network.New(n)
}

func (r *Replica) openArchive() error {
	c := r.cfg.Archive
	c.Dir, c.Create = filepath.Join(r.cfg.Dir, "archive"), r.cfg.Create || r.cfg.Recover
	c.Namespace, c.MaxPayload = r.cfg.Namespace, r.cfg.MaxPayload
	c.Metrics = r.cfg.Metrics
	c.Damaged = func(d *archive.DamageError) {
		r.log.Error("a body in the archive is damaged, and will be fetched when it is needed", "why", d)
	}
	a, err := archive.Open(c)
	if err != nil {
		return err
	}
	r.archive, r.store = a, newStore(a, r.cfg.MaxBuffered/4)
	r.log.Info("archive opened", "recovery", a.Recovery())
	for _, tip := range a.Tips() {
		l := r.laneOf(tip.Sequencer)
		if l.next < tip.Floor {
			return fmt.Errorf("%w: lane %v, height %d, and %d is the lowest kept", ErrNext, l.id, l.next, tip.Floor)
		}
		for _, k := range tip.Locks {
			switch height := k.Chunk.Height; {
			case height >= l.next:
				l.pend(&k)
			case height+1 == l.next:
				l.below, l.hasBelow = k.Chunk.Payload, true
				l.proof, l.hasProof = k, true
			}
			if !l.locked || k.Chunk.Height > l.lock.Chunk.Height || k.Chunk.Height == l.lock.Chunk.Height && k.Epoch > l.lock.Epoch {
				l.lock, l.locked, l.revision = k, true, r.revision.Add(1)
			}
		}
	}
	return nil
}

func (r *Replica) newEngine() error {
	c := r.cfg.Engine
	a := automaton{r}
	c.Namespace, c.Identity, c.Sequencer = r.cfg.Namespace, r.id, r.cfg.Sequencer
	c.Schemes, c.Sequencers, c.Monitor = r.cfg.Epochs, r.cfg.Epochs, monitor{r}
	c.Automaton, c.Relay, c.Reporter, c.Sender = a, a, a, r.bridge
	c.Journal.Dir = filepath.Join(r.cfg.Dir, "journal")
	c.Journal.Create, c.Journal.Recover = r.cfg.Create, r.cfg.Recover
	c.Metrics, c.Logger = r.cfg.Metrics, r.cfg.Logger
	c.SendCertificates = true // upstream processes do not know the message, and have no bodies
	e, err := engine.New(c)
	r.engine = e
	return err
}

// Run works until ctx ends or a part fails, and then shuts everything down. It returns nil if ctx
// ended and the shutdown succeeded, else the first failure: [ErrApplication], one that
// [engine.Engine.Run] returns, an [*engine.PanicError] of the application among them, or that of
// network or archive. It can be called once.
func (r *Replica) Run(ctx context.Context) error {
	r.mu.Lock()
	if r.state != made {
		r.mu.Unlock()
		return ErrRunning
	}
	r.state = running
	r.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { r.stop(nil) })
	defer stop()
	var parts sync.WaitGroup
	parts.Go(func() {
		if err := r.transport.Run(r.working, r); err != nil {
			r.fail(err)
		}
	})
	parts.Go(func() {
		if err := r.engine.Run(r.working); err != nil {
			r.fail(err)
		}
	})
	parts.Go(r.recoverIfLost)
	parts.Go(r.tick)
	parts.Go(r.exchangeTips)
	parts.Go(r.takeFed)
	parts.Go(r.feedFollowers)
	parts.Go(r.retellForks)
	for _, l := range r.allLanes() {
		l.mu.Lock()
		r.advance(l)
		l.mu.Unlock()
	}
	<-r.working.Done()
	parts.Wait()
	r.shut()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// Close closes a replica that is never run. To stop a running one, end the context of Run.
func (r *Replica) Close() error {
	r.mu.Lock()
	switch r.state {
	case running:
		r.mu.Unlock()
		return ErrRunning
	case stopped:
		r.mu.Unlock()
		return nil
	}
	r.state = running
	r.mu.Unlock()
	r.shut()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// fail stops the replica for a reason. The first reason counts.
func (r *Replica) fail(err error) {
	r.mu.Lock()
	if r.failed == nil {
		r.failed = err
	}
	r.mu.Unlock()
	r.stop(bridge.Cause(err)) // tells peers of a stale journal
}

// guard calls the application from a goroutine of the replica. A panic or runtime.Goexit in the
// call ends the replica with an [*engine.PanicError], as in a call from the engine.
func (r *Replica) guard(in string, f func() error) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		if v == nil {
			v = engine.ErrGoexit
		}
		err = &engine.PanicError{In: in, Value: v, Stack: debug.Stack()}
		r.fail(err)
	}()
	err = f()
	returned = true
	return err
}

// work runs f in a goroutine that the replica waits for when it ends. It returns false, and does
// not run f, once the replica is ending.
func (r *Replica) work(f func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closing {
		r.workers.Go(f)
	}
	return !r.closing
}

// shut closes all that New has opened so far, once all workers have returned.
func (r *Replica) shut() {
	r.stop(nil)
	r.mu.Lock()
	r.closing = true
	r.mu.Unlock()
	r.workers.Wait()
	if r.engine != nil {
		if err := r.engine.Close(); err != nil {
			r.fail(err)
		}
	}
	if r.archive != nil {
		if err := r.archive.Close(); err != nil {
			r.fail(err)
		}
		r.store.clear()
	}
	if r.cfg.Listener != nil {
		_ = r.cfg.Listener.Close() // the network may have closed it
	}
	if r.registered { // else another replica's equal counts may be registered
		r.cfg.Metrics.Unregister(r.counts)
	}
	r.mu.Lock()
	r.state = stopped
	r.mu.Unlock()
}

// setsInterval is the interval of the check whether sets of epochs have become known.
const setsInterval = time.Second

// tick does the periodic work.
func (r *Replica) tick() {
	ticker := time.NewTicker(setsInterval)
	defer ticker.Stop()
	known := r.knownSets()
	wasFull := false
	for {
		select {
		case <-r.working.Done():
			return
		case now := <-ticker.C:
			if k := r.knownSets(); !slices.Equal(k, known) {
				known = k
				r.transport.Recheck()
			}
			r.expirePushes(now)
			if full := r.store.full.Load(); full != wasFull {
				wasFull = full
				if full {
					r.log.Warn("the archive has no room: no chunk is acked or proposed until the host prunes", "usage", r.archive.Usage())
				} else {
					r.log.Info("the archive has room again")
				}
			}
		}
	}
}

// Admit implements network.Handler: members are the validators and sequencers of the epochs within
// bounds; the host decides about others.
func (r *Replica) Admit(id wire.PublicKey) network.Role {
	if r.isMember(id) {
		return network.Member
	}
	if r.cfg.Admit != nil && r.cfg.Admit(id) == network.Follower {
		return network.Follower
	}
	return network.Refused
}

// Connected implements network.Handler.
func (r *Replica) Connected(id wire.PublicKey, role network.Role) {
	r.peers.connect(id, role)
	r.bridge.Connected(id, role)
}

// Disconnected implements network.Handler.
func (r *Replica) Disconnected(id wire.PublicKey, why error) {
	r.peers.disconnect(id)
	r.bridge.Disconnected(id, why)
}

// Messages implements network.Handler. It passes messages that are not about payloads to the
// engine.
func (r *Replica) Messages(from wire.PublicKey, batch []network.Message) {
	ours := func(m network.Message) bool { return m.Type >= message.TipsRequestType }
	if !slices.ContainsFunc(batch, ours) {
		r.bridge.Messages(from, batch)
		return
	}
	p := r.peers.get(from)
	var others []network.Message // none on a connection that carries one class
	for _, m := range batch {
		switch {
		case !ours(m):
			others = append(others, m)
		case p == nil:
			m.Buffer.Release()
		default:
			r.received(p, m)
		}
	}
	if others != nil {
		r.bridge.Messages(from, others)
	}
}
