package batch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/panjf2000/ants/v2"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

const patience = 10 * time.Second

// bench is a verifier under test, with the batches and panics that it reported.
type bench struct {
	*Verifier
	notified chan struct{}
	mu       sync.Mutex
	batches  []Info
	panics   []any
}

func newBench(t testing.TB, o Config) *bench {
	t.Helper()
	b := &bench{notified: make(chan struct{}, 1)}
	o.Chunks = chunkVerifier
	o.Notify = func() {
		select {
		case b.notified <- struct{}{}:
		default:
		}
	}
	o.Observe = func(i Info) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.batches = append(b.batches, i)
	}
	o.OnPanic = func(p any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.panics = append(b.panics, p)
	}
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.Verifier = v
	t.Cleanup(v.Close)
	return b
}

// wait returns n verdicts in order of their tags.
func (b *bench) wait(t testing.TB, n int) []verify.Verdict {
	t.Helper()
	var got []verify.Verdict
	deadline := time.After(patience)
	for got = b.Verdicts(got); len(got) < n; got = b.Verdicts(got) {
		select {
		case <-b.notified:
		case <-deadline:
			t.Fatalf("%d verdicts of %d", len(got), n)
		}
	}
	if len(got) > n {
		t.Fatalf("%d verdicts, want %d", len(got), n)
	}
	slices.SortFunc(got, func(x, y verify.Verdict) int { return int(x.Statement.Tag) - int(y.Statement.Tag) })
	return got
}

