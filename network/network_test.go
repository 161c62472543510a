package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lanecast/lanecast/wire"
)

// TestMain turns the test program into a process that a test can stop and kill, if a test started
// it as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "process" {
		runProcess(os.Args[2])
		return
	}
	goleak.VerifyTestMain(m)
}

// bubble runs a test in virtual time with a world of n processes.
func bubble(t *testing.T, n int, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, n)) })
}

func TestPeersConnectOnBothClassesAndExchangeMessagesInOrder(t *testing.T) {
	bubble(t, 3, func(t *testing.T, w *world) {
		all := []*process{w.start(0, nil), w.start(1, nil), w.start(2, nil)}
		after(time.Second)
		for i, p := range all {
			if len(p.connected()) != 2 {
				t.Fatalf("process %d has %d peers", i, len(p.connected()))
			}
			var to []wire.PublicKey
			for j := range all {
				if j != i {
					to = append(to, w.id(j))
					if live, settled := p.liveConns(w.id(j)); live != 2 || !settled {
						t.Errorf("process %d has %d live connections to %d", i, live, j)
					}
				}
			}
			for k := range 100 {
				p.n.Send(to, typeNode, fmt.Appendf(nil, "%d", k))
			}
		}
		after(time.Second)
		var want []string
		for k := range 100 {
			want = append(want, fmt.Sprint(k))
		}
		for i, p := range all {
			for j := range all {
				if j != i && !slices.Equal(p.from(w.id(j)), want) {
					t.Errorf("process %d got %q from %d", i, p.from(w.id(j)), j)
				}
			}
		}
		stopAll(t, all...)
		if w.net.Open() != 0 {
			t.Errorf("%d connections are open", w.net.Open())
		}
	})
}

func TestARequestIsAnsweredOrSaidToBeUnanswered(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a := w.start(0, nil)
		b := w.start(1, &recorder{answer: func(ctx context.Context, _ Type, request []byte, reply func(Type, []byte) error) {
			switch string(request) {
			case "silent":
			case "slow":
				<-ctx.Done()
			case "wrong":
				if err := reply(typeBody, nil); !errors.Is(err, ErrType) {
					t.Errorf("replying with no answer: %v", err)
				}
				if err := reply(typePiece, make([]byte, 69<<10)); !errors.Is(err, ErrTooLong) {
					t.Errorf("replying at length: %v", err)
				}
			default:
				if err := reply(typePiece, append([]byte("re "), request...)); err != nil {
					t.Errorf("replying: %v", err)
				}
				if err := reply(typePiece, nil); !errors.Is(err, ErrReplied) {
					t.Errorf("replying twice: %v", err)
				}
			}
		}})
		after(time.Second)
		ask := func(request string) (string, error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			m, err := a.n.Request(ctx, w.id(1), typePieceRequest, []byte(request))
			defer m.Buffer.Release()
			return string(m.Buffer.Bytes()), err
		}
		if got, err := ask("a"); got != "re a" || err != nil {
			t.Errorf("answered %q, %v", got, err)
		}
		for request, want := range map[string]error{"silent": ErrUnanswered, "wrong": ErrUnanswered, "slow": context.DeadlineExceeded} {
			if _, err := ask(request); !errors.Is(err, want) {
				t.Errorf("%s: %v", request, err)
			}
		}
		if _, err := a.n.Request(t.Context(), w.id(1), typeNode, nil); !errors.Is(err, ErrType) {
			t.Errorf("asking with no request: %v", err)
		}
		if _, err := a.n.Request(t.Context(), w.id(1), typePieceRequest, make([]byte, 129)); !errors.Is(err, ErrTooLong) {
			t.Errorf("asking at length: %v", err)
		}
		if _, err := a.n.Request(t.Context(), publicKey(testKey(9)), typePieceRequest, nil); !errors.Is(err, ErrNotConnected) {
			t.Errorf("asking a stranger: %v", err)
		}
		slow := make(chan error, 1)
		go func() {
			_, err := a.n.Request(t.Context(), w.id(1), typePieceRequest, []byte("slow"))
			slow <- err
		}()
		synctest.Wait()
		b.stop(t)
		if err := <-slow; !errors.Is(err, ErrDisconnected) {
			t.Errorf("asking one who stops: %v", err)
		}
		a.stop(t)
	})
}

func TestDisconnectedIsCalledWhenTheLastCallOfServeHasReturned(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		serving, release := make(chan struct{}), make(chan struct{})
		a := w.start(0, nil)
		b := w.start(1, &recorder{answer: func(context.Context, Type, []byte, func(Type, []byte) error) {
			close(serving)
			<-release
		}})
		after(time.Second)
		go func() { _, _ = a.n.Request(t.Context(), w.id(1), typePieceRequest, nil) }()
		<-serving
		a.stop(t)
		after(time.Second)
		if b.reason(a.id) != nil {
			t.Error("a peer was reported gone while its request was served")
		}
		close(release)
		synctest.Wait()
		if !errors.Is(b.reason(a.id), ErrShutdown) {
			t.Errorf("reported: %v", b.reason(a.id))
		}
		b.stop(t)
	})
}
