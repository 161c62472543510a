package batch

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/panjf2000/ants/v2"

	"github.com/lanecast/lanecast/verify"
)

func TestCloseWaitsForRunningBatchesAndCancelsTheRest(t *testing.T) {
	t.Run("own pool", func(t *testing.T) { closeWhileBusy(t, nil) })
	pool, err := ants.NewPool(2, ants.WithNonblocking(true))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.ReleaseTimeout(patience)
	t.Run("shared pool", func(t *testing.T) { closeWhileBusy(t, pool) })
}

func closeWhileBusy(t *testing.T, pool *ants.Pool) {
	b := newBench(t, Config{Workers: 2, BatchSize: 4, Pool: pool})
	f, entered, open := gated(4)
	defer open()
	for i := range 2 {
		b.Submit(f.votes(i, everyone(4)))
		eventually(t, "busy", func() bool { return entered.Load() == int64(i+1) })
	}
	for i := range 10 {
		s := f.votes(2+i, everyone(4))
		s.Unbatched = i == 9
		b.Submit(s)
	}
	closed := make(chan struct{})
	go func() {
		b.Close()
		close(closed)
	}()
	got := b.wait(t, 10)
	for _, v := range got {
		if !errors.Is(v.Err, context.Canceled) || v.CertificateValid || v.Statement.Tag < 2 {
			t.Fatalf("%+v", v)
		}
	}
	select {
	case <-closed:
		t.Fatal("Close did not wait for the batches under way")
	case <-time.After(10 * time.Millisecond):
	}
	open()
	<-closed
	for _, v := range b.wait(t, 2) {
		if v.Certificate == nil || v.Err != nil {
			t.Fatalf("%+v", v)
		}
	}
	b.Close()
	b.Submit(f.votes(50, everyone(4)))
	if v := b.wait(t, 1)[0]; !errors.Is(v.Err, context.Canceled) {
		t.Fatalf("after Close: %+v", v)
	}
	verdicts, err := b.Verify(context.Background(), []*verify.Statement{f.votes(51, everyone(4))})
	if err != nil || len(verdicts) != 1 || !errors.Is(verdicts[0].Err, context.Canceled) {
		t.Fatalf("Verify after Close: %+v, %v", verdicts, err)
	}
}

func TestCloseDoesNotWaitForBatchDelay(t *testing.T) {
	b := newBench(t, Config{Workers: 1, BatchSize: 4, BatchDelay: time.Minute})
	b.Submit(newFake(4, false, 1).votes(0, everyone(4)))
	start := time.Now()
	b.Close()
	if d := time.Since(start); d > patience {
		t.Fatalf("Close took %v", d)
	}
	if v := b.wait(t, 1)[0]; !errors.Is(v.Err, context.Canceled) {
		t.Fatalf("%+v", v)
	}
}

