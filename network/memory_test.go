package network

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// MemoryNet is a network of connections in memory, for tests in a testing/synctest bubble. Each
// direction buffers as a socket does.
type MemoryNet struct {
	// Delay, if set, returns the time that bytes take, for each direction of each new connection,
	// and the time that dialling takes.
	Delay func() time.Duration
	// Buffer is the number of bytes that a direction holds; 0 means 256 KiB.
	Buffer int

	mu        sync.Mutex
	listeners map[string]*memoryListener
	conns     []*memoryConn
	frozen    map[string]bool
}

var errRefusedConnection = &net.OpError{Op: "dial", Net: "memory", Err: syscall.ECONNREFUSED}

// Listen returns the listener of an address, which must be free.
func (m *MemoryNet) Listen(address string) net.Listener {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.listeners == nil {
		m.listeners = make(map[string]*memoryListener)
	}
	if m.listeners[address] != nil {
		panic("address in use: " + address)
	}
	l := &memoryListener{net: m, address: address, backlog: make(chan *memoryConn, 1024), closed: make(chan struct{})}
	m.listeners[address] = l
	return l
}

// DialFrom returns the Dial function of a process at an address.
func (m *MemoryNet) DialFrom(from string) func(ctx context.Context, to string) (net.Conn, error) {
	return func(ctx context.Context, to string) (net.Conn, error) {
		select {
		case <-time.After(m.delay()):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		m.mu.Lock()
		l := m.listeners[to]
		m.mu.Unlock()
		if l == nil {
			return nil, errRefusedConnection
		}
		ours, theirs := m.pair(from, to)
		select {
		case l.backlog <- theirs:
			return ours, nil
		case <-l.closed:
		default:
		}
		ours.Close()
		theirs.Close()
		return nil, errRefusedConnection
	}
}

func (m *MemoryNet) delay() time.Duration {
	if m.Delay == nil {
		return 0
	}
	return m.Delay()
}

// pair returns both ends of a new connection.
func (m *MemoryNet) pair(from, to string) (ours, theirs *memoryConn) {
	limit := m.Buffer
	if limit == 0 {
		limit = 256 << 10
	}
	there, back := newStream(limit, m.delay()), newStream(limit, m.delay())
	ours = &memoryConn{in: back, out: there, local: memoryAddress(from), remote: memoryAddress(to)}
	theirs = &memoryConn{in: there, out: back, local: memoryAddress(to), remote: memoryAddress(from)}
	m.mu.Lock()
	m.conns = append(m.conns, ours, theirs)
	there.frozen = m.frozen[from] || m.frozen[to]
	back.frozen = there.frozen
	m.mu.Unlock()
	return ours, theirs
}

// Open returns the number of connections that have not been closed by both ends.
func (m *MemoryNet) Open() (open int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := 0; i < len(m.conns); i += 2 {
		if !m.conns[i].isClosed() || !m.conns[i+1].isClosed() {
			open++
		}
	}
	return open
}

// Freeze stops or resumes all bytes from and to an address, also on connections made meanwhile.
// Neither end is notified.
func (m *MemoryNet) Freeze(address string, frozen bool) {
	m.mu.Lock()
	if m.frozen == nil {
		m.frozen = make(map[string]bool)
	}
	m.frozen[address] = frozen
	m.mu.Unlock()
	m.FreezeConns(address, frozen)
}

// FreezeConns is Freeze for the connections that exist.
func (m *MemoryNet) FreezeConns(address string, frozen bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		if string(c.local) == address || string(c.remote) == address {
			for _, s := range []*stream{c.in, c.out} {
				s.mu.Lock()
				s.frozen = frozen
				s.cond.Broadcast()
				s.mu.Unlock()
			}
		}
	}
}

// Break closes all connections that exist, at both ends.
func (m *MemoryNet) Break() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		c.Close()
	}
	m.conns = nil
}

type memoryAddress string

func (memoryAddress) Network() string  { return "memory" }
func (a memoryAddress) String() string { return string(a) }

