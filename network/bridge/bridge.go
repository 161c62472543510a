// Package bridge connects an engine to a transport: it sends the engine's messages to peers as
// control messages of docs/protocol.md 8.1, and hands the messages of each peer to the engine's
// handle of that peer. The engine and the transport do not know each other.
//
//	b := bridge.New(transport, bridge.Config{Admit: admit})
//	e, err := engine.New(engine.Config{Sender: b, ...})
//	...
//	go func() { cancel(bridge.Cause(e.Run(ctx))) }() // of context.WithCancelCause
//	err = b.Run(ctx, e)
package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/wire"
)

// The types of an engine's messages.
const (
	Node        network.Type = 0x10
	Ack         network.Type = 0x11
	Certificate network.Type = 0x12
)

// ackLimit is longer than any ack: docs/protocol.md 8.1.
const ackLimit = 512

// mostMessage is the largest MaxMessage that an engine can have.
const mostMessage = 16 << 20

// Types returns the message types of an engine with the given MaxMessage. 0 stands for an engine
// that derives MaxMessage from its validator sets; the limit is then the largest that they can
// need.
func Types(maxMessage int) []network.MessageType {
	if maxMessage == 0 {
		maxMessage = mostMessage
	}
	return []network.MessageType{
		{Type: Node, Name: "node", Class: network.Control, Limit: maxMessage},
		{Type: Ack, Name: "ack", Class: network.Control, Limit: ackLimit, Urgent: true},
		{Type: Certificate, Name: "certificate", Class: network.Control, Limit: maxMessage, Urgent: true},
	}
}

// Config configures a Bridge.
type Config struct {
	// Admit returns the role of an identity. It answers at once and may be called from any
	// goroutine. Required.
	Admit func(id wire.PublicKey) network.Role
	// Connected, if set, is called when a peer is connected, and again when its process was
	// restarted or its role has changed, before the engine gets any of its messages.
	Connected func(id wire.PublicKey, r network.Role)
	// Logger gets messages for an operator. nil: nothing is logged.
	Logger *slog.Logger
}

// Bridge is an engine's Sender and a transport's Handler.
type Bridge struct {
	config    Config
	transport network.Transport
	engine    *engine.Engine // set by Run, before the transport runs

	mu    sync.RWMutex
	peers map[wire.PublicKey]*peer        // connected
	kept  map[wire.PublicKey]*engine.Peer // of members that are not connected
}

var (
	_ engine.Sender   = (*Bridge)(nil)
	_ network.Handler = (*Bridge)(nil)
)

// peer holds the engine's handle of a connected peer, nil while the engine has no room for it;
// Bridge.mu guards the handle. batch belongs to the goroutine from which the transport calls
// Messages; for the control messages of one peer there is one such goroutine at a time.
type peer struct {
	handle *engine.Peer
	batch  []engine.Message
}

// New makes a bridge. It panics without Config.Admit.
func New(t network.Transport, c Config) *Bridge {
	if c.Admit == nil {
		panic("bridge: Config.Admit must be set")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Bridge{config: c, transport: t, peers: make(map[wire.PublicKey]*peer), kept: make(map[wire.PublicKey]*engine.Peer)}
}

// Cause returns the cause with which a host ends the context of a transport after the engine's Run
// has returned err. With it the transport tells the peers of a stale journal.
func Cause(err error) error {
	if errors.Is(err, engine.ErrStaleJournal) {
		return fmt.Errorf("%w: %w", network.ErrStaleJournal, err)
	}
	return err
}

// Run runs the transport for an engine, until ctx ends or the transport fails. A host that ends ctx
// because the engine's Run has returned an error gives the [Cause] of that.
func (b *Bridge) Run(ctx context.Context, e *engine.Engine) error {
	b.Attach(e)
	return b.transport.Run(ctx, b)
}

// Attach sets the engine of a bridge whose host runs the transport itself, with a Handler of its
// own that passes calls on to the bridge. Call it before the transport runs.
func (b *Bridge) Attach(e *engine.Engine) { b.engine = e }

// settingsTimeout bounds how long a connection waits for the engine's list of epochs.
const settingsTimeout = time.Second

// Epochs returns the epochs whose validators the engine knows, newest first, for
// network.Settings.Epochs. It returns none while the engine does not run.
func (b *Bridge) Epochs() (epochs []network.Epoch) {
	if b.engine == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), settingsTimeout)
	defer cancel()
	settings, err := b.engine.Settings(ctx)
	if err != nil {
		return nil
	}
	for _, s := range slices.Backward(settings.Sets) {
		if s.HasDigest {
			epochs = append(epochs, network.Epoch{Number: s.Epoch, Digest: s.Digest})
		}
	}
	return epochs
}

