package batch

import (
	"runtime/debug"
	"sync"
	"time"

	"github.com/panjf2000/ants/v2"

	"github.com/lanecast/lanecast/verify"
)

const (
	// poolRetry is how long a pool that was full is left alone. A worker that has just finished its task counts as busy
	// for a moment, even in a pool that is large enough.
	poolRetry = 200 * time.Microsecond
	// releaseTimeout bounds the wait for the goroutines of our own pool, which are idle by then.
	releaseTimeout = 10 * time.Second
)

// Verifier decides statements, in batches that form by themselves, on the workers of a pool. See the package comment.
type Verifier struct {
	options  Config
	pool     *ants.Pool
	ownPool  bool
	task     func() // v.drain, bound once
	verdicts verdictList
	exposed  exposureTable
	counters counters
	judges   sync.Pool

	mu      sync.Mutex // held for moving items and counting, never for verifying; guards what follows
	idle    sync.Cond  // signalled when running becomes 0 or armed false
	ready   fifo[item] // to be batched
	alone   fifo[item] // to be verified alone
	turn    bool       // the next worker that has the choice takes a statement alone
	running int        // drain tasks submitted to the pool and not finished, at most Workers
	closed  bool
	timer   *time.Timer // calls tick; set while armed
	armed   bool
	due     time.Time // when timer fires
}

// item is a statement in the list.
type item struct {
	statement *verify.Statement
	since     time.Time
	call      *call // nil for Submit
	index     int   // in call
}

// New returns a verifier. Close it.
func New(o Config) (*Verifier, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	v := &Verifier{options: o, pool: o.Pool}
	v.idle.L = &v.mu
	v.task = v.drain
	v.judges.New = func() any { return &judge{chunks: o.Chunks, exposed: &v.exposed} }
	if v.pool == nil {
		// Size 0 is no limit. The verifier never has more than Workers tasks in it, but one that has just ended
		// counts against a limit for a moment longer. No PanicHandler: decide recovers all but a panic of OnPanic
		// itself, which ants prints.
		pool, err := ants.NewPool(0, ants.WithNonblocking(true), ants.WithDisablePurge(true))
		if err != nil {
			return nil, err
		}
		v.pool, v.ownPool = pool, true
	}
	return v, nil
}

// Submit hands in statements; their verdicts come out of Verdicts. Those of one call are batched together, up to
// BatchSize, even by a worker that is idle. It never blocks, and takes whatever is given: how much may be under way at
// once is for the caller to bound. After Close the verdicts are an Err that wraps context.Canceled. Any goroutine.
func (v *Verifier) Submit(statements ...*verify.Statement) { v.enqueue(nil, statements) }

// enqueue is Submit, and, with c, the way in for the statements of a call.
func (v *Verifier) enqueue(c *call, statements []*verify.Statement) {
	now := time.Now()
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		items := make([]item, len(statements))
		for i, s := range statements {
			items[i] = item{statement: s, since: now, call: c, index: i}
		}
		v.fail(items, errShutDown)
		return
	}
	for i, s := range statements {
		v.put(item{statement: s, since: now, call: c, index: i})
	}
	launch := v.claim(now)
	v.mu.Unlock()
	if launch {
		v.launch()
	}
}

// Waiting returns how many statements have been handed in that no worker has begun. Any goroutine.
func (v *Verifier) Waiting() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ready.len() + v.alone.len()
}

// Close cancels what no worker has begun, waits for the batches under way, and returns when no goroutine of the
// verifier is left. A pool that was passed in stays open. Not to be called from a worker: from Notify, OnPanic,
// Observe or a Scheme. Closing again is harmless.
func (v *Verifier) Close() {
	v.shut()
	v.mu.Lock()
	if v.armed && v.timer.Stop() {
		v.armed = false
	}
	for v.running > 0 || v.armed {
		v.idle.Wait()
	}
	release := v.ownPool
	v.ownPool = false
	v.mu.Unlock()
	if release {
		_ = v.pool.ReleaseTimeout(releaseTimeout) // it holds idle goroutines only, which cannot fail to end
	}
}

// shut takes no more statements and cancels those in the list.
func (v *Verifier) shut() {
	v.mu.Lock()
	v.closed = true
	var items []item
	for v.ready.len() > 0 {
		items = append(items, v.ready.pop())
	}
	for v.alone.len() > 0 {
		items = append(items, v.alone.pop())
	}
	v.mu.Unlock()
	if len(items) > 0 {
		v.fail(items, errShutDown)
	}
}

// put appends to the list. With mu held, as all functions up to tick.
func (v *Verifier) put(it item) {
	if it.statement.Unbatched {
		v.alone.push(it)
	} else {
		v.ready.push(it)
	}
}

// batchDue reports whether a batch may be taken now, and if not, but there is a small one, when.
func (v *Verifier) batchDue(now time.Time) (ok bool, wait time.Duration) {
	n := v.ready.len()
	if n == 0 {
		return false, 0
	}
	if v.options.BatchDelay == 0 || n >= v.options.BatchSize {
		return true, 0
	}
	wait = v.options.BatchDelay - now.Sub(v.ready.front().since)
	return wait <= 0, max(wait, 0)
}