// sizes waits until n batches are observed and returns their sizes. Verdicts arrive shortly before
// that.
func (b *bench) sizes(t testing.TB, n int) (sizes []int) {
	t.Helper()
	eventually(t, "batches observed", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.batches) >= n
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range b.batches {
		sizes = append(sizes, i.Statements)
	}
	return sizes
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(50 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// gated returns a scheme whose Combine waits until open is closed; entered counts the calls of
// Combine.
func gated(n int) (f *fake, entered *atomic.Int64, open func()) {
	f, entered = newFake(n, false, 1), new(atomic.Int64)
	gate := make(chan struct{})
	f.combining = func() {
		entered.Add(1)
		<-gate
	}
	return f, entered, sync.OnceFunc(func() { close(gate) })
}

func TestFieldsOutsideTheirRangeAreRefusedByName(t *testing.T) {
	small, err := ants.NewPool(1)
	if err != nil {
		t.Fatal(err)
	}
	defer small.ReleaseTimeout(patience)
	released, err := ants.NewPool(8)
	if err != nil {
		t.Fatal(err)
	}
	released.Release()
	for field, change := range map[string]func(*Config){
		"Workers":    func(o *Config) { o.Workers = 0 },
		"Workers ":   func(o *Config) { o.Workers = MaxWorkers + 1 },
		"BatchSize":  func(o *Config) { o.BatchSize = 0 },
		"BatchSize ": func(o *Config) { o.BatchSize = MaxBatchSize + 1 },
		"BatchDelay": func(o *Config) { o.BatchDelay = -1 },
		"Chunks":     func(o *Config) { o.Chunks = nil },
		"Pool":       func(o *Config) { o.Pool = small },
		"Pool ":      func(o *Config) { o.Pool = released },
	} {
		o := Config{Workers: 2, BatchSize: 8, Chunks: chunkVerifier}
		change(&o)
		if _, err := New(o); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), strings.TrimSpace(field)) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestUnderLowLoadAStatementIsVerifiedAtOnceInABatchOfItsOwn(t *testing.T) {
	b := newBench(t, Config{Workers: 2, BatchSize: 64})
	f := newFake(4, false, 1)
	for i := range 5 {
		b.Submit(f.votes(i, everyone(4)))
		if v := b.wait(t, 1)[0]; v.Certificate == nil || v.Statement.Tag != uint64(i) {
			t.Fatalf("%+v", v)
		}
	}
	if sizes := b.sizes(t, 5); !slices.Equal(sizes, []int{1, 1, 1, 1, 1}) {
		t.Fatalf("batches of %v", sizes)
	}
	if c := b.Counters(); c != (Counters{Statements: 5}) {
		t.Fatalf("%+v", c)
	}
}

func TestBatchesGrowWhileAllWorkersAreBusyUpToBatchSize(t *testing.T) {
	b := newBench(t, Config{Workers: 2, BatchSize: 8})
	f, entered, open := gated(4)
	defer open()
	for i := range 2 {
		b.Submit(f.votes(i, everyone(4)))
		eventually(t, "a worker for each", func() bool { return entered.Load() == int64(i+1) })
	}
	for i := range 21 {
		b.Submit(f.votes(2+i, everyone(4)))
	}
	if b.Waiting() != 21 || entered.Load() != 2 {
		t.Fatalf("%d waiting, %d begun", b.Waiting(), entered.Load())
	}
	open()
	b.wait(t, 23)
	sizes := b.sizes(t, 5)
	slices.Sort(sizes)
	if !slices.Equal(sizes, []int{1, 1, 5, 8, 8}) {
		t.Fatalf("batches of %v", sizes)
	}
	if b.Waiting() != 0 {
		t.Fatal("something waits still")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range b.batches {
		if i.Duration <= 0 || i.Unbatched {
			t.Errorf("%+v", i)
		}
	}
}

func TestAnUnbatchedStatementIsNeverBatchedAndNeverStarves(t *testing.T) {
	b := newBench(t, Config{Workers: 1, BatchSize: 4})
	f, entered, open := gated(4)
	defer open()
	b.Submit(f.votes(0, everyone(4)))
	eventually(t, "the worker is busy", func() bool { return entered.Load() == 1 })
	for i := range 12 {
		s := f.votes(1+i, everyone(4))
		s.Unbatched = i >= 8
		b.Submit(s)
	}
	open()
	for _, v := range b.wait(t, 13) {
		if v.Certificate == nil {
			t.Fatalf("%+v", v)
		}
	}
	// 0, then 1 to 8 in two batches and 9 to 12 one by one, alternately while both lists have
	// statements.
	if sizes := b.sizes(t, 7); !slices.Equal(sizes, []int{1, 1, 4, 1, 4, 1, 1}) && !slices.Equal(sizes, []int{1, 4, 1, 4, 1, 1, 1}) {
		t.Fatalf("batches of %v", sizes)
	}
	unbatched := 0
	for _, i := range b.batches {
		if i.Unbatched {
			unbatched++
		}
	}
	if unbatched != 4 {
		t.Fatalf("%d were unbatched", unbatched)
	}
}

func TestBatchDelayHoldsASmallBatchBack(t *testing.T) {
	const delay = 200 * time.Millisecond
	b := newBench(t, Config{Workers: 2, BatchSize: 3, BatchDelay: delay})
	f := newFake(4, false, 1)
	start := time.Now()
	b.Submit(f.votes(0, everyone(4)))
	b.Submit(f.votes(1, everyone(4)))
	alone := f.votes(2, everyone(4))
	alone.Unbatched = true
	b.Submit(alone)
	if v := b.wait(t, 1)[0]; v.Statement != alone || time.Since(start) >= delay {
		t.Fatalf("the statement alone was held back: %v", time.Since(start))
	}
	b.wait(t, 2)
	if d := time.Since(start); d < delay {
		t.Fatalf("a small batch was taken after %v", d)
	}
	// A full batch is verified at once.
	start = time.Now()
	for i := range 3 {
		b.Submit(f.votes(10+i, everyone(4)))
	}
	b.wait(t, 3)
	if d := time.Since(start); d >= delay {
		t.Fatalf("a full batch was held back for %v", d)
	}
	sizes := b.sizes(t, 3)
	slices.Sort(sizes)
	if !slices.Equal(sizes, []int{1, 2, 3}) {
		t.Fatalf("batches of %v", sizes)
	}
	// A statement beyond a full batch waits again.
	for i := range 4 {
		b.Submit(f.votes(20+i, everyone(4)))
	}
	b.wait(t, 4)
}

func TestVerdictsOfABatchStayInOrderAndComeOnce(t *testing.T) {
	b := newBench(t, Config{Workers: 1, BatchSize: 100})
	f, entered, open := gated(4)
	defer open()
	b.Submit(f.votes(0, everyone(4)))
	eventually(t, "the worker is busy", func() bool { return entered.Load() == 1 })
	for i := range 50 {
		b.Submit(f.votes(1+i, everyone(4)))
	}
	open()
	eventually(t, "all verified", func() bool { return b.Counters().Statements == 51 })
	b.sizes(t, 2)
	sentinel := verify.Verdict{Statement: &verify.Statement{Tag: 1000}}
	got := b.Verdicts([]verify.Verdict{sentinel})
	if len(got) != 52 || got[0].Statement != sentinel.Statement {
		t.Fatalf("%d verdicts", len(got))
	}
	for i, v := range got[1:] {
		if v.Statement.Tag != uint64(i) {
			t.Fatalf("verdict %d is of statement %d", i, v.Statement.Tag)
		}
	}
	if len(b.Verdicts(nil)) != 0 {
		t.Fatal("verdicts came twice")
	}
}

func TestVerifyReturnsVerdictsInOrderFromTheSameBatches(t *testing.T) {
	b := newBench(t, Config{Workers: 2, BatchSize: 8})
	f := newFake(4, true, 1)
	if got, err := b.Verify(context.Background(), nil); got != nil || err != nil {
		t.Fatal("nothing asked, something answered")
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var ss []*verify.Statement
			for i := range 50 {
				s := f.certificate(g*100+i, everyone(4))
				if i%7 == 3 {
					s.Certificate[2] ^= 1
				}
				s.Unbatched = i%11 == 0
				ss = append(ss, s)
			}
			got, err := b.Verify(context.Background(), ss)
			if err != nil || len(got) != len(ss) {
				t.Errorf("%d verdicts, %v", len(got), err)
				return
			}
			for i, v := range got {
				if v.Statement != ss[i] || v.CertificateValid != (i%7 != 3) || v.Err != nil {
					t.Errorf("verdict %d: %+v", i, v)
				}
			}
		}()
	}
	wg.Wait()
	for _, n := range b.sizes(t, 1) {
		if n > 8 {
			t.Fatalf("a batch of %d", n)
		}
	}
	if len(b.Verdicts(nil)) != 0 {
		t.Fatal("verdicts of Verify came out of Verdicts")
	}
}

func TestAllWorkersHelpWithALongList(t *testing.T) {
	b := newBench(t, Config{Workers: 3, BatchSize: 1})
	f, entered, open := gated(4)
	defer open()
	go func() {
		eventually(t, "three at once", func() bool { return entered.Load() == 3 })
		open()
	}()
	var ss []*verify.Statement
	for i := range 6 {
		ss = append(ss, f.votes(i, everyone(4)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := b.Verify(ctx, ss); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyReturnsWhenItsContextEndsAndTheWorkersGoOn(t *testing.T) {
	b := newBench(t, Config{Workers: 1, BatchSize: 2})
	f, entered, open := gated(4)
	defer open()
	done, cancelled := context.WithCancel(context.Background())
	cancelled()
	if _, err := b.Verify(done, []*verify.Statement{f.votes(0, everyone(4))}); !errors.Is(err, context.Canceled) || b.Waiting() != 0 {
		t.Fatalf("a context that has ended: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		eventually(t, "busy", func() bool { return entered.Load() == 1 })
		cancel()
	}()
	var ss []*verify.Statement
	for i := range 9 {
		ss = append(ss, f.votes(i, everyone(4)))
	}
	if got, err := b.Verify(ctx, ss); !errors.Is(err, context.Canceled) || got != nil {
		t.Fatalf("%v, %v", got, err)
	}
	b.Submit(f.votes(100, everyone(4)))
	open()
	if v := b.wait(t, 1)[0]; v.Statement.Tag != 100 || v.Certificate == nil {
		t.Fatalf("%+v", v)
	}
	// The first two were under way; the other seven were dropped.
	if n := f.combines.Load(); n != 3 {
		t.Fatalf("%d statements were worked on, want 3", n)
	}
}

// For the race detector: submitters, callers that give up, bad votes, a slow consumer, and Close,
// all at the same time.
func TestUnderStressEveryStatementGetsOneVerdict(t *testing.T) {
	b := newBench(t, Config{Workers: 4, BatchSize: 8, BatchDelay: 50 * time.Microsecond})
	schemes := []*fake{newFake(4, false, 1), newFake(7, true, 2)}
	schemes[1].group = schemes[0].group
	const submitters, each = 4, 400
	var wg sync.WaitGroup
	for g := range submitters {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range each {
				f := schemes[i%2]
				s := f.votes(g*each+i, everyone(f.n))
				if i%5 == 0 {
					f.spoil(s, wire.Participant(i%f.n), element{v: 1})
				}
				s.Unbatched = i%17 == 0
				if i%3 == 0 {
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%40)*10*time.Microsecond)
					_, _ = b.Verify(ctx, []*verify.Statement{f.certificate(i, everyone(f.n)), f.certificate(i+1, everyone(f.n))})
					cancel()
				}
				b.Submit(s)
				if g == 0 && i == each*3/4 {
					wg.Add(1)
					go func() {
						defer wg.Done()
						b.Close()
					}()
				}
			}
		}()
	}
	got := b.wait(t, submitters*each)
	wg.Wait()
	for i, v := range got {
		if v.Statement.Tag != uint64(i) {
			t.Fatalf("verdict %d is of statement %d", i, v.Statement.Tag)
		}
		if v.Err == nil && v.Certificate == nil || v.Err != nil && !errors.Is(v.Err, context.Canceled) {
			t.Fatalf("%+v", v)
		}
	}
	if len(b.panics) != 0 {
		t.Fatal(b.panics)
	}
}

func TestTheListReusesItsMemoryAndKeepsItsOrder(t *testing.T) {
	var f fifo[int]
	in, out := 0, 0
	for range 100 {
		f.push(in)
		in++
	}
	for range 10_000 {
		f.push(in)
		in++
		if *f.front() != out || f.pop() != out {
			t.Fatalf("%d came out of order", out)
		}
		out++
	}
	if f.len() != 100 || cap(f.items) > 1000 {
		t.Fatalf("%d in a list of capacity %d", f.len(), cap(f.items))
	}
	for range 2 * keepCapacity {
		f.push(in)
	}
	for f.len() > 0 {
		f.pop()
	}
	if cap(f.items) > keepCapacity {
		t.Fatal("an empty list holds on to a large array")
	}
}

// single is a scheme for which batches save nothing.
type single struct{ *fake }

func (single) Batchable() bool { return false }

func TestStatementsThatGainNothingFromABatchAreSharedByTheWorkers(t *testing.T) {
	var mu sync.Mutex
	var infos []Info
	b := newBench(t, Config{Workers: 3, BatchSize: 64, Observe: func(i Info) {
		mu.Lock()
		infos = append(infos, i)
		mu.Unlock()
	}})
	f, entered, open := gated(4)
	defer open()
	var ss []*verify.Statement
	for i := range 7 {
		s := f.votes(i, everyone(4))
		s.Scheme = single{f}
		ss = append(ss, s)
	}
	b.Submit(ss...)
	eventually(t, "all workers busy", func() bool { return entered.Load() == 3 })
	open()
	for _, v := range b.wait(t, 7) {
		if v.Certificate == nil || v.Err != nil {
			t.Errorf("%+v", v)
		}
	}
	b.Close()
	mu.Lock()
	defer mu.Unlock()
	for _, i := range infos {
		if i.Statements != 1 || !i.Unbatched {
			t.Errorf("%+v", i)
		}
	}
}
