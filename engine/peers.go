package engine

import (
	"errors"
	"sync/atomic"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/internal/inbox"
	"github.com/lanecast/lanecast/wire"
)

// Peer is the entrance for the messages of one authenticated peer, with a quota of its own: a flood crowds out only its
// sender. All methods may be called from any goroutine and return at once.
type Peer struct {
	engine   *Engine
	id       wire.PublicKey
	state    *core.Peer // the loop's
	producer *inbox.Producer[message]
}

// message is what waits in the inbox, and owns its buffer.
type message struct {
	from   *Peer
	buffer wire.Buffer
	node   bool
}

// drops counts what never reached the core. Written by whoever drops.
type drops struct {
	peerFull, tooLarge, stopped, outbox, pauses atomic.Uint64
}

// Peer opens the handle for a peer, before or while the engine runs. There is one per identity: while it is open,
// asking again is ErrPeerExists, so that two connections cannot close each other's handle. ErrTooManyPeers when
// MaxPeers are open, ErrStopped after the engine stopped.
func (e *Engine) Peer(id wire.PublicKey) (*Peer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.phase == closing:
		return nil, ErrStopped
	case e.peers[id] != nil:
		return nil, ErrPeerExists
	case len(e.peers) >= e.cfg.MaxPeers:
		return nil, ErrTooManyPeers
	}
	producer, err := e.inbox.Producer(e.cfg.PeerQuota)
	if err != nil { // closed handles whose messages still wait hold the room
		return nil, errors.Join(ErrTooManyPeers, err)
	}
	p := &Peer{engine: e, id: id, state: core.NewPeer(id), producer: producer}
	e.peers[id] = p
	return p, nil
}

// Identity returns whose handle this is.
func (p *Peer) Identity() wire.PublicKey { return p.id }

// DeliverAck hands over an ack that the peer sent. The buffer is the engine's from then on, whatever comes back: nil,
// ErrPeerFull or ErrMessageTooLarge (dropped and counted), ErrPeerClosed, ErrStopped. nil says that the message
// waits, not that it is any good.
func (p *Peer) DeliverAck(b wire.Buffer) error { return p.deliver(b, false) }

// DeliverNode hands over a node that the peer sent; see [Peer.DeliverAck].
func (p *Peer) DeliverNode(b wire.Buffer) error { return p.deliver(b, true) }

// DeliverAckBytes is DeliverAck with a copy of b.
func (p *Peer) DeliverAckBytes(b []byte) error { return p.deliverCopy(b, false) }

// DeliverNodeBytes is DeliverNode with a copy of b.
func (p *Peer) DeliverNodeBytes(b []byte) error { return p.deliverCopy(b, true) }

func (p *Peer) deliverCopy(b []byte, node bool) error {
	if len(b) > p.engine.cfg.MaxMessage { // not even copied
		p.engine.drops.tooLarge.Add(1)
		return ErrMessageTooLarge
	}
	return p.deliver(wire.CopyBuffer(b), node)
}

func (p *Peer) deliver(b wire.Buffer, node bool) error {
	if len(b.Bytes()) > p.engine.cfg.MaxMessage {
		b.Release()
		p.engine.drops.tooLarge.Add(1)
		return ErrMessageTooLarge
	}
	err := p.producer.Push(message{from: p, buffer: b, node: node})
	if err == nil {
		return nil
	}
	b.Release()
	if errors.Is(err, inbox.ErrQuota) {
		p.engine.drops.peerFull.Add(1)
		return ErrPeerFull
	}
	return p.closedBy()
}

// closedBy tells whether the handle or the engine was closed.
func (p *Peer) closedBy() error {
	e := p.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.phase == closing {
		return ErrStopped
	}
	return ErrPeerClosed
}

// Waiting returns how many messages of this peer wait.
func (p *Peer) Waiting() int { return p.producer.Waiting() }

// Close gives the handle's place and quota back. What waits is still taken in. Closing again does nothing.
func (p *Peer) Close() {
	e := p.engine
	e.mu.Lock()
	if e.peers[p.id] == p {
		delete(e.peers, p.id)
	}
	e.mu.Unlock()
	p.producer.Close()
}
