package network

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// Transport carries messages between processes that are known by their identities. [Network] is
// one; package network/conformance tests any.
type Transport interface {
	// Run connects to peers and serves them until ctx ends or the transport fails. It returns nil
	// in the first case, when all its goroutines are gone. It may be called once. If the cause of
	// ctx's end matches [ErrStaleJournal], peers are told that.
	Run(ctx context.Context, h Handler) error
	// Send sends a message to each identity in to. It never blocks: what has no room, or goes to
	// one who is not connected, is dropped and counted. message is kept, and never changes.
	Send(to []wire.PublicKey, t Type, message []byte)
	// Request asks one peer and waits for its answer, of any type that is an answer: the caller looks
	// at it, and owns its buffer. The error
	// matches [ErrNotConnected], [ErrDisconnected], [ErrTooManyRequests], [ErrUnanswered],
	// [ErrType], [ErrTooLong], or is that of ctx. message is kept until Request returns.
	Request(ctx context.Context, to wire.PublicKey, t Type, message []byte) (Message, error)
	// Recheck says that [Handler.Admit] or the addresses may answer otherwise now: new peers are
	// dialled, and those now refused are disconnected.
	Recheck()
}

// Handler is what a process does with its peers. Its methods are called from many goroutines. For
// one peer, Connected returns before anything else is called, and Disconnected is called when all
// else has returned.
type Handler interface {
	// Admit says what an authenticated identity may be. It answers at once.
	Admit(id wire.PublicKey) Role
	// Connected says that a peer is there: messages to it are sent from now on. It is called again,
	// without Disconnected in between, when the peer's process was restarted or its role has
	// changed.
	Connected(id wire.PublicKey, r Role)
	// Disconnected says that a peer is gone, and why.
	Disconnected(id wire.PublicKey, why error)
	// Messages takes over all messages that one read brought. The handler owns their buffers; the
	// slice is used again when it returns. Messages of one peer, class and urgency come in the order
	// in which they were sent, save around the moment when one connection replaces another. Calls for
	// one peer and class come one after the other. While one does not return, nothing more is read
	// from that connection, and after a while the peer gives it up.
	Messages(from wire.PublicKey, batch []Message)
	// Serve answers a request, by one call of reply, in a goroutine of its own. request is valid
	// until it returns. reply returns when the answer is on its way and its bytes are the caller's
	// again; an error says that it will not arrive. ctx ends with the connection. If Serve returns
	// without a reply, the asker is told that there is none.
	Serve(ctx context.Context, from wire.PublicKey, t Type, request []byte, reply func(t Type, answer []byte) error)
}

// Type is the type of a message, as on the wire (docs/protocol.md 8.1).
type Type uint8

// Class says which of a pair's connections carries a type.
type Class uint8

// The classes. Bodies and all else that is long goes over Bulk, so that it delays no vote.
const (
	Control Class = iota
	Bulk
	classes = 2
)

func (c Class) String() string {
	switch c {
	case Control:
		return "control"
	case Bulk:
		return "bulk"
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// Kind says how messages of a type are used.
type Kind uint8

// The kinds.
const (
	Plain   Kind = iota // sent with Send
	Request             // asked with Request
	Answer              // given to reply
	kinds   = 3
)

// MessageType describes a type of messages that a host uses.
type MessageType struct {
	Type  Type   // from 0x10 on; below are the transport's own
	Name  string // in logs and metrics
	Class Class
	Kind  Kind
	// Limit is the longest message, in bytes: at most 128 KiB on Bulk and 16 MiB on Control.
	Limit int
	// Urgent messages go before others that wait on the same connection.
	Urgent bool
}

// Message is a message as it was received.
type Message struct {
	Type   Type
	Buffer wire.Buffer
}

// Role is what a peer may be.
type Role uint8

// The roles. A Member is one that the host cannot do without; followers have a bound of their own,
// Config.MaxFollowers, and leave when a member needs their place.
const (
	Refused Role = iota
	Member
	Follower
)

func (r Role) String() string {
	switch r {
	case Refused:
		return "refused"
	case Member:
		return "member"
	case Follower:
		return "follower"
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// MaxRequests is how many requests to one peer and class may be open at once.
const MaxRequests = 64

// What can become of a request.
var (
	// ErrNotConnected: the peer is not connected.
	ErrNotConnected = errors.New("network: not connected")
	// ErrDisconnected: the connection ended before the answer came.
	ErrDisconnected = errors.New("network: disconnected")
	// ErrTooManyRequests: as many requests to this peer are open as may be.
	ErrTooManyRequests = errors.New("network: too many open requests to this peer")
	// ErrUnanswered: the peer said that there will be no answer.
	ErrUnanswered = errors.New("network: the peer gave no answer")
	// ErrType: the type is not one of Config.Types, or not of the right kind.
	ErrType = errors.New("network: no such type of message here")
	// ErrTooLong: the message exceeds its type's limit.
	ErrTooLong = errors.New("network: message over its type's limit")
	// ErrReplied: the request was answered before.
	ErrReplied = errors.New("network: replied already")
)

// ErrRun: Run was called a second time.
var ErrRun = errors.New("network: Run was called before")

// PeerStatus says how a connected peer is doing.
type PeerStatus struct {
	Identity wire.PublicKey
	Role     Role
	// RoundTrip is the last one measured on the control connection, 0 before the first.
	RoundTrip time.Duration
	// ClockOffset is how far the peer's clock is ahead of ours, as it says; right to within half a
	// round trip.
	ClockOffset time.Duration
	// Version is what the peer calls its software.
	Version string
}
