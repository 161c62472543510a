package batch

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/ants/v2"

	"github.com/lanecast/lanecast/verify"
)

const (
	// poolRetry is the time after which a full pool is asked again. A worker that has just finished
	// its task counts as busy for a moment, even in a pool that is large enough.
	poolRetry = 200 * time.Microsecond
	// releaseTimeout bounds the wait for the goroutines of the verifier's own pool. They are idle
	// by then.
	releaseTimeout = 10 * time.Second
	// launchTimeout bounds the wait for tasks that a pool passed in has not begun.
	launchTimeout = time.Second
)

// Verifier verifies statements in batches on the workers of a pool. See the package comment.
type Verifier struct {
	config    Config
	pool      *ants.Pool
	ownPool   bool
	task      func() // v.drain, bound once
	verdicts  verdictList
	offenders offenderTable
	counters  counters
	deciders  sync.Pool   // of *decider
	released  atomic.Bool // pool released before Close; set with mu held, with closed

	// mu guards the fields below. It is held while items are moved or counted, never while they are
	// verified.
	mu            sync.Mutex
	idle          sync.Cond  // signalled when running becomes 0 or armed false
	ready         fifo[item] // to be batched
	unbatched     fifo[item] // to be verified one by one
	unbatchedNext bool       // the unbatched list is next if both have statements
	running       int        // drain tasks submitted to the pool and not finished, at most Workers
	starting      int        // tasks counted in running that the pool has not begun
	starved       time.Time  // since when there is work but no task has begun; zero if one has
	closed        bool
	timer         *time.Timer // calls tick; set while armed
	armed         bool
	due           time.Time // when timer fires
}

// item is a statement in one of the two lists.
type item struct {
	statement *verify.Statement
	since     time.Time
	call      *call // nil for Submit
	index     int   // in call
}

// New returns a verifier. Its errors wrap [ErrConfig]. The caller closes it.
func New(c Config) (*Verifier, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	v := &Verifier{config: c, pool: c.Pool}
	v.idle.L = &v.mu
	v.task = v.drain
	v.deciders.New = func() any { return &decider{chunks: c.Chunks, offenders: &v.offenders} }
	if v.pool == nil {
		// Size 0 means no limit. The verifier never has more than Workers tasks in the pool, but a
		// task that has just ended would count against a limit for a moment. There is no
		// PanicHandler: decide recovers every panic except one of OnPanic itself, which ants
		// prints.
		pool, err := ants.NewPool(0, ants.WithNonblocking(true), ants.WithDisablePurge(true))
		if err != nil {
			return nil, err
		}
		v.pool, v.ownPool = pool, true
	}
	return v, nil
}

// Err returns ErrPool once the pool was released before Close: then every verdict has an Err that
// wraps it. It takes no lock. Any goroutine may call it.
func (v *Verifier) Err() error {
	if v.released.Load() {
		return ErrPool
	}
	return nil
}

// Starved returns the time that statements have waited without a worker because the pool has not
// begun any task of the verifier. Any goroutine may call it.
func (v *Verifier) Starved() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.starved.IsZero() || v.closed || v.ready.len()+v.unbatched.len() == 0 {
		return 0
	}
	return time.Since(v.starved)
}

// Submit takes statements; Verdicts returns their verdicts. An idle worker batches the statements
// of one call together, up to BatchSize. Submit never blocks and has no limit: the caller bounds
// the number of statements in verification. After Close each verdict has an Err that wraps
// context.Canceled. Any goroutine may call it.
func (v *Verifier) Submit(statements ...*verify.Statement) { v.enqueue(nil, statements) }

// enqueue puts statements into the lists. They belong to c, or to Submit if c is nil.
func (v *Verifier) enqueue(c *call, statements []*verify.Statement) {
	now := time.Now()
	v.mu.Lock()
	if v.closed {
		err := v.cancelled()
		v.mu.Unlock()
		items := make([]item, len(statements))
		for i, s := range statements {
			items[i] = item{statement: s, since: now, call: c, index: i}
		}
		v.fail(items, err)
		return
	}
	for i, s := range statements {
		v.put(item{statement: s, since: now, call: c, index: i})
	}
	launch := v.reserveWorker(now)
	v.mu.Unlock()
	if launch {
		v.launch()
	}
}

