package simnet

import (
	"time"

	"github.com/lanecast/lanecast/wire"
)

// Kind says what a message is; a network has a channel for each.
type Kind uint8

// The two kinds of messages.
const (
	Node Kind = iota
	Ack
)

func (k Kind) String() string {
	switch k {
	case Node:
		return "node"
	case Ack:
		return "ack"
	}
	return "unknown"
}

// Message is what a receiver gets.
type Message struct {
	From     wire.PublicKey
	Kind     Kind
	Priority bool
	Body     wire.Buffer // a copy; the receiver's to release
}

// Endpoint is one identity's access to the network. Its methods may be called from any goroutine.
type Endpoint struct {
	network *Network
	station *station
	session *session
}

// ID returns the endpoint's identity.
func (e *Endpoint) ID() wire.PublicKey { return e.station.id }

// Send sends body to each of to, and returns at once. Identities that have not joined count as Absent. The network keeps body
// itself until the last delivery, and copies it only then: the caller must not change it any more.
func (e *Endpoint) Send(to []wire.PublicKey, kind Kind, body []byte, priority bool) {
	now := time.Now()
	for i := range to {
		e.network.mu.RLock()
		s := e.network.stations[to[i]]
		e.network.mu.RUnlock()
		if s == nil {
			e.network.mu.Lock()
			s = e.network.station(to[i])
			e.network.mu.Unlock()
		}
		s.accept(now, packet{from: e.station.id, kind: kind, priority: priority, body: body})
	}
}

// Waiting returns how many messages are under way to this endpoint.
func (e *Endpoint) Waiting() int {
	e.station.mu.Lock()
	defer e.station.mu.Unlock()
	return e.station.waiting()
}

// Close takes the endpoint off the network and waits for its receiver to return. What was under way to it is
// dropped; what it has sent still arrives. It may be called more than once, but not by the receiver.
func (e *Endpoint) Close() { e.station.close(e.session) }
