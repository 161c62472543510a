package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

func TestAnUncertifiedChunkIsSentAgainEveryRebroadcastTimeout(t *testing.T) {
	s := newSet(t, testkit.Ed25519, 4, 1)
	synctest.Test(t, func(t *testing.T) {
		net, _, members := newCluster(t, s)
		m := members[0]
		spy := &sendLog{}
		m.config.Sender, m.config.RebroadcastTimeout = spy, 7*time.Second
		m.open(t, net)
		m.start()
		time.Sleep(30 * time.Second)
		if err := m.halt(); err != nil {
			t.Error(err)
		}
		if len(spy.nodes) != 5 {
			t.Fatalf("it was sent %d times in 30 s", len(spy.nodes))
		}
		for i, at := range spy.nodes[1:] {
			if got := at.Sub(spy.nodes[i]); got != 7*time.Second {
				t.Errorf("sent again after %v", got)
			}
		}
	})
}

func TestAnIdleEngineSleeps(t *testing.T) {
	s := newSet(t, testkit.Ed25519, 4, 1)
	synctest.Test(t, func(t *testing.T) {
		net, _, members := newCluster(t, s)
		m := members[0]
		m.config.Sequencer, m.config.Relay = nil, nil
		m.open(t, net)
		m.start()
		began := time.Now()
		time.Sleep(23 * time.Hour) // returns at once only if nothing in the bubble is busy
		if s := status(t, m.engine); s.Inbox != 0 || time.Since(began) != 23*time.Hour {
			t.Errorf("status %+v", s)
		}
		if err := m.halt(); err != nil {
			t.Error(err)
		}
	})
}

func TestASenderThatBlocksCostsMessagesNotProgress(t *testing.T) {
	t.Parallel()
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	stuck := members[0]
	spy := &sendLog{gate: make(chan struct{})}
	stuck.config.Sender, stuck.config.MaxOutbox = spy, 1
	startAll(t, net, members)
	eventually(t, "it drops messages and follows the others", func() bool {
		return status(t, stuck.engine).Counters.OutboxDropped > 3 && stuck.recorder.Height(members[1].id) >= 10
	})
	close(spy.gate)
	eventually(t, "it sends again", func() bool {
		spy.mu.Lock()
		defer spy.mu.Unlock()
		return len(spy.nodes) > 0
	})
	haltAll(t, members)
	demandSound(t, w.schemes, members)
}

func TestAnApplicationThatIsSlowForOneLaneHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	held := members[0].id
	gate := make(chan struct{})
	var most, now atomic.Int32
	for _, m := range members {
		m.app.verify = func(ctx context.Context, at engine.Place, payload wire.Digest) (bool, error) {
			if at.Sequencer == held {
				if m == members[1] {
					most.Store(max(most.Load(), now.Add(1)))
					defer now.Add(-1)
				}
				select {
				case <-gate:
				case <-ctx.Done():
					return false, ctx.Err()
				}
			}
			return payload == payloadAt(at), nil
		}
	}
	startAll(t, net, members)
	eventually(t, "the other lanes grow", func() bool { return members[0].recorder.Height(members[1].id) >= 10 })
	if got := members[0].recorder.Height(held); got != 0 {
		t.Errorf("the held lane has %d locks", got)
	}
	close(gate)
	eventually(t, "the held lane grows", func() bool { return members[1].recorder.Height(held) >= 3 })
	haltAll(t, members)
	demandSound(t, w.schemes, members)
	if most.Load() != 1 {
		t.Errorf("%d questions about one lane were open at once", most.Load())
	}
}

func TestASignerThatFailsIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 1, 1)
	net, w, members := newCluster(t, s)
	m := members[0]
	var acks, chunks atomic.Int32
	for e := range m.config.Schemes.(provider).signers {
		m.config.Schemes.(provider).signers[e] = flakySigner{s.Signers[0], &acks}
	}
	m.config.Sequencer = flakyChunks{s.ChunkSigners[0], &chunks}
	startAll(t, net, members)
	eventually(t, "the lane grows", func() bool { return m.recorder.Height(m.id) >= 3 })
	haltAll(t, members)
	demandSound(t, w.schemes, members)
	if acks.Load() < 4 || chunks.Load() < 4 {
		t.Errorf("signers were asked %d and %d times", acks.Load(), chunks.Load())
	}
}

func TestAReporterMayAskTheEngineAlsoWhileItStops(t *testing.T) {
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	var mu sync.Mutex
	var answers []error
	m.open(t, net)
	e := m.engine
	m.recorder.Hook = func(context.Context, wire.Activity) error {
		_, err := e.Status(context.Background())
		mu.Lock()
		defer mu.Unlock()
		answers = append(answers, err)
		return nil
	}
	m.start()
	eventually(t, "it was answered", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(answers, nil)
	})
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
	for _, err := range answers {
		if err != nil && !errors.Is(err, engine.ErrStopped) {
			t.Errorf("Status returned %v", err)
		}
	}
}

func TestErrorsNameTheProblem(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&engine.ConfigError{Field: "Workers", Want: "0 (default) or 1 to 1024", Got: -1},
			"engine: bad configuration: Workers must be 0 (default) or 1 to 1024, got -1"},
		{&engine.PanicError{In: "Automaton.Verify", Value: "oh"}, "engine: panic in Automaton.Verify: oh"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
