package network

import (
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// readSize is the number of bytes asked of a socket at once.
const readSize = 64 << 10

// maxHandshake is the highest number of bytes of a peer's handshake, including what crypto/tls
// reads ahead. A handshake with an Ed25519 certificate takes less than 4 KiB; crypto/tls alone
// would keep certificates of 256 KiB while the connection lives.
const maxHandshake = 16 << 10

var errLongHandshake = errors.New("network: the peer's handshake is too long")

const (
	recordHead = 5                           // type, version, length of a TLS record
	maxRecord  = recordHead + 16<<10 + 2<<10 // crypto/tls answers a longer record with an alert
)

// recordConn is the layer between crypto/tls and a connection. It reads many bytes at once, counts
// TLS records, and calls before when the next read may block. For that it relies on crypto/tls
// reading only when it has no complete record left.
type recordConn struct {
	net.Conn
	clock      func() time.Duration
	before     func() (paused bool) // called before the connection is read; may be nil
	lowWater   *lowWaterSocket      // nil if the connection has no low-water mark
	buffer     []byte
	start, end int  // the part of buffer that is not handed up yet
	left       int  // bytes of the record in progress that are not handed up yet
	shaken     bool // the handshake is over
	taken      int  // bytes handed up until then
	filled     int  // bytes that the last read of the connection brought

	lastRead      atomic.Int64  // when a read last brought anything, as a time of clock
	read, written atomic.Uint64 // records; the reader and the writer add to them
}

func newRecordConn(c net.Conn, clock func() time.Duration) *recordConn {
	return &recordConn{Conn: c, clock: clock, lowWater: newLowWaterSocket(c), buffer: make([]byte, readSize)}
}

// Read implements net.Conn. The bytes that it returns never end within the head of a record.
func (c *recordConn) Read(p []byte) (int, error) {
	for c.end-c.start < recordHead && (c.left == 0 || c.end == c.start) {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := 0
	for most := min(len(p), c.end-c.start); n < most; {
		if c.left == 0 {
			if c.end-c.start-n < recordHead {
				break
			}
			c.left = c.recordAt(c.start + n)
			c.read.Add(1)
		}
		k := min(c.left, most-n)
		n += k
		c.left -= k
	}
	if !c.shaken {
		if c.taken += n; c.taken > maxHandshake {
			return 0, errLongHandshake
		}
	}
	copy(p, c.buffer[c.start:c.start+n])
	c.start += n
	return n, nil
}

// recordAt returns the length of the record whose head starts at a place, including the head.
func (c *recordConn) recordAt(place int) int {
	return recordHead + int(c.buffer[place+3])<<8 + int(c.buffer[place+4])
}

// fill reads the connection once.
func (c *recordConn) fill() error {
	if c.start == c.end {
		c.start, c.end = 0, 0
	} else if len(c.buffer)-c.end < maxRecord {
		c.end = copy(c.buffer, c.buffer[c.start:c.end])
		c.start = 0
	}
	paused := c.before != nil && c.before()
	n, err := 0, error(nil)
	if c.lowWater != nil {
		if paused {
			n = c.lowWater.take(c.buffer[c.end:])
		} else {
			c.lowWater.lower()
		}
	}
	if n == 0 {
		n, err = c.Conn.Read(c.buffer[c.end:])
	}
	if n < 0 || n > len(c.buffer)-c.end { // a Dial or Listener of the host's may return anything
		n = 0
	}
	c.end += n
	c.filled = n
	if n > 0 {
		c.lastRead.Store(int64(c.clock()))
		return nil // an error comes again
	}
	return err
}

// Write implements net.Conn. crypto/tls calls it once per record, apart from handshakes.
func (c *recordConn) Write(p []byte) (int, error) {
	c.written.Add(1)
	return c.Conn.Write(p)
}
