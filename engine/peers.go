package engine

import (
	"container/list"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/internal/inbox"
	"github.com/lanecast/lanecast/wire"
)

// Peer is the handle for the messages of one authenticated identity. There is one per identity,
// shared by all of its connections, one after the other or at once. Limits belong to the identity:
// PeerQuota, and how often it is reported for invalid messages. So a flood crowds out only its
// sender, who gains nothing by connecting again, nor by having its handle closed and made anew. All
// methods may be called from any goroutine and return at once.
//
// Messages that one goroutine delivers are taken in in that order.
type Peer struct {
	*account
	room     *room // the engine's
	producer *inbox.Producer[message]
	closed   atomic.Bool // Close was called
}

// account is what the engine keeps of an identity: for as long as it has a handle, and for a while
// afterwards.
type account struct {
	engine *Engine
	id     wire.PublicKey
	state  *core.Peer               // used by the loop only
	newest *inbox.Producer[message] // of its handle, or of the last one; under Engine.mu
	// longBytes is the length of the nodes and certificates that wait. Deliver raises it, the loop
	// lowers it.
	longBytes atomic.Int64
	connected atomic.Bool // the loop has yet to be told that it is connected
}

// Kind tells what a message is.
type Kind uint8

// The kinds of messages that engines send to each other.
const (
	KindAck Kind = iota + 1
	KindNode
	KindCertificate
)

// Message is a message as the network received it.
type Message struct {
	Kind   Kind
	Buffer wire.Buffer
}

// message is a Message that waits in the inbox, which owns its buffer.
type message struct {
	from   *account
	buffer wire.Buffer
	kind   Kind
}

// release releases the message's buffer, and gives back what it took of its sender's room.
func (m *message) release() {
	if m.kind != KindAck {
		m.from.longBytes.Add(-int64(len(m.buffer.Bytes())))
	}
	m.buffer.Release()
}

// drops counts what never reached the core. Whoever drops something adds to it.
type drops struct {
	peerFull, tooLarge, outbox, pauses, ownChunks atomic.Uint64
}

// Peer returns the handle of an identity, before or while the engine runs: the same one every time,
// until it is closed. The first call for an identity fails with ErrTooManyPeers while there are
// MaxPeers handles, any call with ErrStopped after the engine stopped.
func (e *Engine) Peer(id wire.PublicKey) (*Peer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.phase == closing {
		return nil, ErrStopped
	}
	if p := e.peers[id]; p != nil {
		return p, nil
	}
	if len(e.peers) >= e.cfg.MaxPeers {
		return nil, fmt.Errorf("%w: MaxPeers is %d", ErrTooManyPeers, e.cfg.MaxPeers)
	}
	a := e.leavers.find(id)
	if a == nil {
		a = &account{engine: e, id: id, state: core.NewPeer(id)}
	}
	// While messages of a former handle wait, they hold the identity's quota.
	if a.newest == nil || !a.newest.Reopen() {
		producer, err := e.inbox.Producer(e.cfg.PeerQuota)
		if err != nil { // closed handles of others, whose messages still wait, hold the room
			return nil, errors.Join(ErrTooManyPeers, err)
		}
		a.newest = producer
	}
	e.leavers.remove(id)
	p := &Peer{account: a, room: e.room, producer: a.newest}
	e.peers[id] = p
	return p, nil
}

// Identity returns the identity of the peer.
func (p *Peer) Identity() wire.PublicKey { return p.id }

// DeliverAck hands over an ack that the peer sent. The engine owns the buffer from then on,
// whatever comes back: nil, ErrPeerFull or ErrMessageTooLarge (dropped and counted), ErrPeerClosed,
// ErrStopped. nil says that the message waits, not that it is any good.
func (p *Peer) DeliverAck(b wire.Buffer) error { return p.deliver(b, KindAck) }

// DeliverNode hands over a node that the peer sent; see [Peer.DeliverAck].
func (p *Peer) DeliverNode(b wire.Buffer) error { return p.deliver(b, KindNode) }

// DeliverCertificate hands over a certificate message that the peer sent; see [Peer.DeliverAck].
func (p *Peer) DeliverCertificate(b wire.Buffer) error { return p.deliver(b, KindCertificate) }

