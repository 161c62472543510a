package link

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// delayedPipe returns both ends of a connection; writes to the first are delayed.
func delayedPipe(c Conditions) (*Links, net.Conn, net.Conn) {
	l := New(c, 1)
	a, b := net.Pipe()
	return l, newDelayed(l, a), b
}

// arrival is the time after the begin at which a byte came.
type arrival struct {
	value byte
	after time.Duration
}

// arrivals reads bytes until the connection ends.
func arrivals(c net.Conn, began time.Time) (list []arrival) {
	b := make([]byte, 1)
	for {
		if _, err := c.Read(b); err != nil {
			return list
		}
		list = append(list, arrival{b[0], time.Since(began)})
	}
}

func TestWritesComeLaterByTheLatencyAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a, b := delayedPipe(Conditions{Latency: 20 * time.Millisecond, Jitter: 5 * time.Millisecond})
		began := time.Now()
		var got []arrival
		done := make(chan struct{})
		go func() {
			defer close(done)
			got = arrivals(b, began)
		}()
		for i := range 50 {
			if _, err := a.Write([]byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(began); took != 50*time.Millisecond {
			t.Errorf("writing took %v: it waits for the latency", took)
		}
		_ = a.Close()
		<-done
		if len(got) != 50 {
			t.Fatalf("%d bytes came of 50", len(got))
		}
		for i, g := range got {
			sent := time.Duration(i) * time.Millisecond
			if g.value != byte(i) || g.after < sent+20*time.Millisecond || g.after > sent+25*time.Millisecond {
				t.Errorf("byte %d: %+v", i, g)
			}
		}
		l.Wait()
	})
}

func TestBandwidthIsSharedByTheConnectionsOfAMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Conditions{Bandwidth: 1000}, 1)
		began := time.Now()
		var ends []time.Duration
		done := make(chan time.Duration)
		for range 2 {
			near, far := net.Pipe()
			a := newDelayed(l, near)
			go func() {
				_, _ = io.ReadFull(far, make([]byte, 500))
				done <- time.Since(began)
			}()
			if _, err := a.Write(make([]byte, 500)); err != nil {
				t.Fatal(err)
			}
			defer a.Close()
		}
		for range 2 {
			ends = append(ends, <-done)
		}
		if ends[0] != 500*time.Millisecond || ends[1] != time.Second {
			t.Errorf("500 bytes on each of two connections at 1000 bytes/s came after %v", ends)
		}
	})
}

func TestAWriteWaitsWhileTooMuchIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a, b := delayedPipe(Conditions{Latency: time.Second})
		half := make([]byte, mostUnderWay/2)
		for range 2 {
			if _, err := a.Write(half); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := a.Write([]byte{1}); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 100*time.Millisecond {
			t.Errorf("a write with no room: %v after %v", err, time.Since(began))
		}
		if err := a.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, b) }()
		if _, err := a.Write([]byte{1}); err != nil || time.Since(began) != time.Second {
			t.Errorf("a write that waits for room: %v after %v", err, time.Since(began))
		}
		_ = a.Close()
		l.Wait()
		_ = b.Close()
	})
}

func TestClosingEndsReadsAtOnceAndSendsWhatWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a, b := delayedPipe(Conditions{Latency: 300 * time.Millisecond})
		began := time.Now()
		if _, err := a.Write([]byte("goodbye")); err != nil {
			t.Fatal(err)
		}
		read := make(chan error)
		go func() {
			_, err := a.Read(make([]byte, 1))
			read <- err
		}()
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-read; !errors.Is(err, net.ErrClosed) || time.Since(began) != 0 {
			t.Errorf("reading ended with %v after %v", err, time.Since(began))
		}
		if _, err := a.Write([]byte("more")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("writing to a closed connection: %v", err)
		}
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, []byte("goodbye")) || time.Since(began) != 300*time.Millisecond {
			t.Errorf("%q, %v after %v", got, err, time.Since(began))
		}
		l.Wait()
	})
}

func TestClosingDoesNotWaitForAPeerThatReadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a, b := delayedPipe(Conditions{Latency: time.Millisecond, Bandwidth: 1000})
		for range 10 {
			if _, err := a.Write(make([]byte, 10000)); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		_ = a.Close()
		l.Wait()
		if took := time.Since(began); took > closeTimeout+time.Second {
			t.Errorf("a closed connection took %v", took)
		}
		_ = b.Close()
	})
}

func TestAnErrorOfTheSocketIsThatOfALaterWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a, b := delayedPipe(Conditions{Latency: time.Millisecond})
		_ = b.Close()
		if _, err := a.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
		if _, err := a.Write([]byte{1}); err == nil {
			t.Error("no error")
		}
		_ = a.Close()
		l.Wait()
	})
}
