package simnet

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// DefaultQueue is the number of messages that one link holds when Conditions.Queue is 0.
const DefaultQueue = 4096

var (
	// ErrConditions: a field of Conditions is out of range. The error's text names the field and
	// its range.
	ErrConditions = errors.New("simnet: invalid conditions")
	// ErrJoined: an endpoint of that identity exists already.
	ErrJoined = errors.New("simnet: identity has joined already")
	// ErrClosed: the network was closed.
	ErrClosed = errors.New("simnet: closed")
)

// Conditions are the conditions of one link, in one direction.
type Conditions struct {
	// Latency is the minimum delay of a message.
	Latency time.Duration
	// Jitter is the maximum additional delay. Each message gets a uniform random part of it, so
	// messages may be reordered.
	Jitter time.Duration
	// Loss is the probability that a message is lost, from 0 to 1.
	Loss float64
	// Cut loses every message, including those under way.
	Cut bool
	// Queue is the number of messages that may be under way at once; 0 means DefaultQueue.
	Queue int
}

func (c Conditions) check() error {
	switch {
	case c.Latency < 0:
		return fmt.Errorf("%w: Latency must not be negative, got %v", ErrConditions, c.Latency)
	case c.Jitter < 0:
		return fmt.Errorf("%w: Jitter must not be negative, got %v", ErrConditions, c.Jitter)
	case !(c.Loss >= 0 && c.Loss <= 1): // so written that NaN fails
		return fmt.Errorf("%w: Loss must be from 0 to 1, got %v", ErrConditions, c.Loss)
	case c.Queue < 0:
		return fmt.Errorf("%w: Queue must not be negative, got %d", ErrConditions, c.Queue)
	}
	return nil
}

func (c Conditions) withDefaults() Conditions {
	if c.Queue == 0 {
		c.Queue = DefaultQueue
	}
	return c
}

// Config configures a Network. The zero value is a network without latency or loss.
type Config struct {
	// Seed determines the random decisions of every link.
	Seed uint64
	// Default are the conditions of links for which SetLink has not been called.
	Default Conditions
}

// Network connects endpoints. All its methods may be called from any goroutine.
type Network struct {
	config Config

	mu        sync.RWMutex
	receivers map[wire.PublicKey]*receiver // never deleted: a receiver outlives its endpoint
	closed    bool

	transports map[wire.PublicKey]*Transport // running ones
}

// New returns a network with no endpoints. The error wraps ErrConditions.
func New(c Config) (*Network, error) {
	if err := c.Default.check(); err != nil {
		return nil, err
	}
	c.Default = c.Default.withDefaults()
	return &Network{config: c, receivers: make(map[wire.PublicKey]*receiver)}, nil
}

// Join adds an endpoint. receive is called for each message, by one goroutine, and owns the
// message's body. While it runs, no other message is delivered to this endpoint. It must not close
// the endpoint or the network. The error wraps ErrJoined or ErrClosed. After the endpoint was
// closed its identity may join again: its links keep their conditions and random sources, but not
// their messages.
func (n *Network) Join(id wire.PublicKey, receive func(Message)) (*Endpoint, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, fmt.Errorf("joining as %v: %w", id, ErrClosed)
	}
	r := n.receiver(id)
	session := r.open(receive)
	if session == nil {
		return nil, fmt.Errorf("joining as %v: %w", id, ErrJoined)
	}
	return &Endpoint{network: n, receiver: r, session: session}, nil
}

// receiver returns the receiver of an identity and makes it if necessary. n.mu must be held for
// writing.
func (n *Network) receiver(id wire.PublicKey) *receiver {
	r := n.receivers[id]
	if r == nil {
		r = newReceiver(id, n.config)
		n.receivers[id] = r
	}
	return r
}

// SetLink sets the conditions of the link from one identity to another; either may join later.
// Messages under way keep their delay; if c is Cut they are lost. The error wraps ErrConditions.
func (n *Network) SetLink(from, to wire.PublicKey, c Conditions) error {
	if err := c.check(); err != nil {
		return err
	}
	n.mu.Lock()
	r := n.receiver(to)
	n.mu.Unlock()
	r.mu.Lock()
	r.link(from).conditions = c.withDefaults()
	r.mu.Unlock()
	n.recheck()
	return nil
}

// Link returns the current conditions of the link from one identity to another.
func (n *Network) Link(from, to wire.PublicKey) Conditions {
	n.mu.RLock()
	r := n.receivers[to]
	n.mu.RUnlock()
	if r == nil {
		return n.config.Default
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if l, ok := r.links[from]; ok {
		return l.conditions
	}
	return n.config.Default
}

// Cut cuts the links between two identities in both directions. Heal restores them with their
// former conditions.
func (n *Network) Cut(a, b wire.PublicKey)  { n.cut(a, b, true) }
func (n *Network) Heal(a, b wire.PublicKey) { n.cut(a, b, false) }

func (n *Network) cut(a, b wire.PublicKey, cut bool) {
	for _, ends := range [2][2]wire.PublicKey{{a, b}, {b, a}} {
		n.mu.Lock()
		r := n.receiver(ends[1])
		n.mu.Unlock()
		r.mu.Lock()
		r.link(ends[0]).conditions.Cut = cut
		r.mu.Unlock()
	}
	n.recheck()
}

// Counts counts messages by their fate; one message to three receivers counts as three.
type Counts struct {
	Sent      uint64 // all messages
	Delivered uint64 // handed to a receiver
	Lost      uint64 // by chance
	Cut       uint64 // on cut links, when sent or under way
	Full      uint64 // on links whose queue was full
	Absent    uint64 // to identities without an open endpoint, or under way when it closed
	Bytes     uint64 // delivered
}

// Counts returns the sums over all links since the network was made.
func (n *Network) Counts() Counts {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var sum Counts
	for _, r := range n.receivers {
		r.mu.Lock()
		c := r.counts
		r.mu.Unlock()
		sum.Sent += c.Sent
		sum.Delivered += c.Delivered
		sum.Lost += c.Lost
		sum.Cut += c.Cut
		sum.Full += c.Full
		sum.Absent += c.Absent
		sum.Bytes += c.Bytes
	}
	return sum
}

// Close closes all endpoints and waits until no receiver runs any more. Messages under way are
// dropped. It may be called more than once.
func (n *Network) Close() {
	n.mu.Lock()
	n.closed = true
	receivers := make([]*receiver, 0, len(n.receivers))
	for _, r := range n.receivers {
		receivers = append(receivers, r)
	}
	n.mu.Unlock()
	for _, r := range receivers {
		r.close(nil)
	}
}
