package network

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// stopTimeout is the time that goodbyes may take when Run ends.
const stopTimeout = 500 * time.Millisecond

// Network is a [Transport] over TCP and TLS 1.3. All methods may be called from any goroutine.
type Network struct {
	cfg      Config
	log      *slog.Logger
	id       wire.PublicKey
	instance [16]byte
	made     time.Time // see clock
	tls      *tls.Config
	types    *typeTable
	bulk     bool // there are types of class Bulk
	pacer    *pacer
	counts   *counts

	coalescer readCoalescer

	started atomic.Bool
	handler Handler // set by Run, before any goroutine
	recheck chan struct{}
	running sync.WaitGroup
	dials   atomic.Uint64

	// Requests that are being served, of members and of followers.
	serving, servingFollowers atomic.Int64
	queuedForFollowers        [classes]atomic.Int64 // bytes of messages that wait for followers

	misordered atomic.Bool // a list of Settings.Epochs was not in descending order; it was logged

	mu       sync.RWMutex // guards the fields below, and fields elsewhere whose comment names it
	stopping bool
	bye      goodbyeError       // the goodbye that peers get while it is stopping
	rechecks uint64             // how often Handler.Admit may have changed its answers
	conns    map[*conn]struct{} // all of them, whatever their state
	peers    map[wire.PublicKey]*peer
	placed   uint64                           // the number of peers ever connected
	leaving  map[wire.PublicKey]chan struct{} // closed when Disconnected has returned
	news     chan struct{}                    // closed and replaced when a control conn goes live
	targets  map[wire.PublicKey]*target
	warned   map[wire.PublicKey]uint8 // logged soft settings in which a peer differs
}

var _ Transport = (*Network)(nil)

// New makes a network. The error is a [*ConfigError], or an error of Key. A caller that does not
// call Run must close the listener itself.
func New(c Config) (*Network, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Network{
		cfg: c, log: c.Logger, id: publicKey(c.Key), made: time.Now(),
		coalescer: readCoalescer{pause: c.ReadPause},
		types:     newTypeTable(c.Types),
		bulk:      slices.ContainsFunc(c.Types, func(t MessageType) bool { return t.Class == Bulk }),
		pacer:     newPacer(c.BulkRate, c.BulkPeers, c.BulkTurn),
		recheck:   make(chan struct{}, 1),
		conns:     make(map[*conn]struct{}),
		peers:     make(map[wire.PublicKey]*peer),
		leaving:   make(map[wire.PublicKey]chan struct{}),
		news:      make(chan struct{}),
		targets:   make(map[wire.PublicKey]*target),
		warned:    make(map[wire.PublicKey]uint8),
	}
	if c.Proof != nil {
		n.id = c.Proof.Identity
	}
	n.counts = newCounts(n)
	if _, err := rand.Read(n.instance[:]); err != nil {
		return nil, fmt.Errorf("network: drawing the instance: %w", err)
	}
	n.tls, err = newTLSConfig(c.Key)
	return n, err
}

// clock is the time that has passed since the network was made.
func (n *Network) clock() time.Duration { return time.Since(n.made) }

// Identity returns our own identity.
func (n *Network) Identity() wire.PublicKey { return n.id }

// Run implements [Transport].
func (n *Network) Run(ctx context.Context, h Handler) error {
	if !n.started.CompareAndSwap(false, true) {
		return ErrRun
	}
	if n.cfg.Metrics != nil {
		if err := n.cfg.Metrics.Register(n.counts); err != nil {
			n.closeListener()
			return fmt.Errorf("network: registering the metrics: %w", err)
		}
		defer n.cfg.Metrics.Unregister(n.counts)
	}
	n.handler = h
	attempts, cancel := context.WithCancel(ctx)
	defer cancel()
	n.retarget(attempts)
	failed := make(chan error, 1)
	if n.cfg.Listener != nil {
		n.running.Go(func() {
			if err := n.accept(attempts); err != nil {
				failed <- fmt.Errorf("network: accepting connections: %w", err)
			}
		})
	}
	var err error
	for err == nil && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		case <-n.recheck:
			n.retarget(attempts)
			n.readmit()
		}
	}
	cancel()
	n.closeListener()
	n.stop(byeFor(context.Cause(ctx)))
	return err
}

// byeFor returns the goodbye that peers get when Run ends with a cause.
func byeFor(cause error) goodbyeError {
	if errors.Is(cause, ErrStaleJournal) {
		return goodbyeError{code: byeStaleJournal, reason: strings.TrimPrefix(cause.Error(), ErrStaleJournal.Error()+": ")}
	}
	return goodbyeError{code: byeShutdown}
}

// farewell returns the goodbye of a network that stops. mu must be held.
func (n *Network) farewell() *goodbyeError {
	bye := n.bye
	return &bye
}

func (n *Network) closeListener() {
	if n.cfg.Listener != nil {
		if err := n.cfg.Listener.Close(); err != nil {
			n.log.Debug("closing the listener failed", "why", err)
		}
	}
}

