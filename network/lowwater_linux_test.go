package network

import (
	"net"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/testkit"
)

// socketPair returns both ends of a connection over loopback.
func socketPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestASocketWithARaisedMarkGivesItsBytesAndWakesItsReaderWhenItHasNone(t *testing.T) {
	a, b := socketPair(t)
	s := newLowWaterSocket(a)
	p := make([]byte, 100)
	if n := s.take(p); n != 0 {
		t.Fatalf("a socket whose mark is not raised gave %d bytes", n)
	}
	for range 3 {
		s.raise(minRead)
		if !s.raised {
			t.Fatal("the mark is not raised")
		}
		if _, err := b.Write([]byte("few")); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "the bytes are there", func() bool {
			s.raise(minRead) // a take of nothing has lowered it
			return string(p[:s.take(p)]) == "few"
		})
		if n := s.take(p); n != 0 || s.raised {
			t.Fatalf("an empty socket gave %d bytes, and its mark is still raised: %v", n, s.raised)
		}
		go func() { _, _ = b.Write([]byte("one by one")) }()
		_ = a.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := a.Read(p); err != nil || n == 0 {
			t.Fatalf("a reader was not woken: %d bytes, %v", n, err)
		} else if string(p[:n]) != "one by one" {
			t.Fatalf("read %q", p[:n])
		}
	}
	s.raise(minRead)
	b.Close()
	testkit.Eventually(t, "the end is there", func() bool {
		_ = a.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := a.Read(p)
		return n == 0 && err != nil
	})
}

// wrapped is a host's own connection type, with all methods of a socket.
type wrapped struct{ *net.TCPConn }

func TestOnlySocketsThemselvesHaveALowWaterMark(t *testing.T) {
	a, _ := socketPair(t)
	for _, c := range []net.Conn{new(memoryConn), wrapped{a.(*net.TCPConn)}} {
		if newLowWaterSocket(c) != nil {
			t.Errorf("the mark of a %T can be raised", c)
		}
	}
}
