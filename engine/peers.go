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
// PeerQuota, and how often it is reported for invalid messages. So a flood uses up only its
// sender's quota, and the sender gains nothing by a new connection or a new handle. All methods may
// be called from any goroutine and return at once.
//
// Messages delivered by one goroutine are read in that order.
type Peer struct {
	*account
	limits   *setLimits // of the engine
	producer *inbox.Producer[message]
	closed   atomic.Bool // Close was called
}

// account is the engine's state of an identity: kept as long as it has a handle, and for a while
// afterwards.
type account struct {
	engine *Engine
	id     wire.PublicKey
	state  *core.Peer               // used by the loop only
	newest *inbox.Producer[message] // of its handle, or of the last one; guarded by Engine.mu
	// longBytes is the length of the waiting nodes and certificates. Deliver raises it, the loop
	// lowers it.
	longBytes atomic.Int64
	connected atomic.Bool // the loop must still be told that it is connected
}

// Kind is the kind of a message.
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

// release releases the message's buffer, and returns its share of the sender's quota.
func (m *message) release() {
	if m.kind != KindAck {
		m.from.longBytes.Add(-int64(len(m.buffer.Bytes())))
	}
	m.buffer.Release()
}

// drops counts messages that never reached the core. The code that drops a message adds to it.
type drops struct {
	peerFull, tooLarge, outbox, pauses, ownChunks atomic.Uint64
}

// Peer returns the handle of an identity, before or while the engine runs: always the same one
// until it is closed. The first call for an identity fails with ErrTooManyPeers while there are
// MaxPeers handles; any call fails with ErrStopped after the engine stopped.
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
	a := e.departed.find(id)
	if a == nil {
		a = &account{engine: e, id: id, state: core.NewPeer(id)}
	}
	// While messages of a former handle wait, they hold the identity's quota.
	if a.newest == nil || !a.newest.Reopen() {
		producer, err := e.inbox.Producer(e.cfg.PeerQuota)
		if err != nil { // messages that wait for closed handles of others hold the inbox
			return nil, errors.Join(ErrTooManyPeers, err)
		}
		a.newest = producer
	}
	e.departed.remove(id)
	p := &Peer{account: a, limits: e.setLimits, producer: a.newest}
	e.peers[id] = p
	return p, nil
}

// Identity returns the identity of the peer.
func (p *Peer) Identity() wire.PublicKey { return p.id }

// DeliverAck delivers an ack that the peer sent. The engine owns the buffer from then on, with any
// result: nil, ErrPeerFull or ErrMessageTooLarge (dropped and counted), ErrPeerClosed, ErrStopped.
// nil means that the message waits, not that it is valid.
func (p *Peer) DeliverAck(b wire.Buffer) error { return p.deliver(b, KindAck) }

// DeliverNode delivers a node that the peer sent; see [Peer.DeliverAck].
func (p *Peer) DeliverNode(b wire.Buffer) error { return p.deliver(b, KindNode) }

// DeliverCertificate delivers a certificate message that the peer sent; see [Peer.DeliverAck].
func (p *Peer) DeliverCertificate(b wire.Buffer) error { return p.deliver(b, KindCertificate) }

// Deliver delivers several messages in order, such as all messages of one read from the network.
// The engine owns all of their buffers from then on; the slice remains the caller's and is not
// kept. A refused message does not affect those after it. Deliver returns the number of refused
// messages, and the error of the first: see [Peer.DeliverAck]; also ErrMessageKind.
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
	if !p.limits.fits(kind, len(b)) { // refused before it is copied
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
	case !p.limits.fits(kind, size):
		refusal = ErrMessageTooLarge
		p.engine.drops.tooLarge.Add(1)
	case p.closed.Load():
		refusal = p.closedBy()
	case kind != KindAck && p.longBytes.Add(int64(size)) > p.limits.maxLong():
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

// closedBy returns whether the handle or the engine was closed.
func (p *Peer) closedBy() error {
	e := p.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.phase == closing {
		return ErrStopped
	}
	return ErrPeerClosed
}

// Waiting returns the number of messages of this peer that wait.
func (p *Peer) Waiting() int { return p.producer.Waiting() }

// Close returns the handle's place and quota, for an identity that is no longer a peer. Do not call
// it when a connection ends, for another connection may use the handle. Messages that wait are
// still read, later ones are refused. [Engine.Peer] then makes a new handle for the identity, whose
// limits continue where the old one's were. Closing again does nothing.
func (p *Peer) Close() {
	e := p.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.closed.Swap(true) {
		return
	}
	delete(e.peers, p.id)
	p.producer.Close()
	e.departed.add(p.account)
}

// departed holds the accounts of identities whose handle was closed, kept so that their limits
// continue. Those that were closed last are kept, up to a number, and all whose messages wait:
// their quotas bound the number of these.
type departed struct {
	most   int
	order  list.List // of *account, in the order of their closing
	places map[wire.PublicKey]*list.Element
}

func newDeparted(most int) departed {
	return departed{most: most, places: make(map[wire.PublicKey]*list.Element)}
}

// find returns the account of an identity, nil if it is not kept.
func (d *departed) find(id wire.PublicKey) *account {
	if place := d.places[id]; place != nil {
		return place.Value.(*account)
	}
	return nil
}

func (d *departed) remove(id wire.PublicKey) {
	if place := d.places[id]; place != nil {
		d.order.Remove(place)
		delete(d.places, id)
	}
}

func (d *departed) add(a *account) {
	d.places[a.id] = d.order.PushBack(a)
	for n := d.order.Len() - d.most; n > 0; n-- {
		oldest := d.order.Front()
		if o := oldest.Value.(*account); o.newest.Waiting() > 0 {
			d.order.MoveToBack(oldest)
		} else {
			d.remove(o.id)
		}
	}
}