// SendNode implements engine.Sender.
func (b *Bridge) SendNode(to []wire.PublicKey, message []byte) { b.transport.Send(to, Node, message) }

// SendAck implements engine.Sender.
func (b *Bridge) SendAck(to []wire.PublicKey, message []byte) { b.transport.Send(to, Ack, message) }

// SendCertificate implements engine.Sender.
func (b *Bridge) SendCertificate(to []wire.PublicKey, message []byte) {
	b.transport.Send(to, Certificate, message)
}

// Admit implements network.Handler.
func (b *Bridge) Admit(id wire.PublicKey) network.Role { return b.config.Admit(id) }

// Connected implements network.Handler. It sends the peer the messages that the peer may have
// missed.
func (b *Bridge) Connected(id wire.PublicKey, r network.Role) {
	b.mu.Lock()
	p := b.peers[id]
	if p == nil {
		p = new(peer)
		b.peers[id] = p
	}
	b.mu.Unlock()
	_, err := b.handle(p, id)
	if errors.Is(err, engine.ErrTooManyPeers) && r == network.Member && b.makeRoom() {
		_, err = b.handle(p, id)
	}
	if b.config.Connected != nil {
		b.config.Connected(id, r)
	}
	if err == nil {
		err = b.engine.PeerConnected(id)
	}
	if err != nil {
		b.config.Logger.Warn("the engine takes no messages of a peer", "peer", id, "why", err)
	}
}

// handle returns the engine's handle of a connected peer. If the engine has no room, the handles
// kept for identities that are no longer members are closed first.
func (b *Bridge) handle(p *peer, id wire.PublicKey) (*engine.Peer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.handle != nil {
		return p.handle, nil
	}
	handle, err := b.engine.Peer(id)
	if errors.Is(err, engine.ErrTooManyPeers) {
		for other, h := range b.kept {
			if b.config.Admit(other) != network.Member {
				h.Close()
				delete(b.kept, other)
			}
		}
		handle, err = b.engine.Peer(id)
	}
	if err != nil {
		return nil, err
	}
	delete(b.kept, id)
	p.handle = handle
	return handle, nil
}

// makeRoom takes the engine's handle from a connected peer that is not a member, and reports
// whether there was one.
func (b *Bridge) makeRoom() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, p := range b.peers {
		if p.handle != nil && b.config.Admit(id) != network.Member {
			p.handle.Close()
			p.handle = nil
			return true
		}
	}
	return false
}

// Disconnected implements network.Handler. The engine keeps its handle of a member, with its
// limits; the handle of any other peer is closed.
func (b *Bridge) Disconnected(id wire.PublicKey, why error) {
	if errors.Is(why, network.ErrStaleJournal) {
		b.config.Logger.Warn("a peer has stopped, since its journal is older than what its key has signed: its operator must recover it",
			"peer", id, "why", why)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.peers[id]
	delete(b.peers, id)
	switch {
	case p == nil || p.handle == nil:
	case b.config.Admit(id) == network.Member:
		b.kept[id] = p.handle
	default:
		p.handle.Close()
	}
}

// Messages implements network.Handler. The engine counts the messages that it refuses. Messages
// that come while it has no room for the peer are dropped.
func (b *Bridge) Messages(from wire.PublicKey, batch []network.Message) {
	b.mu.RLock()
	p := b.peers[from]
	var handle *engine.Peer
	if p != nil {
		handle = p.handle
	}
	b.mu.RUnlock()
	if p != nil && handle == nil {
		handle, _ = b.handle(p, from) // the error was logged when it was connected
	}
	if handle == nil {
		for _, m := range batch {
			m.Buffer.Release()
		}
		return
	}
	for _, m := range batch {
		switch m.Type {
		case Node:
			p.batch = append(p.batch, engine.Message{Kind: engine.KindNode, Buffer: m.Buffer})
		case Ack:
			p.batch = append(p.batch, engine.Message{Kind: engine.KindAck, Buffer: m.Buffer})
		case Certificate:
			p.batch = append(p.batch, engine.Message{Kind: engine.KindCertificate, Buffer: m.Buffer})
		default: // a type of the host
			m.Buffer.Release()
		}
	}
	_, _ = handle.Deliver(p.batch)
	clear(p.batch)
	p.batch = p.batch[:0]
}

// Serve implements network.Handler: an engine answers no requests.
func (b *Bridge) Serve(context.Context, wire.PublicKey, network.Type, []byte, func(network.Type, []byte) error) {
}
