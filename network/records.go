package network

import (
	"errors"
	"net"
	"sync/atomic"
)

// readSize is how many bytes are asked of a socket at once.
const readSize = 64 << 10

// maxHandshake is the most bytes of a peer's handshake, and of what crypto/tls reads ahead. One with
// an Ed25519 certificate takes less than 4 KiB; crypto/tls alone would keep certificates of 256 KiB
// while the connection lives.
const maxHandshake = 16 << 10

var errLongHandshake = errors.New("network: the peer's handshake is too long")

const (
	recordHead = 5                           // type, version, length of a TLS record
	maxRecord  = recordHead + 16<<10 + 2<<10 // more is an alert to crypto/tls, whatever it holds
)

// recordConn lies between crypto/tls and a connection. It reads much at once, counts TLS records, and
// knows when another whole one is there, whose reading will not block, although crypto/tls does not
// tell. For that it relies on crypto/tls reading only when it has no whole record left.
type recordConn struct {
	net.Conn
	buffer     []byte
	start, end int  // what of buffer is not handed up yet
	left       int  // bytes of the record in progress that are not handed up yet
	shaken     bool // the handshake is over
	taken      int  // bytes that were handed up until then
	pending    int  // records that were handed up whole and not read; too many after one without data

	read, written atomic.Uint64 // records; the reader and the writer add to them
}

func newRecordConn(c net.Conn) *recordConn {
	return &recordConn{Conn: c, buffer: make([]byte, readSize)}
}

// Read implements net.Conn. What it returns does not end in the head of a record.
func (c *recordConn) Read(p []byte) (int, error) {
	c.pending = 0
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
		if c.left -= k; c.left == 0 {
			c.pending++
		}
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

// recordAt returns the length of the record whose head is at a place, with the head.
func (c *recordConn) recordAt(place int) int {
	return recordHead + int(c.buffer[place+3])<<8 + int(c.buffer[place+4])
}

// whole reports whether another whole record waits, after one was read.
func (c *recordConn) whole() bool {
	if c.pending > 0 {
		c.pending--
	}
	waiting := c.end - c.start
	return c.pending > 0 || c.left > 0 && waiting >= c.left ||
		c.left == 0 && waiting >= recordHead && waiting >= c.recordAt(c.start)
}

// fill reads once.
func (c *recordConn) fill() error {
	if c.start == c.end {
		c.start, c.end = 0, 0
	} else if len(c.buffer)-c.end < maxRecord {
		c.end = copy(c.buffer, c.buffer[c.start:c.end])
		c.start = 0
	}
	n, err := c.Conn.Read(c.buffer[c.end:])
	if n < 0 || n > len(c.buffer)-c.end { // a Dial or Listener of the host's may return anything
		n = 0
	}
	c.end += n
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

// Write implements net.Conn. crypto/tls calls it once per record, apart from handshakes.
func (c *recordConn) Write(p []byte) (int, error) {
	c.written.Add(1)
	return c.Conn.Write(p)
}
