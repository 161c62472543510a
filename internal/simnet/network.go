package simnet

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// DefaultQueue is how many messages one link holds when Conditions.Queue is 0.
const DefaultQueue = 4096

var (
	// ErrConditions: conditions that no link can have. The error's text names the field and its range.
	ErrConditions = errors.New("simnet: invalid conditions")
	// ErrJoined: an endpoint of that identity exists already.
	ErrJoined = errors.New("simnet: identity has joined already")
	// ErrClosed: the network was closed.
	ErrClosed = errors.New("simnet: closed")
)

// Conditions are those of one link, in one direction.
type Conditions struct {
	// Latency is how long every message takes, at least.
	Latency time.Duration
	// Jitter is added to it: a uniform random part of this, drawn for each message. It reorders messages.
	Jitter time.Duration
	// Loss is the probability that a message is lost, from 0 to 1.
	Loss float64
	// Cut loses everything, also what is under way.
	Cut bool
	// Queue is how many messages may be under way at once; 0 means DefaultQueue.
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

// Config configure a Network. The zero value is a network without latency or loss.
type Config struct {
	// Seed determines the random decisions of every link.
	Seed uint64
	// Default are the conditions of links that SetLink has not been called for.
	Default Conditions
}

// Network connects endpoints. All its methods may be called from any goroutine.
type Network struct {
	options Config

	mu       sync.RWMutex
	stations map[wire.PublicKey]*station // never deleted from: a station outlives its endpoint, with its links
	closed   bool
}

// New returns a network with no endpoints. The error wraps ErrConditions.
func New(o Config) (*Network, error) {
	if err := o.Default.check(); err != nil {
		return nil, err
	}
	o.Default = o.Default.withDefaults()
	return &Network{options: o, stations: make(map[wire.PublicKey]*station)}, nil
}

// Join adds an endpoint. receive is called for each message, by one goroutine, and owns the message's body. While it runs,
// no other message is delivered to this endpoint. It must not close the endpoint or the network. The error wraps
// ErrJoined or ErrClosed. After the endpoint was closed its identity may join again: it finds its links' conditions and random
// sources as they were, and no old messages.
func (n *Network) Join(id wire.PublicKey, receive func(Message)) (*Endpoint, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, fmt.Errorf("joining as %v: %w", id, ErrClosed)
	}
	s := n.station(id)
	session := s.open(receive)
	if session == nil {
		return nil, fmt.Errorf("joining as %v: %w", id, ErrJoined)
	}
	return &Endpoint{network: n, station: s, session: session}, nil
}

// station returns the station of an identity, making it when it is new. n.mu must be held for writing.
func (n *Network) station(id wire.PublicKey) *station {
	s := n.stations[id]
	if s == nil {
		s = newStation(id, n.options)
		n.stations[id] = s
	}
	return s
}

// SetLink sets the conditions of the link from one identity to another; either may join later. Messages under way keep the
// delay that they were given; if c is Cut they are lost. The error wraps ErrConditions.
func (n *Network) SetLink(from, to wire.PublicKey, c Conditions) error {
	if err := c.check(); err != nil {
		return err
	}
	n.mu.Lock()
	s := n.station(to)
	n.mu.Unlock()
	s.mu.Lock()
	s.link(from).conditions = c.withDefaults()
	s.mu.Unlock()
	return nil
}

// Link returns the present conditions of the link from one identity to another.
func (n *Network) Link(from, to wire.PublicKey) Conditions {
	n.mu.RLock()
	s := n.stations[to]
	n.mu.RUnlock()
	if s == nil {
		return n.options.Default
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.links[from]; ok {
		return l.conditions
	}
	return n.options.Default
}

// Cut cuts the links between two identities, both ways. Heal mends them, with the conditions that they had.
func (n *Network) Cut(a, b wire.PublicKey)  { n.cut(a, b, true) }
func (n *Network) Heal(a, b wire.PublicKey) { n.cut(a, b, false) }

func (n *Network) cut(a, b wire.PublicKey, cut bool) {
	for _, ends := range [2][2]wire.PublicKey{{a, b}, {b, a}} {
		n.mu.Lock()
		s := n.station(ends[1])
		n.mu.Unlock()
		s.mu.Lock()
		s.link(ends[0]).conditions.Cut = cut
		s.mu.Unlock()
	}
}

// Counts say what became of messages; one message to three receivers counts as three.
type Counts struct {
	Sent      uint64 // all of them
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
	for _, s := range n.stations {
		s.mu.Lock()
		c := s.counts
		s.mu.Unlock()
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

// Close closes all endpoints and waits until no receiver runs any more. Messages under way are dropped. It may
// be called more than once.
func (n *Network) Close() {
	n.mu.Lock()
	n.closed = true
	stations := make([]*station, 0, len(n.stations))
	for _, s := range n.stations {
		stations = append(stations, s)
	}
	n.mu.Unlock()
	for _, s := range stations {
		s.close(nil)
	}
}