type memoryListener struct {
	net     *MemoryNet
	address string
	backlog chan *memoryConn
	closed  chan struct{}
	once    sync.Once
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.backlog:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		delete(l.net.listeners, l.address)
		l.net.mu.Unlock()
		close(l.closed)
		for {
			select {
			case c := <-l.backlog:
				c.Close()
			default:
				return
			}
		}
	})
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddress(l.address) }

// stream is one direction of a connection.
type stream struct {
	limit int
	delay time.Duration

	mu                sync.Mutex
	cond              *sync.Cond
	chunks            []streamChunk
	size              int
	frozen            bool
	ended, abandoned  bool // closed by the writer, by the reader
	readBy, writeBy   time.Time
	readTimer, writer *time.Timer
}

type streamChunk struct {
	bytes []byte
	at    time.Time
}

func newStream(limit int, delay time.Duration) *stream {
	s := &stream{limit: limit, delay: delay}
	s.cond = sync.NewCond(&s.mu)
	return s
}

func (s *stream) broadcast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cond.Broadcast()
}

func passed(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.abandoned:
			return 0, net.ErrClosed
		case passed(s.readBy):
			return 0, os.ErrDeadlineExceeded
		case s.frozen:
		case len(s.chunks) > 0 && !time.Now().Before(s.chunks[0].at):
			n := 0
			for n < len(p) && len(s.chunks) > 0 && !time.Now().Before(s.chunks[0].at) {
				c := &s.chunks[0]
				k := copy(p[n:], c.bytes)
				n += k
				if c.bytes = c.bytes[k:]; len(c.bytes) == 0 {
					s.chunks = s.chunks[1:]
				}
			}
			s.size -= n
			s.cond.Broadcast()
			return n, nil
		case s.ended && len(s.chunks) == 0:
			return 0, io.EOF
		}
		s.cond.Wait()
	}
}

func (s *stream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n < len(p) {
		switch {
		case s.ended:
			return n, net.ErrClosed
		case s.abandoned:
			return n, syscall.EPIPE
		case passed(s.writeBy):
			return n, os.ErrDeadlineExceeded
		case s.size < s.limit:
			k := min(len(p)-n, s.limit-s.size)
			s.chunks = append(s.chunks, streamChunk{append([]byte(nil), p[n:n+k]...), time.Now().Add(s.delay)})
			s.size += k
			n += k
			if s.delay > 0 {
				time.AfterFunc(s.delay, s.broadcast)
			}
			s.cond.Broadcast()
			continue
		}
		s.cond.Wait()
	}
	return n, nil
}

// setDeadline sets one of a stream's deadlines.
func (s *stream) setDeadline(deadline *time.Time, timer **time.Timer, to time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*deadline = to
	if *timer != nil {
		(*timer).Stop()
		*timer = nil
	}
	if !to.IsZero() {
		*timer = time.AfterFunc(time.Until(to), s.broadcast)
	}
	s.cond.Broadcast()
}

// memoryConn is one end of a connection.
type memoryConn struct {
	in, out       *stream
	local, remote memoryAddress
}

func (c *memoryConn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *memoryConn) Write(p []byte) (int, error) { return c.out.write(p) }

func (c *memoryConn) Close() error {
	for i, s := range []*stream{c.in, c.out} {
		s.mu.Lock()
		if i == 0 {
			s.abandoned = true
		} else {
			s.ended = true
		}
		s.cond.Broadcast()
		s.mu.Unlock()
	}
	return nil
}

func (c *memoryConn) isClosed() bool {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return c.in.abandoned
}

func (c *memoryConn) LocalAddr() net.Addr  { return c.local }
func (c *memoryConn) RemoteAddr() net.Addr { return c.remote }

func (c *memoryConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *memoryConn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.readBy, &c.in.readTimer, t)
	return nil
}

func (c *memoryConn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writeBy, &c.out.writer, t)
	return nil
}
