package simnet

import (
	"time"

	"github.com/lanecast/lanecast/wire"
)

// Kind is the kind of a message.
type Kind uint8

// The kinds of messages.
const (
	Node Kind = iota
	Ack
	Certificate
)

func (k Kind) String() string {
	switch k {
	case Node:
		return "node"
	case Ack:
		return "ack"
	case Certificate:
		return "certificate"
	}
	return "unknown"
}

// Message is a message as its receiver gets it.
type Message struct {
	From     wire.PublicKey
	Kind     Kind
	Priority bool
	Body     wire.Buffer // a copy; the receiver releases it
}

// Endpoint is one identity's access to the network. Its methods may be called from any goroutine.
type Endpoint struct {
	network  *Network
	receiver *receiver
	session  *session
}

// ID returns the endpoint's identity.
func (e *Endpoint) ID() wire.PublicKey { return e.receiver.id }

// Send sends body to each identity in to, and returns at once. Messages to identities that have not
// joined are counted as Absent. The network keeps body until the last delivery and copies it at
// each delivery: the caller must not change it afterwards.
func (e *Endpoint) Send(to []wire.PublicKey, kind Kind, body []byte, priority bool) {
	now := time.Now()
	for i := range to {
		e.network.mu.RLock()
		r := e.network.receivers[to[i]]
		e.network.mu.RUnlock()
		if r == nil {
			e.network.mu.Lock()
			r = e.network.receiver(to[i])
			e.network.mu.Unlock()
		}
		r.accept(now, packet{from: e.receiver.id, kind: kind, priority: priority, body: body})
	}
}

// Waiting returns the number of messages under way to this endpoint.
func (e *Endpoint) Waiting() int {
	e.receiver.mu.Lock()
	defer e.receiver.mu.Unlock()
	return e.receiver.waiting()
}

// Close removes the endpoint from the network and waits for its receiver to return. Messages under
// way to it are dropped; messages that it has sent still arrive. Close may be called more than
// once, but not by the receiver.
func (e *Endpoint) Close() { e.receiver.close(e.session) }
