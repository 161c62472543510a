package engine_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

func TestShutdownAtAnyMomentLeavesNothingRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	for range 15 {
		startAll(t, net, members)
		time.Sleep(time.Duration(rand.IntN(8000)) * time.Microsecond)
		haltAll(t, members)
		if err := goleak.Find(before); err != nil {
			t.Fatal(err)
		}
	}
	demandSound(t, w.schemes, members)
}

func TestRunUnderAnEndedContextStopsAtOnce(t *testing.T) {
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	m.open(t, net)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.engine.Run(ctx); err != nil {
		t.Errorf("Run returned %v", err)
	}
	m.engine = nil
}

func TestRunAndCloseAreRefusedOutOfTurn(t *testing.T) {
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	startAll(t, net, members)
	eventually(t, "it runs", func() bool { return m.recorder.Height(m.id) > 0 })
	e := m.engine
	if err := e.Run(t.Context()); !errors.Is(err, engine.ErrRunning) {
		t.Errorf("a second Run returned %v", err)
	}
	if err := e.Close(); !errors.Is(err, engine.ErrRunning) {
		t.Errorf("Close of a running engine returned %v", err)
	}
	haltAll(t, members)
	if err := e.Run(t.Context()); !errors.Is(err, engine.ErrStopped) {
		t.Errorf("Run after the end returned %v", err)
	}
	if err := e.Close(); err != nil {
		t.Errorf("Close after the end returned %v", err)
	}
	if _, err := e.Peer(wire.PublicKey{1}); !errors.Is(err, engine.ErrStopped) {
		t.Errorf("Peer after the end returned %v", err)
	}
}

func TestAnEngineThatNeverRanIsGivenBack(t *testing.T) {
	e, err := engine.New(soundConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.Peer(wire.PublicKey{1})
	if err != nil {
		t.Fatal(err)
	}
	waiting := wire.CopyBuffer([]byte("never read"))
	if err := p.DeliverAck(waiting); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Errorf("Close returned %v", err)
		}
	}
	demandReleased(t, waiting)
	if err := p.DeliverAckBytes(nil); !errors.Is(err, engine.ErrStopped) {
		t.Errorf("Deliver returned %v", err)
	}
	if err := e.Run(t.Context()); !errors.Is(err, engine.ErrStopped) {
		t.Errorf("Run returned %v", err)
	}
}

func TestAMonitorThatFailsEndsTheRun(t *testing.T) {
	config := soundConfig(t)
	broken := errors.New("no epochs today")
	config.Monitor = failingMonitor{broken}
	e, err := engine.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Run(t.Context()); !errors.Is(err, engine.ErrMonitor) || !errors.Is(err, broken) {
		t.Errorf("Run returned %v", err)
	}
}

type failingMonitor struct{ err error }

func (m failingMonitor) Epochs(context.Context) (uint64, <-chan uint64, error) { return 0, nil, m.err }

func TestAMonitorMayEndAndStaleEpochsAreIgnored(t *testing.T) {
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	startAll(t, net, members)
	m.monitor.updates <- 2
	m.monitor.updates <- 1
	close(m.monitor.updates)
	eventually(t, "a chunk is locked in epoch 2", func() bool {
		locks := m.recorder.Locks()
		return len(locks) > 0 && locks[len(locks)-1].Epoch == 2
	})
	if s, err := m.engine.Status(t.Context()); err != nil || s.Epoch != 2 {
		t.Errorf("epoch %d, %v", s.Epoch, err)
	}
	haltAll(t, members)
}

func TestAReporterThatFailsEndsTheRun(t *testing.T) {
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	broken := errors.New("database is gone")
	members[0].recorder.Hook = func(context.Context, wire.Activity) error { return broken }
	startAll(t, net, members)
	if err := members[0].ended(t); !errors.Is(err, engine.ErrReporter) || !errors.Is(err, broken) {
		t.Errorf("Run returned %v", err)
	}
}

func TestABlockedReporterStopsTheIntakeAndLosesNoLock(t *testing.T) {
	t.Parallel()
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	slow := members[0]
	slow.config.MaxPendingReports = 4
	gate := make(chan struct{})
	slow.recorder.Hook = func(ctx context.Context, _ wire.Activity) error {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return nil
	}
	startAll(t, net, members)
	eventually(t, "its intake pauses", func() bool {
		s, err := slow.engine.Status(t.Context())
		return err == nil && s.Paused && s.PendingReports >= 4
	})
	eventually(t, "the others go on without it", func() bool { return members[1].recorder.Height(members[2].id) >= 20 })
	status, err := slow.engine.Status(t.Context())
	if err != nil || status.PendingReports > 64 {
		t.Errorf("%d reports wait, %v", status.PendingReports, err)
	}
	close(gate)
	// It caught up from certificates in nodes; each known lock of a lane must be there, exactly
	// once.
	eventually(t, "it goes on", func() bool { return slow.recorder.Height(members[2].id) >= 20 })
	haltAll(t, members)
	demandSound(t, w.schemes, members)
	seen := map[wire.Subject]bool{}
	for _, l := range slow.recorder.Locks() {
		if seen[l.Subject()] {
			t.Errorf("height %d was reported twice in a run", l.Chunk.Height)
		}
		seen[l.Subject()] = true
	}
}

func TestReportsThatWaitAreHandedOverAtTheEnd(t *testing.T) {
	t.Parallel()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	m.app.limit = 50
	m.recorder.Hook = func(context.Context, wire.Activity) error { time.Sleep(time.Millisecond); return nil }
	startAll(t, net, members)
	eventually(t, "all are certified", func() bool {
		s, err := m.engine.Status(t.Context())
		return err == nil && len(s.Lanes) == 1 && s.Lanes[0].Certified == 49
	})
	haltAll(t, members)
	if got := len(m.recorder.Locks()); got != 50 {
		t.Errorf("%d of 50 locks were reported", got)
	}
}

func TestAReporterThatBlocksDoesNotHoldUpTheEnd(t *testing.T) {
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	m.config.DrainTimeout = 20 * time.Millisecond
	var called atomic.Bool
	m.recorder.Hook = func(ctx context.Context, _ wire.Activity) error {
		called.Store(true)
		<-ctx.Done()
		return ctx.Err()
	}
	startAll(t, net, members)
	eventually(t, "the reporter is asked", called.Load)
	haltAll(t, members)
}
