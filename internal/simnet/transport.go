package simnet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/wire"
)

// typeUnanswered is the message type of docs/protocol.md 8.2 which means that a request gets no
// answer.
const typeUnanswered network.Type = 0x05

const numberSize = 8 // bytes of the number before the message of a request or an answer

// waitingMessages is the maximum number of messages of one peer that wait for a busy handler;
// further ones are dropped, the newest first.
const waitingMessages = 4096

// Transport is a [network.Transport] over a [Network]. Two processes are connected while both run,
// admit each other, and neither link between them is cut. Messages have the conditions of their
// links, which may lose requests and answers too.
type Transport struct {
	network *Network
	id      wire.PublicKey
	types   [256]*network.MessageType
	recheck chan struct{}

	mu       sync.Mutex
	started  bool
	handler  network.Handler
	endpoint *Endpoint                      // nil unless the transport runs
	peers    map[wire.PublicKey]*connection // connected
	farewell error                          // what peers are told when it has stopped; nil: nothing
	running  sync.WaitGroup

	// reconciling has room for one token, which is in it while Connected and Disconnected are
	// called. It is no sync.Mutex, because a handler may block and waiting must be interruptible.
	reconciling chan struct{}
}

var _ network.Transport = (*Transport)(nil)

// connection is a peer that is connected.
type connection struct {
	to     *Transport // the peer's transport when it was connected
	role   network.Role
	ctx    context.Context
	cancel context.CancelFunc
	busy   sync.WaitGroup // its goroutine, and calls of Serve
	wake   chan struct{}  // room for one token, which means that messages wait

	mu      sync.Mutex
	waiting []network.Message
	calls   map[uint64]chan network.Message
	last    uint64
	serving int
}

// NewTransport returns the transport of an identity, which joins the network with Run. types are
// the types of its messages.
func (n *Network) NewTransport(id wire.PublicKey, types []network.MessageType) *Transport {
	t := &Transport{
		network: n, id: id, recheck: make(chan struct{}, 1), reconciling: make(chan struct{}, 1), peers: make(map[wire.PublicKey]*connection),
	}
	for _, m := range types {
		t.types[m.Type] = &m
	}
	return t
}

// Run implements [network.Transport].
func (t *Transport) Run(ctx context.Context, h network.Handler) error {
	t.mu.Lock()
	if t.started {
		t.mu.Unlock()
		return network.ErrRun
	}
	t.started, t.handler = true, h
	t.mu.Unlock()
	endpoint, err := t.network.Join(t.id, t.receive)
	if err != nil {
		return fmt.Errorf("running a transport: %w", err)
	}
	t.mu.Lock()
	t.endpoint = endpoint
	t.mu.Unlock()
	t.network.announce(t, true)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-t.recheck:
			t.reconcile()
		}
	}
	t.mu.Lock()
	if cause := context.Cause(ctx); errors.Is(cause, network.ErrStaleJournal) {
		t.farewell = fmt.Errorf("%w: %w", network.ErrShutdown, cause)
	}
	t.mu.Unlock()
	t.network.announce(t, false)
	endpoint.Close()
	t.mu.Lock()
	t.endpoint = nil
	t.mu.Unlock()
	t.reconcile()
	t.running.Wait()
	return nil
}

// announce adds a running transport or removes it, and makes all transports check their
// connections.
func (n *Network) announce(t *Transport, runs bool) {
	n.mu.Lock()
	if n.transports == nil {
		n.transports = make(map[wire.PublicKey]*Transport)
	}
	if runs {
		n.transports[t.id] = t
	} else {
		delete(n.transports, t.id)
	}
	n.mu.Unlock()
	n.recheck()
}

// recheck makes all transports check their connections.
func (n *Network) recheck() {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, t := range n.transports {
		t.look()
	}
}

func (t *Transport) look() {
	select {
	case t.recheck <- struct{}{}:
	default:
	}
}

// Recheck implements [network.Transport].
func (t *Transport) Recheck() { t.network.recheck() }