func TestAPanicInASchemeIsReportedAndCostsOnlyItsBatch(t *testing.T) {
	b := newBench(t, Config{Workers: 1, BatchSize: 4})
	f := newFake(4, false, 1)
	reason := errors.New("a mistake of the embedder's")
	var times atomic.Int64
	f.combining = func() {
		switch times.Add(1) {
		case 1:
			panic(reason)
		case 2:
			runtime.Goexit()
		}
	}
	for i := range 3 {
		b.Submit(f.votes(i, everyone(4)))
		v := b.wait(t, 1)[0]
		var p *Panic
		switch i {
		case 0:
			if !errors.Is(v.Err, reason) || !errors.As(v.Err, &p) || !strings.Contains(string(p.Stack), "Combine") {
				t.Fatalf("panic: %+v", v)
			}
			if !strings.Contains(p.Error(), "mistake") || v.CertificateValid || v.Statement.Tag != 0 {
				t.Fatalf("panic: %+v", v)
			}
		case 1:
			if !errors.As(v.Err, &p) || p.Value != nil {
				t.Fatalf("Goexit: %+v", v)
			}
		case 2: // the only worker is still counted correctly
			if v.Certificate == nil {
				t.Fatalf("after both: %+v", v)
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.panics) != 2 || b.panics[0].(*Panic).Value != reason {
		t.Fatalf("reported: %v", b.panics)
	}
	if c := b.Counters(); c.Statements != 1 {
		t.Fatalf("%+v", c)
	}
}

func TestAPanicInACallbackLosesNeitherVerdictsNorWorkers(t *testing.T) {
	var observed, reported atomic.Int64
	pool, err := ants.NewPool(1, ants.WithNonblocking(true), ants.WithPanicHandler(func(any) { reported.Add(1) }))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.ReleaseTimeout(patience)
	v, err := New(Config{
		Workers: 1, BatchSize: 4, Chunks: chunkVerifier, Pool: pool,
		Observe: func(Info) { observed.Add(1); panic("observe") },
		OnPanic: func(any) { panic("on panic") },
	})
	if err != nil {
		t.Fatal(err)
	}
	f := newFake(4, false, 1)
	for i := range 3 {
		got, err := v.Verify(context.Background(), []*verify.Statement{f.votes(i, everyone(4))})
		if err != nil || got[0].Certificate == nil {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	v.Close()
	eventually(t, "the pool's handler is told", func() bool { return observed.Load() == 3 && reported.Load() == 3 })
}

func TestOnePoolServesSeveralVerifiers(t *testing.T) {
	pool, err := ants.NewPool(3, ants.WithNonblocking(true))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.ReleaseTimeout(patience)
	f := newFake(4, false, 1)
	x := newBench(t, Config{Workers: 2, BatchSize: 4, Pool: pool})
	y := newBench(t, Config{Workers: 1, BatchSize: 4, Pool: pool})
	for i := range 300 {
		x.Submit(f.votes(i, everyone(4)))
		y.Submit(f.votes(i, everyone(4)))
	}
	x.wait(t, 300)
	y.wait(t, 300)
	x.Close()
	y.Submit(f.votes(1000, everyone(4)))
	if v := y.wait(t, 1)[0]; v.Certificate == nil {
		t.Fatal("closing one verifier stopped the other")
	}
	if pool.IsClosed() {
		t.Fatal("Close released a pool that is not the verifier's")
	}
}

func TestAFullPoolIsTriedAgain(t *testing.T) {
	pool, err := ants.NewPool(2, ants.WithNonblocking(true))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.ReleaseTimeout(patience)
	busy := make(chan struct{})
	for range 2 {
		if err := pool.Submit(func() { <-busy }); err != nil {
			t.Fatal(err)
		}
	}
	b := newBench(t, Config{Workers: 2, BatchSize: 4, BatchDelay: time.Millisecond, Pool: pool})
	f := newFake(4, false, 1)
	for i := range 3 {
		b.Submit(f.votes(i, everyone(4)))
	}
	time.Sleep(time.Millisecond + 3*poolRetry)
	if n := b.Waiting(); n != 3 {
		t.Fatalf("%d waiting for a pool without room", n)
	}
	close(busy)
	b.wait(t, 3)
	b.Close()
}

func TestAPoolReleasedUnderTheVerifierIsAnErrorOfTheVerifierAndOfEachStatement(t *testing.T) {
	pool, err := ants.NewPool(1, ants.WithNonblocking(true))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, Config{Workers: 1, BatchSize: 4, Pool: pool})
	f := newFake(4, false, 1)
	b.Submit(f.votes(0, everyone(4)))
	b.wait(t, 1)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	_ = pool.ReleaseTimeout(patience)
	// A statement of Verify causes no Notify for its verdict, but Notify is still called for Err.
	got, err := b.Verify(context.Background(), []*verify.Statement{f.votes(1, everyone(4))})
	if err != nil || !errors.Is(got[0].Err, ErrPool) || errors.Is(got[0].Err, context.Canceled) {
		t.Fatalf("%+v, %v", got, err)
	}
	select {
	case <-b.notified:
	case <-time.After(patience):
		t.Fatal("Notify was not called")
	}
	if err := b.Err(); !errors.Is(err, ErrPool) {
		t.Errorf("Err is %v", err)
	}
	b.Submit(f.votes(2, everyone(4)))
	if v := b.wait(t, 1)[0]; !errors.Is(v.Err, ErrPool) {
		t.Fatalf("%+v", v)
	}
}

func TestAPoolReleasedAfterCloseIsNoError(t *testing.T) {
	pool, err := ants.NewPool(1, ants.WithNonblocking(true))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, Config{Workers: 1, BatchSize: 4, Pool: pool})
	b.Close()
	_ = pool.ReleaseTimeout(patience)
	b.Submit(newFake(4, false, 1).votes(0, everyone(4)))
	if v := b.wait(t, 1)[0]; !errors.Is(v.Err, context.Canceled) || b.Err() != nil {
		t.Fatalf("%+v, %v", v, b.Err())
	}
}

// A pool without ants.WithNonblocking blocks its submitters while it is full.
func TestAFullPoolThatBlocksHoldsUpNeitherSubmitNorClose(t *testing.T) {
	pool, err := ants.NewPool(1)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.ReleaseTimeout(patience)
	busy := make(chan struct{})
	if err := pool.Submit(func() { <-busy }); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, Config{Workers: 1, BatchSize: 4, Pool: pool})
	f := newFake(4, false, 1)
	if b.Starved() != 0 {
		t.Error("it starves without a statement")
	}
	b.Submit(f.votes(0, everyone(4))) // the test would end here
	eventually(t, "it says that it has no worker", func() bool { return b.Starved() > time.Millisecond })
	b.Close()
	if v := b.wait(t, 1)[0]; !errors.Is(v.Err, context.Canceled) {
		t.Fatalf("%+v", v)
	}

	other := newBench(t, Config{Workers: 1, BatchSize: 4, Pool: pool})
	other.Submit(f.votes(1, everyone(4)))
	close(busy) // the closed verifier's queued task gets the worker, and gives it back
	if v := other.wait(t, 1)[0]; v.Certificate == nil {
		t.Fatalf("%+v", v)
	}
	eventually(t, "it has a worker", func() bool { return other.Starved() == 0 })
}

func TestAReleasedPoolWakesItsWaiters(t *testing.T) {
	pool, err := ants.NewPool(1)
	if err != nil {
		t.Fatal(err)
	}
	busy := make(chan struct{})
	if err := pool.Submit(func() { <-busy }); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, Config{Workers: 1, BatchSize: 4, Pool: pool})
	b.Submit(newFake(4, false, 1).votes(0, everyone(4)))
	eventually(t, "it waits for the pool", func() bool { return pool.Waiting() == 1 })
	pool.Release()
	if v := b.wait(t, 1)[0]; !errors.Is(v.Err, ErrPool) || !errors.Is(b.Err(), ErrPool) {
		t.Fatalf("%+v, %v", v, b.Err())
	}
	close(busy)
}
