package link

import (
	"net"
	"os"
	"sync"
	"time"
)

// mostUnderWay is the limit of bytes under way on a connection; at a latency of 50 ms it lets 160
// MB/s through.
const mostUnderWay = 8 << 20

// closeTimeout bounds how long a socket may take for the bytes under way when its connection is
// closed.
const closeTimeout = 2 * time.Second

// delayed is a connection whose writes reach the socket later.
type delayed struct {
	net.Conn
	links *Links
	wake  chan struct{} // room for one token: something was written, or the connection was closed
	room  chan struct{} // likewise: bytes have left, or the deadline is another
	gone  chan struct{} // closed with the connection

	mu       sync.Mutex
	queue    []write
	bytes    int // in queue and in the write to the socket
	closed   bool
	failed   error // the socket's error
	deadline time.Time
	late     time.Time // set with closed: bytes that are due later are dropped
}

// write holds the bytes of one call of Write.
type write struct {
	due   time.Time
	bytes []byte
}

func newDelayed(l *Links, c net.Conn) *delayed {
	d := &delayed{Conn: c, links: l, wake: make(chan struct{}, 1), room: make(chan struct{}, 1), gone: make(chan struct{})}
	l.writers.Go(d.send)
	return d
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Write implements net.Conn. It returns once there is room for the bytes.
func (d *delayed) Write(p []byte) (int, error) {
	for {
		d.mu.Lock()
		switch {
		case d.failed != nil:
			defer d.mu.Unlock()
			return 0, d.failed
		case d.closed:
			d.mu.Unlock()
			return 0, net.ErrClosed
		case d.bytes == 0 || d.bytes+len(p) <= mostUnderWay:
			d.queue = append(d.queue, write{d.links.due(len(p)), append([]byte(nil), p...)})
			d.bytes += len(p)
			d.mu.Unlock()
			signal(d.wake)
			return len(p), nil
		}
		deadline := d.deadline
		d.mu.Unlock()
		if err := d.awaitRoom(deadline); err != nil {
			return 0, err
		}
	}
}

func (d *delayed) awaitRoom(deadline time.Time) error {
	if deadline.IsZero() {
		<-d.room
		return nil
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-d.room:
		return nil
	case <-timer.C:
		return os.ErrDeadlineExceeded
	}
}

// send is the goroutine that gives the written bytes to the socket. It closes the socket.
func (d *delayed) send() {
	defer d.Conn.Close()
	for {
		d.mu.Lock()
		if len(d.queue) == 0 {
			closed := d.closed
			d.mu.Unlock()
			if closed {
				return
			}
			<-d.wake
			continue
		}
		next := d.queue[0]
		d.queue = d.queue[1:]
		d.mu.Unlock()
		if !d.await(next.due) {
			return
		}
		_, err := d.Conn.Write(next.bytes)
		d.mu.Lock()
		d.bytes -= len(next.bytes)
		d.failed = err
		d.mu.Unlock()
		signal(d.room)
		if err != nil {
			return
		}
	}
}

// await waits until a write is due; it returns false if the connection is closed and does not wait
// for the write.
func (d *delayed) await(due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.gone:
	}
	d.mu.Lock()
	late := d.late
	d.mu.Unlock()
	if due.After(late) {
		return false
	}
	<-timer.C
	return true
}

// Close implements net.Conn. Bytes that were written before still leave when they are due.
func (d *delayed) Close() error {
	d.mu.Lock()
	twice := d.closed
	if !twice {
		d.closed = true
		d.late = time.Now().Add(d.links.conditions.Latency + d.links.conditions.Jitter + closeTimeout)
		close(d.gone)
	}
	late := d.late
	d.mu.Unlock()
	if twice {
		return net.ErrClosed
	}
	_ = d.Conn.SetReadDeadline(time.Unix(1, 0)) // makes a waiting read return
	_ = d.Conn.SetWriteDeadline(late)
	signal(d.wake)
	signal(d.room)
	return nil
}

// Read implements net.Conn.
func (d *delayed) Read(p []byte) (int, error) {
	n, err := d.Conn.Read(p)
	if err != nil {
		d.mu.Lock()
		closed := d.closed
		d.mu.Unlock()
		if closed {
			return n, net.ErrClosed
		}
	}
	return n, err
}

// SetDeadline implements net.Conn.
func (d *delayed) SetDeadline(t time.Time) error {
	if err := d.SetWriteDeadline(t); err != nil {
		return err
	}
	return d.SetReadDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (d *delayed) SetReadDeadline(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return net.ErrClosed
	}
	return d.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn. The deadline bounds the wait for room. The socket gets the
// delay of the bytes in addition.
func (d *delayed) SetWriteDeadline(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return net.ErrClosed
	}
	d.deadline = t
	signal(d.room)
	return nil
}
