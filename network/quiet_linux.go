package network

import (
	"net"
	"syscall"
)

// quietSocket is a socket of which the runtime's poller hears nothing while its connection pauses.
// Otherwise each segment that comes in would wake a thread that finds nobody to read it, which costs
// as much as the reads that the pause saves.
type quietSocket struct {
	raw   syscall.RawConn
	quiet bool

	// Of the calls under way; the functions are made once, so that no call allocates.
	level int
	into  []byte
	n     int
	set   func(fd uintptr)
	read  func(fd uintptr) bool
}

// newQuietSocket returns nil for all but sockets of TCP themselves: what a host has wrapped around one
// may give other bytes than the socket does.
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
		return true // whatever came, do not wait
	}
	return q
}

// hush lets the socket be readable only when so many bytes have come in.
func (q *quietSocket) hush(bytes int) {
	if !q.quiet {
		q.level = bytes
		_ = q.raw.Control(q.set)
	}
}

// take reads what has come in, without waiting. If that is nothing, or an error, the socket is
// readable by any byte again, and is to be read as usual.
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

// speak ends what hush began.
func (q *quietSocket) speak() {
	if q.quiet {
		q.level = 1
		_ = q.raw.Control(q.set)
	}
}
