package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// certify makes the lock of a chunk with the votes of the first quorum, independently of the
// verifier.
func certify(t testing.TB, s *testkit.Set, chunk wire.Chunk, epoch uint64) wire.Lock {
	t.Helper()
	n := len(s.Signers)
	st := &verify.Statement{Scheme: s.Scheme, Subject: wire.Subject{Chunk: chunk, Epoch: epoch}, Signers: wire.NewSigners(n)}
	for i := range verify.Quorum(n) {
		vote, err := s.Signers[i].SignAck(t.Context(), st.Subject)
		if err != nil {
			t.Fatal(err)
		}
		st.Signers.Add(wire.Participant(i))
		st.Slab = append(st.Slab, vote...)
	}
	c, unreadable := s.Scheme.Combine(st, st.Signers)
	if c == nil {
		t.Fatalf("votes %v cannot be read", unreadable)
	}
	return wire.Lock{Chunk: chunk, Epoch: epoch, Certificate: c.AppendCertificate(nil)}
}

func TestVerifyLocksAnswersForEachLock(t *testing.T) {
	for _, kind := range []testkit.Kind{testkit.Multisig, testkit.Threshold, testkit.Ed25519} {
		t.Run(string(kind), func(t *testing.T) {
			s := newSet(t, kind, 4, 1)
			net, _, members := newCluster(t, s)
			m := members[0]
			m.open(t, net)
			m.start()
			chunk := wire.Chunk{Sequencer: m.id, Height: 7, Payload: wire.Digest{1}}
			good := certify(t, s, chunk, 3)
			forOther, unknown, cut, empty := good, good, good, good
			forOther.Chunk.Height = 8
			unknown.Epoch = 1000
			cut.Certificate = good.Certificate[:len(good.Certificate)-1]
			empty.Certificate = nil
			answers, err := m.engine.VerifyLocks(t.Context(), []wire.Lock{good, forOther, unknown, good, cut, empty})
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range []error{
				nil, verify.ErrCertificate, wire.ErrUnknownEpoch, nil, verify.ErrCertificate, verify.ErrCertificate,
			} {
				if !errors.Is(answers[i], want) {
					t.Errorf("lock %d: got %v, want %v", i, answers[i], want)
				}
			}
			if none, err := m.engine.VerifyLocks(t.Context(), nil); err != nil || len(none) != 0 {
				t.Errorf("of no locks: %v, %v", none, err)
			}
		})
	}
}

func TestQueriesWaitForTheRunAndFailAfterIt(t *testing.T) {
	s := newSet(t, testkit.Ed25519, 1, 1)
	net, _, members := newCluster(t, s)
	m := members[0]
	m.open(t, net)
	e := m.engine
	lock := certify(t, s, wire.Chunk{Sequencer: m.id}, 0)
	queries := map[string]func(context.Context) error{
		"Tip":          func(ctx context.Context) error { _, _, err := e.Tip(ctx, m.id); return err },
		"Certificate":  func(ctx context.Context) error { _, _, err := e.Certificate(ctx, m.id, 0); return err },
		"Status":       func(ctx context.Context) error { _, err := e.Status(ctx); return err },
		"EpochsNeeded": func(ctx context.Context) error { _, err := e.EpochsNeeded(ctx); return err },
		"VerifyLocks":  func(ctx context.Context) error { _, err := e.VerifyLocks(ctx, []wire.Lock{lock}); return err },
	}
	for name, query := range queries {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if err := query(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s before the run: %v", name, err)
		}
		cancel()
	}
	m.start()
	for name, query := range queries {
		if err := query(t.Context()); err != nil {
			t.Errorf("%s during the run: %v", name, err)
		}
	}
	if _, ok, err := e.Tip(t.Context(), wire.PublicKey{1}); ok || err != nil {
		t.Errorf("a lane that is not there has a tip: %v, %v", ok, err)
	}
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
	for name, query := range queries {
		if err := query(t.Context()); !errors.Is(err, engine.ErrStopped) {
			t.Errorf("%s after the run: %v", name, err)
		}
	}
}

func TestQueriesDuringAShutdownReturn(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 1, 1)
	net, _, members := newCluster(t, s)
	m := members[0]
	lock := certify(t, s, wire.Chunk{Sequencer: m.id}, 0)
	for range 10 {
		m.open(t, net)
		m.start()
		e, done := m.engine, make(chan error, 2)
		go func() {
			for {
				if _, err := e.Status(context.Background()); err != nil {
					done <- err
					return
				}
			}
		}()
		go func() {
			for {
				if _, err := e.VerifyLocks(context.Background(), []wire.Lock{lock}); err != nil {
					done <- err
					return
				}
			}
		}()
		time.Sleep(2 * time.Millisecond)
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := <-done; !errors.Is(err, engine.ErrStopped) {
				t.Errorf("a query returned %v", err)
			}
		}
	}
}