// claim reports whether the caller is to launch one more worker, which it then counts as running. For what is not
// due yet it sets the timer.
func (v *Verifier) claim(now time.Time) bool {
	if v.closed {
		return false
	}
	ok, wait := v.batchDue(now)
	if !ok && v.alone.len() == 0 {
		if wait > 0 {
			v.arm(now, wait)
		}
		return false
	}
	if v.running >= v.options.Workers {
		return false
	}
	v.running++
	return true
}

// arm has tick called after d, or earlier.
func (v *Verifier) arm(now time.Time, d time.Duration) {
	due := now.Add(d)
	switch {
	case v.armed:
		if due.Before(v.due) && v.timer.Stop() {
			v.timer.Reset(d)
			v.due = due
		}
		return
	case v.timer == nil:
		v.timer = time.AfterFunc(d, v.tick)
	default:
		v.timer.Reset(d)
	}
	v.armed, v.due = true, due
}

// leave counts a worker out.
func (v *Verifier) leave() {
	v.running--
	if v.running == 0 {
		v.idle.Broadcast()
	}
}

// tick is the timer's goroutine. mu is not held from here on.
func (v *Verifier) tick() {
	v.mu.Lock()
	v.armed = false
	v.idle.Broadcast()
	launch := v.claim(time.Now())
	v.mu.Unlock()
	if launch {
		v.launch()
	}
}

// launch starts the worker that claim has counted.
func (v *Verifier) launch() {
	// The pool's Free is no use for asking first: ants counts workers that idle as running.
	switch v.pool.Submit(v.task) {
	case nil:
		return
	case ants.ErrPoolClosed: // released under us: no worker will ever come
		v.mu.Lock()
		v.leave()
		v.mu.Unlock()
		v.shut()
	default:
		v.mu.Lock()
		v.leave()
		if !v.closed && v.running == 0 { // else a worker comes by anyhow
			v.arm(time.Now(), poolRetry)
		}
		v.mu.Unlock()
	}
}

// drain is a worker: it decides batch after batch until the list is empty.
func (v *Verifier) drain() {
	finished := false
	defer func() {
		if !finished { // a callback panicked, or ended the goroutine: the pool sees the panic, the count stays right
			v.mu.Lock()
			v.leave()
			launch := v.claim(time.Now())
			v.mu.Unlock()
			if launch {
				v.launch()
			}
		}
	}()
	var w work
	for v.take(&w) {
		v.decide(&w)
	}
	finished = true
}

// work is one batch in a worker's hands; its slices are reused.
type work struct {
	items      []item
	statements []*verify.Statement
	alone      bool
	start      time.Time
}

// take moves the next batch into w, or counts the worker out when there is none. Where both a batch and a statement
// that goes alone are there, they take turns: a flood of either holds the other up by one.
func (v *Verifier) take(w *work) bool {
	clear(w.items)
	clear(w.statements)
	w.items, w.statements = w.items[:0], w.statements[:0]

	now := time.Now()
	v.mu.Lock()
	for {
		batch, wait := v.batchDue(now)
		single := v.alone.len() > 0
		if v.closed || !batch && !single {
			if !v.closed && wait > 0 {
				v.arm(now, wait)
			}
			v.leave()
			v.mu.Unlock()
			return false
		}
		w.alone = single && (v.turn || !batch)
		v.turn = !w.alone
		list, n := &v.ready, v.options.BatchSize
		if w.alone {
			list, n = &v.alone, 1
		}
		for list.len() > 0 && len(w.items) < n {
			if it := list.pop(); it.call == nil || !it.call.gone.Load() {
				w.items = append(w.items, it)
			}
		}
		if len(w.items) > 0 {
			break
		}
	}
	launch := v.claim(now) // what is left is another worker's, if one is idle
	v.mu.Unlock()
	if launch {
		v.launch()
	}
	for _, it := range w.items {
		w.statements = append(w.statements, it.statement)
	}
	w.start = now
	return true
}

// decide decides the batch w and hands out its verdicts, whatever a Scheme does.
func (v *Verifier) decide(w *work) {
	delivered := false
	defer func() {
		value := recover()
		if value == nil && delivered {
			return
		}
		p := &Panic{Value: value, Stack: debug.Stack()}
		if !delivered {
			defer v.fail(w.items, p) // even if OnPanic panics
		}
		v.counters.panics.Add(1)
		if v.options.OnPanic != nil {
			v.options.OnPanic(p)
		}
	}()
	verdicts := make([]verify.Verdict, len(w.statements))
	j := v.judges.Get().(*judge) // after a panic it is not put back
	j.decide(w.statements, verdicts)
	info := Info{
		Statements: len(w.statements), Unbatched: w.alone,
		Wait: w.start.Sub(w.items[0].since), Duration: time.Since(w.start),
		Checks: j.checks, Splits: j.splits, InvalidVotes: j.strikes,
	}
	j.reset()
	v.judges.Put(j)
	v.counters.add(info)
	delivered = true
	v.deliver(w.items, verdicts)
	if v.options.Observe != nil {
		v.options.Observe(info)
	}
}
