package engine_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// watched is a provider that reports the epochs whose scheme is requested.
type watched struct {
	engine.SchemeProvider
	asked func(epoch uint64)
}

func (w watched) Scheme(epoch uint64) (verify.Scheme, bool) {
	w.asked(epoch)
	return w.SchemeProvider.Scheme(epoch)
}

// held is a scheme whose certificates do not verify until the application is asked for a payload. A
// verification worker that waits for that keeps Run from closing the verifier, so only what Run
// does before can make that call.
type held struct {
	verify.Scheme
	opened    chan struct{} // closed when a certificate is being verified
	asked     chan struct{} // closed when the application is asked
	late      atomic.Bool   // no call came: Run has reached the wait for its workers
	open, ask sync.Once
}

func hold(s verify.Scheme) *held {
	return &held{Scheme: s, opened: make(chan struct{}), asked: make(chan struct{})}
}

func (h *held) Open(s *verify.Statement) (verify.Combination, error) {
	h.open.Do(func() { close(h.opened) })
	select {
	case <-h.asked:
	case <-time.After(5 * time.Second): // otherwise a fault would block the test
		h.late.Store(true)
	}
	return h.Scheme.Open(s)
}

func (h *held) propose(context.Context, engine.Place) (wire.Digest, error) {
	h.ask.Do(func() { close(h.asked) })
	return wire.Digest{}, engine.ErrDeclined
}

// 4.5: Calls are cancelled when they are no longer wanted: their contexts end.
//
// Calls end with the engine. A call that an event requires at the very end is made, with a context
// that has ended, while Run still waits for calls: nothing is called once Run has returned.
func TestRule4_5_TheApplicationIsNotCalledAfterRunHasReturned(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, m *member, h *held, lock wire.Lock, run func() func(), stop func()){
		"told to stop while an epoch is entered": func(
			t *testing.T, m *member, h *held, lock wire.Lock, run func() func(), stop func(),
		) {
			m.config.Schemes = watched{m.config.Schemes, func(epoch uint64) {
				if epoch == 2 { // the loop is entering epoch 1, in which we become a sequencer
					stop()
				}
			}}
			wait := run()
			verified := make(chan error, 1)
			go func() {
				_, err := m.engine.VerifyLocks(context.Background(), []wire.Lock{lock})
				verified <- err
			}()
			<-h.opened
			for range 3 { // usually the loop is asleep then
				status(t, m.engine)
			}
			m.monitor.updates <- 1
			wait()
			if err := <-verified; err != nil && !errors.Is(err, engine.ErrStopped) {
				t.Errorf("VerifyLocks returned %v", err)
			}
		},
		"told to stop while the locks of the configuration are verified": func(
			_ *testing.T, m *member, h *held, lock wire.Lock, run func() func(), stop func(),
		) {
			m.monitor.now, m.config.Adopt = 1, []wire.Lock{lock}
			wait := run()
			<-h.opened
			stop()
			wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSet(t, testkit.Ed25519, 4, 1)
			net, w, members := newCluster(t, s)
			m := members[3] // the lock does not name this member
			lock := certify(t, s, wire.Chunk{Sequencer: members[1].id, Height: 7, Payload: wire.Digest{1}}, 0)
			h := hold(s.Scheme)
			w.schemes[0] = h
			w.sequencers[0] = []wire.PublicKey{members[0].id, members[1].id, members[2].id}
			m.app.propose = h.propose
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			test(t, m, h, lock, func() func() {
				m.open(t, net)
				result := make(chan error, 1)
				go func(e *engine.Engine) { result <- e.Run(ctx) }(m.engine)
				return func() {
					if err := <-result; err != nil {
						t.Errorf("Run returned %v", err)
					}
					m.engine = nil
				}
			}, stop)
			if h.late.Load() {
				t.Error("Run did not wait for a call to the application")
			}
			select {
			case <-h.asked:
			default:
				t.Error("the application was never asked: the test shows nothing")
			}
		})
	}
}

// patientContext ends when its Done has been called the last allowed time.
type patientContext struct {
	context.Context
	end  context.CancelFunc
	left atomic.Int64
}

func newPatientContext(asks int64) *patientContext {
	p := new(patientContext)
	p.Context, p.end = context.WithCancel(context.Background())
	p.left.Store(asks)
	return p
}

func (p *patientContext) Done() <-chan struct{} {
	if p.left.Add(-1) == 0 {
		p.end()
	}
	return p.Context.Done()
}

// 5.10: A validator that recovered is given verified locks: the engine verifies them.
//
// After ctx's error locks may still be adopted, but only those that were verified, even if the
// caller has changed its slice since.
func TestRule5_10_OnlyVerifiedLocksAreAdopted(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	net, _, members := newCluster(t, s)
	m := members[3] // the locks do not name this member
	m.config.Sequencer, m.config.Relay = nil, nil
	entered, leave := make(chan struct{}), make(chan struct{})
	holdLoop := sync.OnceFunc(func() {
		close(entered)
		<-leave
	})
	m.config.Schemes = watched{m.config.Schemes, func(epoch uint64) {
		if epoch == 9 {
			holdLoop()
		}
	}}
	m.open(t, net)
	m.start()
	lane := members[1].id
	certified := func(height uint64) wire.Lock {
		return certify(t, s, wire.Chunk{Sequencer: lane, Height: height, Payload: wire.Digest{1}}, 0)
	}
	// Adopt checks several times whether its context has ended, the last time when the loop has the
	// question. The test counts the checks.
	asks := newPatientContext(1 << 40)
	if err := m.engine.Adopt(asks, certified(1)); err != nil {
		t.Fatal(err)
	}
	looks := 1<<40 - asks.left.Load()
	asks.end()
	m.monitor.updates <- 8
	<-entered
	good := certified(4)
	locks := []wire.Lock{good}
	locks[0].Certificate = append([]byte(nil), good.Certificate...)
	if err := m.engine.Adopt(newPatientContext(looks), locks...); !errors.Is(err, context.Canceled) {
		t.Fatalf("Adopt returned %v", err)
	}
	locks[0].Chunk.Height, locks[0].Chunk.Payload = 7, wire.Digest{9}
	clear(locks[0].Certificate)
	close(leave)
	if _, ok, err := m.engine.Certificate(t.Context(), lane, 7); ok || err != nil {
		t.Errorf("a lock that was not verified: adopted %v, error %v", ok, err)
	}
	l, ok, err := m.engine.Certificate(t.Context(), lane, 4)
	if !ok || err != nil {
		t.Fatalf("the lock that was verified: adopted %v, error %v", ok, err)
	}
	if err := verify.VerifyCertificate(s.Scheme, l.Subject(), l.Certificate); err != nil {
		t.Errorf("it does not verify any more: %v", err)
	}
	if err := m.halt(); err != nil {
		t.Errorf("Run returned %v", err)
	}
}
