package network

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// Transport carries messages between processes that are known by their identities. [Network]
// implements it; package network/conformance tests any implementation.
type Transport interface {
	// Run connects to peers and serves them until ctx ends or the transport fails. It returns nil
	// if ctx ended, when all its goroutines have ended. It may be called once.
	Run(ctx context.Context, h Handler) error
	// Send sends a message to each identity in to. It never blocks: a message for which there is no
	// room, or whose recipient is not connected, is dropped and counted. message is kept, and must
	// never change.
	Send(to []wire.PublicKey, t Type, message []byte)
	// Request sends a request to one peer and waits for its answer, which may be of any answer
	// type. The caller checks the answer and owns its buffer. The error matches [ErrNotConnected],
	// [ErrDisconnected], [ErrTooManyRequests], [ErrUnanswered], [ErrType], [ErrTooLong], or is that
	// of ctx. message is kept until Request returns.
	Request(ctx context.Context, to wire.PublicKey, t Type, message []byte) (Message, error)
	// Recheck tells the transport that the answers of [Handler.Admit] or the addresses may have
	// changed: new peers are dialled, and peers that are now refused are disconnected.
	Recheck()
}

// Handler receives the events and messages of a transport. Its methods are called from many
// goroutines. For one peer, Connected returns before any other method is called, and Disconnected
// is called when all other calls have returned.
type Handler interface {
	// Admit returns the role of an authenticated identity. It answers at once.
	Admit(id wire.PublicKey) Role
	// Connected reports that a peer is connected: messages to it are sent from now on. It is called
	// again, without Disconnected in between, when the peer's process was restarted or its role has
	// changed.
	Connected(id wire.PublicKey, r Role)
	// Disconnected reports that a peer is gone, and why.
	Disconnected(id wire.PublicKey, why error)
	// Messages takes over all messages of one read. The handler owns their buffers; the slice is
	// reused after it returns. Messages of one peer, class and urgency come in the order in which
	// they were sent, except around the moment when one connection replaces another. Calls for one
	// peer and class do not overlap. While a call does not return, nothing more is read from that
	// connection, and after a while the peer closes it.
	Messages(from wire.PublicKey, batch []Message)
	// Serve answers a request, by one call of reply. It runs in a goroutine of its own. request is
	// valid until Serve returns. reply returns when the answer has been written and its bytes
	// belong to the caller again; an error means that the answer will not arrive. ctx ends with the
	// connection. If Serve returns without a reply, the peer that asked is told that there is none.
	Serve(ctx context.Context, from wire.PublicKey, t Type, request []byte, reply func(t Type, answer []byte) error)
}

// Type is the type of a message, as on the wire (docs/protocol.md 8.1).
type Type uint8

// Class selects which connection of a pair of processes carries a type.
type Class uint8

// The classes. Bodies and other long messages go over Bulk, so that they delay no vote.
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

// Kind is the way in which messages of a type are used.
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
	Type  Type   // from 0x10 on; lower ones belong to the transport
	Name  string // in logs and metrics
	Class Class
	Kind  Kind
	// Limit is the length of the longest message, in bytes: at most 128 KiB on Bulk and 16 MiB on
	// Control.
	Limit int
	// Urgent messages are sent before others that wait on the same connection.
	Urgent bool
}

// Message is a received message.
type Message struct {
	Type   Type
	Buffer wire.Buffer
}

// Role is the role of a peer.
type Role uint8

// The roles. A Member is a peer that the host needs; followers have a limit of their own,
// Config.MaxFollowers, and are disconnected when a member needs their place.
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

// MaxRequests is the highest number of open requests to one peer and class.
const MaxRequests = 64

// The errors of a request.
var (
	// ErrNotConnected means that the peer is not connected.
	ErrNotConnected = errors.New("network: not connected")
	// ErrDisconnected means that the connection ended before the answer came.
	ErrDisconnected = errors.New("network: disconnected")
	// ErrTooManyRequests means that [MaxRequests] requests to this peer are open.
	ErrTooManyRequests = errors.New("network: too many open requests to this peer")
	// ErrUnanswered means that the peer reported that there will be no answer.
	ErrUnanswered = errors.New("network: the peer gave no answer")
	// ErrType means that the type is not one of Config.Types, or not of the right kind.
	ErrType = errors.New("network: no such type of message here")
	// ErrTooLong means that the message exceeds its type's limit.
	ErrTooLong = errors.New("network: message over its type's limit")
	// ErrReplied means that the request was answered before.
	ErrReplied = errors.New("network: replied already")
)

// ErrRun means that Run was called a second time.
var ErrRun = errors.New("network: Run was called before")

// PeerStatus is the state of a connected peer.
type PeerStatus struct {
	Identity wire.PublicKey
	Role     Role
	// RoundTrip is the last round trip measured on the control connection, 0 before the first.
	RoundTrip time.Duration
	// ClockOffset is the time by which the peer's clock is ahead of ours, by the time in its pong;
	// accurate to half a round trip.
	ClockOffset time.Duration
	// Version is the peer's software version, as the peer sends it.
	Version string
}