// others returns the candidates for connections: the running transports, if this one runs.
func (t *Transport) others() map[wire.PublicKey]*Transport {
	t.network.mu.RLock()
	defer t.network.mu.RUnlock()
	if t.network.transports[t.id] != t {
		return nil
	}
	others := maps.Clone(t.network.transports)
	delete(others, t.id)
	return others
}

// role returns the role of another process for this one, and whether they are connected.
func (t *Transport) role(other *Transport) (network.Role, bool) {
	if t.network.Link(t.id, other.id).Cut || t.network.Link(other.id, t.id).Cut {
		return network.Refused, false
	}
	role := t.handler.Admit(other.id)
	theirs := other.handler.Admit(t.id)
	return role, role != network.Refused && theirs != network.Refused
}

// reconcile calls Connected and Disconnected for each change.
func (t *Transport) reconcile() {
	t.reconciling <- struct{}{}
	defer func() { <-t.reconciling }()
	others := t.others()
	t.mu.Lock()
	known := maps.Clone(t.peers)
	t.mu.Unlock()
	for id, c := range known {
		other := others[id]
		if other == c.to {
			if role, connected := t.role(other); connected {
				if role != c.role {
					c.role = role
					t.handler.Connected(id, role)
				}
				continue
			}
		}
		t.mu.Lock()
		delete(t.peers, id)
		t.mu.Unlock()
		c.mu.Lock()
		c.cancel() // after this nothing is added to waiting or busy
		c.mu.Unlock()
		c.busy.Wait()
		for _, m := range c.waiting {
			m.Buffer.Release()
		}
		why := network.ErrDisconnected
		if others == nil {
			why = network.ErrShutdown
		} else if said := c.to.said(); said != nil && other != c.to {
			why = said
		}
		t.handler.Disconnected(id, why)
	}
	ids := slices.SortedFunc(maps.Keys(others), func(a, b wire.PublicKey) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		t.mu.Lock()
		c := t.peers[id]
		t.mu.Unlock()
		if c != nil {
			continue
		}
		role, connected := t.role(others[id])
		if !connected {
			continue
		}
		c = &connection{to: others[id], role: role, wake: make(chan struct{}, 1), calls: make(map[uint64]chan network.Message)}
		c.ctx, c.cancel = context.WithCancel(context.Background())
		t.handler.Connected(id, role)
		t.mu.Lock()
		t.peers[id] = c
		t.mu.Unlock()
		c.busy.Add(1)
		t.running.Go(func() {
			defer c.busy.Done()
			t.deliver(id, c)
		})
	}
}

// said returns what a transport that has stopped tells its peers, nil for nothing.
func (t *Transport) said() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.farewell
}

// peer returns the connection to a peer, nil if there is none.
func (t *Transport) peer(id wire.PublicKey) (*Endpoint, *connection) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.endpoint, t.peers[id]
}

// Send implements [network.Transport].
func (t *Transport) Send(to []wire.PublicKey, typ network.Type, message []byte) {
	m := t.types[typ]
	if m == nil || m.Kind != network.Plain || len(message) > m.Limit {
		return
	}
	for i := range to {
		if endpoint, c := t.peer(to[i]); endpoint != nil && c != nil {
			endpoint.Send(to[i:i+1], Kind(typ), message, m.Urgent)
		}
	}
}

// numbered returns a request or an answer with its number.
func numbered(number uint64, message []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, number), message...)
}

// Request implements [network.Transport].
func (t *Transport) Request(ctx context.Context, to wire.PublicKey, typ network.Type, message []byte) (network.Message, error) {
	m := t.types[typ]
	switch {
	case m == nil || m.Kind != network.Request:
		return network.Message{}, network.ErrType
	case len(message) > m.Limit:
		return network.Message{}, network.ErrTooLong
	}
	endpoint, c := t.peer(to)
	if endpoint == nil || c == nil {
		return network.Message{}, network.ErrNotConnected
	}
	answer := make(chan network.Message, 1)
	c.mu.Lock()
	if len(c.calls) >= network.MaxRequests {
		c.mu.Unlock()
		return network.Message{}, network.ErrTooManyRequests
	}
	c.last++
	number := c.last
	c.calls[number] = answer
	c.mu.Unlock()
	endpoint.Send([]wire.PublicKey{to}, Kind(typ), numbered(number, message), m.Urgent)
	var err error
	select {
	case a := <-answer:
		return unlessUnanswered(a)
	case <-ctx.Done():
		err = ctx.Err()
	case <-c.ctx.Done():
		err = network.ErrDisconnected
	}
	if c.take(number) == nil { // the answer has arrived meanwhile
		return unlessUnanswered(<-answer)
	}
	return network.Message{}, err
}

