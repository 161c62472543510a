package engine_test

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/panjf2000/ants/v2"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

func newPool(t *testing.T, size int, options ...ants.Option) *ants.Pool {
	t.Helper()
	pool, err := ants.NewPool(size, append(options, ants.WithDisablePurge(true))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.ReleaseTimeout(patience) })
	return pool
}

// Without workers, an engine would run forever and certify nothing.
func TestAPoolReleasedWhileTheEngineRunsEndsTheRunWithAnError(t *testing.T) {
	t.Parallel()
	pool := newPool(t, 2, ants.WithNonblocking(true))
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	m.config.Pool, m.config.Workers = pool, 2
	startAll(t, net, members)
	eventually(t, "the lane grows", func() bool { return m.recorder.Height(m.id) > 3 })
	pool.Release()
	if err := m.ended(t); !errors.Is(err, engine.ErrPool) {
		t.Errorf("Run returned %v", err)
	}
}

// A caller that waits for a verdict is told as well.
func TestLocksCannotBeVerifiedOnAReleasedPool(t *testing.T) {
	t.Parallel()
	pool := newPool(t, 2, ants.WithNonblocking(true))
	m, s, _ := quiet(t)
	config := m.config
	config.Journal = engine.JournalConfig{Dir: t.TempDir(), Create: true}
	config.Pool, config.Workers = pool, 2
	e, err := engine.New(config)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- e.Run(t.Context()) }()
	lock := certify(t, s, wire.Chunk{Sequencer: s.Scheme.Participants()[0]}, 0)
	if verdicts, err := e.VerifyLocks(t.Context(), []wire.Lock{lock}); err != nil || verdicts[0] != nil {
		t.Fatalf("%v, %v", verdicts, err)
	}
	pool.Release()
	if verdicts, err := e.VerifyLocks(t.Context(), []wire.Lock{lock}); err == nil {
		t.Errorf("the verdicts are %v", verdicts)
	}
	if err := <-result; !errors.Is(err, engine.ErrPool) {
		t.Errorf("Run returned %v", err)
	}
}

func TestAReleasedPoolIsRefused(t *testing.T) {
	pool := newPool(t, 8)
	pool.Release()
	config := soundConfig(t)
	config.Pool = pool
	var wrong *engine.ConfigError
	if _, err := engine.New(config); !errors.As(err, &wrong) || wrong.Field != "Pool" {
		t.Errorf("New returned %v", err)
	}
}

// 5.7: The loop never waits.
//
// A pool without ants.WithNonblocking blocks the goroutine that gives it a task while it is full.
func TestRule5_7_AFullPoolThatBlocksHoldsUpNeitherTheLoopNorTheEnd(t *testing.T) {
	t.Parallel()
	pool := newPool(t, 1)
	busy := make(chan struct{})
	if err := pool.Submit(func() { <-busy }); err != nil {
		t.Fatal(err)
	}
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	m.config.Pool, m.config.Workers = pool, 1
	log := new(logged)
	m.config.Logger = slog.New(slog.NewTextHandler(log, nil))
	startAll(t, net, members)
	eventually(t, "a statement waits", func() bool { return status(t, m.engine).Statements > 0 })
	eventually(t, "it is logged", func() bool {
		status(t, m.engine) // the loop answers, and checks the pool
		return log.has("Pool has had no goroutine for us")
	})
	if err := m.halt(); err != nil {
		t.Errorf("Run returned %v", err)
	}
	close(busy)
}

// Once a full pool has room the engine continues, with any user of the pool and any panic handler.
func TestAFullPoolIsUsedOnceItHasRoom(t *testing.T) {
	t.Parallel()
	for _, options := range [][]ants.Option{
		{ants.WithNonblocking(true)}, {ants.WithMaxBlockingTasks(1)}, {}, {ants.WithPanicHandler(func(v any) { panic(v) })},
	} {
		pool := newPool(t, 1, options...)
		busy := make(chan struct{})
		if err := pool.Submit(func() { <-busy }); err != nil {
			t.Fatal(err)
		}
		net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
		m := members[0]
		m.config.Pool, m.config.Workers = pool, 1
		startAll(t, net, members)
		eventually(t, "a statement waits", func() bool { return status(t, m.engine).Statements > 0 })
		pool.Tune(0) // which has no effect
		close(busy)
		eventually(t, "the lane grows", func() bool { return m.recorder.Height(m.id) > 3 })
		haltAll(t, members)
	}
}
