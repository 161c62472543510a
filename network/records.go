package network

import (
	"net"
	"sync/atomic"
)

// readSize is how many bytes are asked of a socket at once.
const readSize = 64 << 10

const (
	recordHead = 5                           // type, version, length of a TLS record
	maxRecord  = recordHead + 16<<10 + 2<<10 // more is an alert to crypto/tls, whatever it holds
)

// recordConn lies between crypto/tls and a connection. It reads much at once, hands one TLS record
// at a time up, and counts records. So it knows when another whole record is there, whose reading
// will not block, although crypto/tls does not tell.
type recordConn struct {
	net.Conn
	buffer     []byte
	start, end int // what of buffer is not read yet
	left       int // bytes of the record in progress that are not handed up yet

	read, written atomic.Uint64 // records; the reader and the writer add to them
}

func newRecordConn(c net.Conn) *recordConn {
	return &recordConn{Conn: c, buffer: make([]byte, readSize)}
}

// Read implements net.Conn. It returns bytes of one record only.
func (c *recordConn) Read(p []byte) (int, error) {
	if c.left == 0 {
		for c.end-c.start < recordHead {
			if err := c.fill(); err != nil {
				return 0, err
			}
		}
		c.left = c.nextRecord()
		c.read.Add(1)
	}
	if c.end == c.start {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buffer[c.start:min(c.end, c.start+c.left)])
	c.start += n
	c.left -= n
	return n, nil
}

// nextRecord returns the length of the record whose head is next, with the head.
func (c *recordConn) nextRecord() int {
	return recordHead + int(c.buffer[c.start+3])<<8 + int(c.buffer[c.start+4])
}

// whole reports whether a whole record waits.
func (c *recordConn) whole() bool {
	return c.left == 0 && c.end-c.start >= recordHead && c.end-c.start >= c.nextRecord()
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