func (c *connection) take(number uint64) chan network.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := c.calls[number]
	delete(c.calls, number)
	return answer
}

func unlessUnanswered(m network.Message) (network.Message, error) {
	if m.Type == typeUnanswered {
		m.Buffer.Release()
		return network.Message{}, network.ErrUnanswered
	}
	return m, nil
}

// receive handles a message from the endpoint.
func (t *Transport) receive(m Message) {
	typ := network.Type(m.Kind)
	info := t.types[typ]
	if _, c := t.peer(m.From); c == nil {
		t.reconcile() // Connected must be called before its messages
	}
	_, c := t.peer(m.From)
	if c == nil || info == nil && typ != typeUnanswered {
		m.Body.Release()
		return
	}
	if info != nil && info.Kind == network.Plain {
		c.push(network.Message{Type: typ, Buffer: m.Body})
		return
	}
	number := binary.BigEndian.Uint64(m.Body.Bytes())
	body := wire.CopyBuffer(m.Body.Bytes()[numberSize:])
	m.Body.Release()
	if info != nil && info.Kind == network.Request {
		t.serve(m.From, c, typ, number, body)
		return
	}
	if answer := c.take(number); answer != nil {
		answer <- network.Message{Type: typ, Buffer: body}
	} else {
		body.Release()
	}
}

// push queues a message for the handler.
func (c *connection) push(m network.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) >= waitingMessages || c.ctx.Err() != nil {
		m.Buffer.Release()
		return
	}
	c.waiting = append(c.waiting, m)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// deliver passes messages to the handler: one goroutine per peer, so that a blocked one delays no
// other peer.
func (t *Transport) deliver(from wire.PublicKey, c *connection) {
	for {
		select {
		case <-c.wake:
		case <-c.ctx.Done():
			return
		}
		c.mu.Lock()
		batch := c.waiting
		c.waiting = nil
		c.mu.Unlock()
		if len(batch) > 0 {
			t.handler.Messages(from, batch)
		}
	}
}

// serve starts to serve a request.
func (t *Transport) serve(from wire.PublicKey, c *connection, typ network.Type, number uint64, request wire.Buffer) {
	endpoint, _ := t.peer(from)
	c.mu.Lock()
	busy := endpoint == nil || c.serving >= network.MaxRequests || c.ctx.Err() != nil
	if !busy {
		c.serving++
		c.busy.Add(1) // the context has not ended, so no goroutine waits yet
	}
	c.mu.Unlock()
	if busy {
		request.Release()
		if endpoint != nil {
			endpoint.Send([]wire.PublicKey{from}, Kind(typeUnanswered), numbered(number, nil), false)
		}
		return
	}
	t.running.Go(func() {
		defer c.busy.Done()
		var once sync.Mutex
		replied := false
		reply := func(typ network.Type, answer []byte) error {
			m := t.types[typ]
			once.Lock()
			defer once.Unlock()
			switch {
			case m == nil || m.Kind != network.Answer:
				return network.ErrType
			case len(answer) > m.Limit:
				return network.ErrTooLong
			case replied:
				return network.ErrReplied
			}
			replied = true
			if c.ctx.Err() != nil {
				return network.ErrDisconnected
			}
			endpoint.Send([]wire.PublicKey{from}, Kind(typ), numbered(number, answer), m.Urgent)
			return nil
		}
		t.handler.Serve(c.ctx, from, typ, request.Bytes(), reply)
		request.Release()
		if once.Lock(); !replied {
			replied = true
			endpoint.Send([]wire.PublicKey{from}, Kind(typeUnanswered), numbered(number, nil), false)
		}
		once.Unlock()
		c.mu.Lock()
		c.serving--
		c.mu.Unlock()
	})
}