// Waiting returns the number of submitted statements that no worker has begun. Any goroutine may
// call it.
func (v *Verifier) Waiting() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ready.len() + v.unbatched.len()
}

// Close cancels the statements that no worker has begun, waits for the batches that workers have
// begun, and returns when no goroutine of the verifier is left. There is one exception: if the pool
// was passed in, blocks, and has no room within a second, goroutines that wait for it remain until
// it has room. A pool that was passed in stays open. Close must not be called from a worker, that
// is, from Notify, OnPanic, Observe or a Scheme. A second Close has no effect.
func (v *Verifier) Close() {
	v.cancelWaiting(false)
	v.mu.Lock()
	if v.armed && v.timer.Stop() {
		v.armed = false
	}
	overdue := false
	if v.starting > 0 && !v.ownPool {
		timer := time.AfterFunc(launchTimeout, func() {
			v.mu.Lock()
			overdue = true
			v.idle.Broadcast()
			v.mu.Unlock()
		})
		defer timer.Stop()
	}
	for v.armed || v.running > v.starting || v.starting > 0 && !overdue {
		v.idle.Wait()
	}
	release := v.ownPool
	v.ownPool = false
	v.mu.Unlock()
	if release {
		ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
		defer cancel()
		_ = v.pool.ReleaseContext(yielding{ctx}) // all its goroutines are idle, so they end
	}
}

// yielding is a context for ants' ReleaseContext, which calls Done in a loop until the last
// goroutine of the pool has been scheduled, without yielding the processor to it.
type yielding struct{ context.Context }

// Done implements context.Context.
func (y yielding) Done() <-chan struct{} {
	runtime.Gosched()
	return y.Context.Done()
}

// cancelWaiting makes the verifier take no more statements, and cancels those in the lists.
// released means that the pool was released; it has an effect only if the verifier was not closed
// before.
func (v *Verifier) cancelWaiting(released bool) {
	v.mu.Lock()
	if released && !v.closed {
		v.released.Store(true)
		if v.config.Notify != nil {
			defer v.config.Notify() // even if no statement of Submit waits
		}
	}
	v.closed = true
	err := v.cancelled()
	var items []item
	for v.ready.len() > 0 {
		items = append(items, v.ready.pop())
	}
	for v.unbatched.len() > 0 {
		items = append(items, v.unbatched.pop())
	}
	v.mu.Unlock()
	if len(items) > 0 {
		v.fail(items, err)
	}
}

// cancelled returns the reason why statements are no longer verified. It is called with mu held.
func (v *Verifier) cancelled() error {
	if v.released.Load() {
		return errReleased
	}
	return errShutDown
}

// put appends an item to its list. This function and those from here to tick are called with mu
// held.
func (v *Verifier) put(it item) {
	if it.statement.Unbatched || !batchable(it.statement.Scheme) {
		v.unbatched.push(it)
	} else {
		v.ready.push(it)
	}
}

// batchable reports whether statements of a scheme cost less together than one by one. If not, they
// are taken one by one, so that all idle workers share them.
func batchable(s verify.Scheme) bool {
	b, says := s.(interface{ Batchable() bool })
	return !says || b.Batchable()
}

// batchDue reports whether a batch may be taken now. If a small batch is held back, wait is the
// remaining time.
func (v *Verifier) batchDue(now time.Time) (ok bool, wait time.Duration) {
	n := v.ready.len()
	if n == 0 {
		return false, 0
	}
	if v.config.BatchDelay == 0 || n >= v.config.BatchSize {
		return true, 0
	}
	wait = v.config.BatchDelay - now.Sub(v.ready.front().since)
	return wait <= 0, max(wait, 0)
}

// reserveWorker counts one more worker as running and reports whether the caller must launch it. If
// a batch is held back, reserveWorker sets the timer.
func (v *Verifier) reserveWorker(now time.Time) bool {
	if v.closed {
		return false
	}
	ok, wait := v.batchDue(now)
	if !ok && v.unbatched.len() == 0 {
		if wait > 0 {
			v.arm(now, wait)
		}
		return false
	}
	if v.running >= v.config.Workers {
		return false
	}
	v.running++
	v.starting++
	if v.running == v.starting && v.starved.IsZero() {
		v.starved = now
	}
	return true
}