// stop says goodbye to all peers and waits until all goroutines are gone.
func (n *Network) stop(bye goodbyeError) {
	n.mu.Lock()
	n.stopping, n.bye = true, bye
	var unserved []*peer // no connection's goroutine would finish them
	for _, p := range n.peers {
		for c := range p.conns {
			n.lose(c, n.farewell())
		}
		if len(p.conns) == 0 {
			unserved = append(unserved, n.closePeer(p, n.farewell()))
		}
	}
	n.mu.Unlock()
	for _, p := range unserved {
		n.finish(p)
	}
	late := time.AfterFunc(stopTimeout, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		for c := range n.conns {
			c.end(n.farewell())
		}
	})
	defer late.Stop()
	n.running.Wait()
}

// Send implements [Transport].
func (n *Network) Send(to []wire.PublicKey, t Type, message []byte) {
	info := &n.types[t]
	switch {
	case !info.known || t < firstType || info.Kind != Plain:
		n.counts.drop(dropType, len(to))
		return
	case len(message) > info.Limit:
		n.counts.drop(dropTooLong, len(to))
		return
	}
	m := outgoing{info: info, message: message}
	n.mu.RLock()
	defer n.mu.RUnlock()
	for i := range to {
		p := n.peers[to[i]]
		if p == nil {
			n.counts.drop(dropDisconnected, 1)
			continue
		}
		m.shared = p.role == Follower
		if !p.links[info.Class].queue.push(m) {
			n.counts.drop(dropFull, 1)
		}
	}
}

// Recheck implements [Transport].
func (n *Network) Recheck() {
	select {
	case n.recheck <- struct{}{}:
	default:
	}
}

// readmit asks the host again for the role of each connected peer.
func (n *Network) readmit() {
	n.mu.Lock()
	n.rechecks++ // a peer that was asked for before and is not in peers yet is asked for again
	peers := slices.Collect(maps.Values(n.peers))
	n.mu.Unlock()
	for _, p := range peers {
		role := n.handler.Admit(p.id)
		n.mu.Lock()
		changed := false
		switch {
		case role != Member && role != Follower:
			for c := range p.conns {
				n.lose(c, &goodbyeError{code: byeRefused})
			}
		case role != p.role:
			p.role, changed = role, true
		}
		n.mu.Unlock()
		if changed {
			n.announceAgain(p)
		}
	}
}

// Peers returns the state of the connected peers, in ascending order of their identities.
func (n *Network) Peers() []PeerStatus {
	n.mu.RLock()
	defer n.mu.RUnlock()
	list := make([]PeerStatus, 0, len(n.peers))
	for _, p := range n.peers {
		list = append(list, PeerStatus{
			Identity: p.id, Role: p.role, Version: p.version,
			RoundTrip:   time.Duration(p.roundTrip.Load()),
			ClockOffset: time.Duration(p.offset.Load()),
		})
	}
	slices.SortFunc(list, func(a, b PeerStatus) int { return cmp.Compare(string(a.Identity[:]), string(b.Identity[:])) })
	return list
}

// compare logs and counts the soft settings in which a peer differs from us.
func (n *Network) compare(c *conn) {
	bits := c.local.softDifferences(&c.remote)
	n.mu.Lock()
	if len(n.warned) > n.cfg.MaxPeers {
		clear(n.warned)
	}
	fresh := bits &^ n.warned[c.id]
	if bits != 0 {
		n.warned[c.id] |= bits
	} else {
		delete(n.warned, c.id)
	}
	n.mu.Unlock()
	for i, name := range softSettings {
		if bits>>i&1 == 0 {
			continue
		}
		n.counts.differences[i].Add(1)
		if fresh>>i&1 == 1 {
			n.log.Warn("peer has another setting", "peer", c.id, "setting", name)
		}
	}
	n.log.Info("peer connected", "peer", c.id, "address", addressOf(c.raw), "dialled", c.dialled, "version", c.remote.version)
}

// Is makes errors.Is match a goodbye with the reason for which a side ended the connection in good
// order.
func (e *goodbyeError) Is(target error) bool {
	switch target {
	case ErrShutdown:
		return e.code == byeShutdown || e.code == byeStaleJournal
	case ErrRefused:
		return e.code == byeRefused
	case ErrStaleJournal:
		return e.code == byeStaleJournal && e.theirs
	}
	return false
}

// The errors that Disconnected may get, besides errors of the connection.
var (
	// ErrShutdown means that one of the sides stopped.
	ErrShutdown = errors.New("network: shutdown")
	// ErrRefused means that one of the sides no longer admits the other.
	ErrRefused = errors.New("network: refused")
	// ErrStaleJournal: the peer stopped, since its journal does not hold all that it has signed,
	// and its operator must act. It matches ErrShutdown too. A process sends this reason if it ends
	// the context of [Transport].Run with a cause that matches ErrStaleJournal.
	ErrStaleJournal = errors.New("network: stale journal")
)

// Waiting returns the number of messages that wait to be sent, to all peers.
func (n *Network) Waiting() (messages int) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, p := range n.peers {
		for i := range p.links {
			m, _ := p.links[i].queue.waiting()
			messages += m
		}
	}
	return messages
}