// Deliver hands over several messages, such as all that one read from the network brought, in
// order. The engine owns all of their buffers from then on; the slice stays with the caller and is
// not kept. A message that is refused does not keep those after it from being taken in. Deliver
// returns how many were refused, and why the first of them was: see [Peer.DeliverAck]; also
// ErrMessageKind.
func (p *Peer) Deliver(batch []Message) (refused int, err error) {
	for _, m := range batch {
		if e := p.deliver(m.Buffer, m.Kind); e != nil {
			if refused++; refused == 1 {
				err = e
			}
		}
	}
	return refused, err
}

// DeliverAckBytes is DeliverAck with a copy of b.
func (p *Peer) DeliverAckBytes(b []byte) error { return p.deliverCopy(b, KindAck) }

// DeliverNodeBytes is DeliverNode with a copy of b.
func (p *Peer) DeliverNodeBytes(b []byte) error { return p.deliverCopy(b, KindNode) }

// DeliverCertificateBytes is DeliverCertificate with a copy of b.
func (p *Peer) DeliverCertificateBytes(b []byte) error { return p.deliverCopy(b, KindCertificate) }

func (p *Peer) deliverCopy(b []byte, kind Kind) error {
	if !p.room.fits(kind, len(b)) { // not even copied
		p.engine.drops.tooLarge.Add(1)
		return ErrMessageTooLarge
	}
	return p.deliver(wire.CopyBuffer(b), kind)
}

func (p *Peer) deliver(b wire.Buffer, kind Kind) error {
	size := len(b.Bytes())
	var refusal error
	switch {
	case kind < KindAck || kind > KindCertificate:
		refusal = ErrMessageKind
	case !p.room.fits(kind, size):
		refusal = ErrMessageTooLarge
		p.engine.drops.tooLarge.Add(1)
	case p.closed.Load():
		refusal = p.closedBy()
	case kind != KindAck && p.longBytes.Add(int64(size)) > p.room.long():
		p.longBytes.Add(-int64(size))
		refusal = ErrPeerFull
		p.engine.drops.peerFull.Add(1)
	}
	if refusal != nil {
		b.Release()
		return refusal
	}
	m := message{from: p.account, buffer: b, kind: kind}
	err := p.producer.Push(m)
	if err == nil {
		return nil
	}
	m.release()
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

// Close gives the handle's place and quota back, for an identity that is no longer a peer; a
// connection that ended is no reason to call it, for another one may be using the handle. Messages
// that wait are still taken in, later ones are refused. [Engine.Peer] then makes a new handle for
// the identity, with what is left of the limits of the old one. Closing again does nothing.
func (p *Peer) Close() {
	e := p.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.closed.Swap(true) {
		return
	}
	delete(e.peers, p.id)
	p.producer.Close()
	e.leavers.add(p.account)
}

// leavers are the accounts of identities whose handle was closed, so that they find their limits as
// they left them. The last ones to leave are kept, up to a number, and all whose messages wait:
// their quotas bound how many these are.
type leavers struct {
	most   int
	order  list.List // of *account, in the order in which they left
	places map[wire.PublicKey]*list.Element
}

func newLeavers(most int) leavers {
	return leavers{most: most, places: make(map[wire.PublicKey]*list.Element)}
}

// find returns the account of an identity, nil if it is not kept.
func (l *leavers) find(id wire.PublicKey) *account {
	if place := l.places[id]; place != nil {
		return place.Value.(*account)
	}
	return nil
}

func (l *leavers) remove(id wire.PublicKey) {
	if place := l.places[id]; place != nil {
		l.order.Remove(place)
		delete(l.places, id)
	}
}

func (l *leavers) add(a *account) {
	l.places[a.id] = l.order.PushBack(a)
	for n := l.order.Len() - l.most; n > 0; n-- {
		oldest := l.order.Front()
		if o := oldest.Value.(*account); o.newest.Waiting() > 0 {
			l.order.MoveToBack(oldest)
		} else {
			l.remove(o.id)
		}
	}
}