// arm sets the timer, so that tick is called after wait at the latest.
func (v *Verifier) arm(now time.Time, wait time.Duration) {
	due := now.Add(wait)
	switch {
	case v.armed:
		if due.Before(v.due) && v.timer.Stop() {
			v.timer.Reset(wait)
			v.due = due
		}
		return
	case v.timer == nil:
		v.timer = time.AfterFunc(wait, v.tick)
	default:
		v.timer.Reset(wait)
	}
	v.armed, v.due = true, due
}

// releaseWorker counts a worker as finished.
func (v *Verifier) releaseWorker() {
	v.running--
	if v.running == v.starting {
		v.idle.Broadcast()
	}
}

// beginWorker counts a task as begun by the pool.
func (v *Verifier) beginWorker() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.starting--
	v.starved = time.Time{}
}

// tick is called by the timer. mu is not held, from here on.
func (v *Verifier) tick() {
	v.mu.Lock()
	v.armed = false
	v.idle.Broadcast()
	launch := v.reserveWorker(time.Now())
	v.mu.Unlock()
	if launch {
		v.launch()
	}
}

// launch starts the worker that reserveWorker has counted. A pool that was passed in may block, and
// cannot be asked whether it would, so a goroutine waits for it.
func (v *Verifier) launch() {
	if v.config.Pool != nil {
		go v.submitTask()
		return
	}
	v.submitTask()
}

func (v *Verifier) submitTask() {
	// A call of the pool's Free beforehand is useless: ants counts idle workers as running.
	switch v.pool.Submit(v.task) {
	case nil:
		return
	case ants.ErrPoolClosed: // released by its owner: no worker will ever run
		v.cancelWaiting(true)
		v.mu.Lock()
		v.starting--
		v.releaseWorker()
		v.mu.Unlock()
	default:
		v.mu.Lock()
		v.starting--
		v.releaseWorker()
		if !v.closed && v.running == 0 { // otherwise a running worker takes the rest
			v.arm(time.Now(), poolRetry)
		}
		v.mu.Unlock()
	}
}

// drain is the task of a worker: it decides batch after batch until the lists are empty.
func (v *Verifier) drain() {
	v.beginWorker()
	finished := false
	defer func() {
		// If a callback panicked or ended the goroutine, the pool gets the panic and the count
		// stays right.
		if !finished {
			v.mu.Lock()
			v.releaseWorker()
			launch := v.reserveWorker(time.Now())
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

// work is the batch that a worker decides; its slices are reused.
type work struct {
	items      []item
	statements []*verify.Statement
	unbatched  bool
	start      time.Time
}

// take moves the next batch into w. If there is none, it counts the worker as finished and reports
// false. If both lists have statements, workers take from them alternately, so that many statements
// in one delay the other by one batch only.
func (v *Verifier) take(w *work) bool {
	clear(w.items)
	clear(w.statements)
	w.items, w.statements = w.items[:0], w.statements[:0]

	now := time.Now()
	v.mu.Lock()
	for {
		batch, wait := v.batchDue(now)
		single := v.unbatched.len() > 0
		if v.closed || !batch && !single {
			if !v.closed && wait > 0 {
				v.arm(now, wait)
			}
			v.releaseWorker()
			v.mu.Unlock()
			return false
		}
		w.unbatched = single && (v.unbatchedNext || !batch)
		v.unbatchedNext = !w.unbatched
		list, n := &v.ready, v.config.BatchSize
		if w.unbatched {
			list, n = &v.unbatched, 1
		}
		for list.len() > 0 && len(w.items) < n {
			if it := list.pop(); it.call == nil || !it.call.abandoned.Load() {
				w.items = append(w.items, it)
			}
		}
		if len(w.items) > 0 {
			break
		}
	}
	launch := v.reserveWorker(now) // another worker takes the rest, if one is idle
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

// decide decides the batch w and delivers its verdicts, even if a Scheme panics.
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
		if v.config.OnPanic != nil {
			v.config.OnPanic(p)
		}
	}()
	verdicts := make([]verify.Verdict, len(w.statements))
	d := v.deciders.Get().(*decider) // after a panic it is not put back
	d.decide(w.statements, verdicts)
	info := Info{
		Statements: len(w.statements), Unbatched: w.unbatched, Duration: time.Since(w.start), Splits: d.splits,
	}
	d.reset()
	v.deciders.Put(d)
	v.counters.add(info)
	delivered = true
	v.deliver(w.items, verdicts)
	if v.config.Observe != nil {
		v.config.Observe(info)
	}
}
