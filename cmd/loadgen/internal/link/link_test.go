package link

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

// pair connects two members over the loopback.
func pair(t *testing.T, a, b *Links) (near, far net.Conn) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := b.Listener(inner)
	t.Cleanup(func() { _ = l.Close() })
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	near, err = a.Dial(t.Context(), inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return near, <-accepted
}

func TestALinkWithoutConditionsIsTheSocketItself(t *testing.T) {
	near, far := pair(t, New(Conditions{}, 1), New(Conditions{}, 2))
	for _, c := range []net.Conn{near, far} {
		if _, ok := c.(*net.TCPConn); !ok {
			t.Errorf("a %T", c)
		}
		_ = c.Close()
	}
}

func TestTrafficIsWhatSocketsCarriedAlsoOfThoseThatAreClosed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system does not tell")
	}
	a, b := New(Conditions{}, 1), New(Conditions{Latency: time.Millisecond}, 2)
	var sent uint64
	for range 3 {
		near, far := pair(t, a, b)
		if _, err := near.Write(make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(far, make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
		sent += 5000
		for range 2 { // twice: no connection is counted twice
			if x, y := a.Traffic(), b.Traffic(); x.Sent != sent || y.Received != sent || !x.Known || x.Packets == 0 {
				t.Errorf("%d bytes went; one side counts %+v, the other %+v", sent, x, y)
			}
		}
		_ = near.Close()
		_ = far.Close()
	}
	if x := a.Traffic(); x.Sent != sent {
		t.Errorf("%+v after all are closed", x)
	}
	b.Wait()
}
