package network

import (
	"net"
	"syscall"
)

// lowWaterSocket is a socket whose receive low-water mark (SO_RCVLOWAT) is raised while its
// connection pauses, so that it does not wake the runtime's poller. Otherwise each incoming segment
// would wake a thread that finds no reader, which costs as much as the reads that the pause saves.
type lowWaterSocket struct {
	raw    syscall.RawConn
	raised bool // the mark is raised

	// The arguments and results of calls under way. The functions are made once, so that no call
	// allocates.
	level int
	into  []byte
	n     int
	set   func(fd uintptr)
	read  func(fd uintptr) bool
}

// newLowWaterSocket returns nil for anything but a TCP socket itself: a host's wrapper may return
// other bytes than the socket does.
func newLowWaterSocket(c net.Conn) *lowWaterSocket {
	socket, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	s := &lowWaterSocket{raw: raw}
	s.set = func(fd uintptr) {
		err := syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, s.level)
		s.raised = err == nil && s.level > 1
	}
	s.read = func(fd uintptr) bool {
		s.n, _ = syscall.Read(int(fd), s.into)
		return true // do not wait, whatever came in
	}
	return s
}

// raise makes the socket readable only when that many bytes have come in.
func (s *lowWaterSocket) raise(bytes int) {
	if !s.raised {
		s.level = bytes
		_ = s.raw.Control(s.set)
	}
}

// take reads the bytes that have come in, without waiting. If there are none, or on an error, the
// socket is readable by any byte again and must be read as usual.
func (s *lowWaterSocket) take(p []byte) (n int) {
	if !s.raised {
		return 0
	}
	s.into, s.n = p, 0
	_ = s.raw.Read(s.read)
	s.into = nil
	if s.n <= 0 {
		s.lower()
		return 0
	}
	return s.n
}

// lower makes the socket readable by any byte again.
func (s *lowWaterSocket) lower() {
	if s.raised {
		s.level = 1
		_ = s.raw.Control(s.set)
	}
}
