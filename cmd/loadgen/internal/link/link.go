package link

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Conditions apply to everything that a member sends.
type Conditions struct {
	Latency   time.Duration
	Jitter    time.Duration // upper bound of the random part added to Latency
	Bandwidth float64       // bytes per second of all connections together; 0: unlimited
}

// Links are the connections of one member. Its methods may be called from any goroutine.
type Links struct {
	conditions Conditions
	counts     counter

	mu      sync.Mutex
	random  *rand.Rand
	idle    time.Time // time at which the uplink has sent everything written so far
	writers sync.WaitGroup
}

// New returns links; seed is the seed of the jitter.
func New(c Conditions, seed uint64) *Links {
	return &Links{conditions: c, random: rand.New(rand.NewPCG(seed, 0x6c696e6b))}
}

// Dial is for network.Config.Dial.
func (l *Links) Dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return l.wrap(c), nil
}

// Listener returns a listener whose connections are of these links.
func (l *Links) Listener(inner net.Listener) net.Listener { return &listener{inner, l} }

type listener struct {
	net.Listener
	links *Links
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.links.wrap(c), nil
}

// wrap returns the connection itself if nothing is delayed: package network reads sockets cheaply,
// but not wrapped ones.
func (l *Links) wrap(c net.Conn) net.Conn {
	l.counts.watch(c)
	if l.conditions == (Conditions{}) {
		return c
	}
	return newDelayed(l, c)
}

// Wait waits until everything written to closed connections was sent or dropped.
func (l *Links) Wait() { l.writers.Wait() }

// due returns the time at which bytes written now are to reach the socket.
func (l *Links) due(bytes int) time.Time {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	at := now
	if l.conditions.Bandwidth > 0 {
		if l.idle.Before(now) {
			l.idle = now
		}
		l.idle = l.idle.Add(time.Duration(float64(bytes) / l.conditions.Bandwidth * float64(time.Second)))
		at = l.idle
	}
	at = at.Add(l.conditions.Latency)
	if j := l.conditions.Jitter; j > 0 {
		at = at.Add(time.Duration(l.random.Int64N(int64(j))))
	}
	return at
}
