package network

import (
	"net"
	"syscall"
)

// quietSocket is a socket that does not wake the runtime's poller while its connection pauses.
// Otherwise each incoming segment would wake a thread that finds no reader, which costs as much as
// the reads that the pause saves.
type quietSocket struct {
	raw   syscall.RawConn
	quiet bool

	// The arguments and results of calls under way. The functions are made once, so that no call
	// allocates.
	level int
	into  []byte
	n     int
	set   func(fd uintptr)
	read  func(fd uintptr) bool
}

// newQuietSocket returns nil for anything but a TCP socket itself: a host's wrapper may return
// other bytes than the socket does.
func newQuietSocket(c net.Conn) *quietSocket {
	socket, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	q := &quietSocket{raw: raw}
	q.set = func(fd uintptr) {
		err := syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, q.level)
		q.quiet = err == nil && q.level > 1
	}
	q.read = func(fd uintptr) bool {
		q.n, _ = syscall.Read(int(fd), q.into)
		return true // do not wait, whatever came in
	}
	return q
}

// hush makes the socket readable only when that many bytes have come in.
func (q *quietSocket) hush(bytes int) {
	if !q.quiet {
		q.level = bytes
		_ = q.raw.Control(q.set)
	}
}

// take reads the bytes that have come in, without waiting. If there are none, or on an error, the
// socket is readable by any byte again and must be read as usual.
func (q *quietSocket) take(p []byte) (n int) {
	if !q.quiet {
		return 0
	}
	q.into, q.n = p, 0
	_ = q.raw.Read(q.read)
	q.into = nil
	if q.n <= 0 {
		q.speak()
		return 0
	}
	return q.n
}

// speak makes the socket readable by any byte again.
func (q *quietSocket) speak() {
	if q.quiet {
		q.level = 1
		_ = q.raw.Control(q.set)
	}
}
