package network

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// rateMemory is the time for which a connection's rate is remembered: older records do not
	// count.
	rateMemory = 10 * time.Millisecond
	// pauseGain is the number of records that must be expected during a pause.
	pauseGain = 1
	// pauseRate is the number of records per second, of all connections together, above which
	// pauses are worth their delay. A process can read fewer one by one.
	pauseRate = 20_000
	// minRead is the number of bytes that make a read worth its cost.
	minRead = 8 << 10
)

// readCoalescer lets readers pause, so that one read brings several of the small records that come
// one by one at a high rate. One timer wakes all readers that pause: a timer for each would cost
// more than the reads that it saves.
type readCoalescer struct {
	pause time.Duration // not positive: no reader pauses

	records atomic.Int64 // read by all connections in the current window
	window  atomic.Int64 // when it began, as a time of Network.clock
	busy    atomic.Bool  // the rate was at least pauseRate in the window before

	mu      sync.Mutex
	waiting []chan struct{}
	timer   *time.Timer // runs while a reader waits
}

// count counts the records of a read, and reports whether the rate of all connections together has
// been at least pauseRate.
func (r *readCoalescer) count(now time.Duration, records int) (busy bool) {
	r.records.Add(int64(records))
	began := r.window.Load()
	if elapsed := now - time.Duration(began); elapsed >= rateMemory && r.window.CompareAndSwap(began, int64(now)) {
		r.busy.Store(float64(r.records.Swap(0)) >= pauseRate*elapsed.Seconds())
	}
	return r.busy.Load()
}

// wait waits until the end of the pause under way, or starts a pause and waits until its end.
// resume has room for one token.
func (r *readCoalescer) wait(resume chan struct{}) {
	r.mu.Lock()
	r.waiting = append(r.waiting, resume)
	if len(r.waiting) == 1 {
		if r.timer == nil {
			r.timer = time.AfterFunc(r.pause, r.wake)
		} else {
			r.timer.Reset(r.pause)
		}
	}
	r.mu.Unlock()
	<-resume
}

func (r *readCoalescer) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resume := range r.waiting {
		resume <- struct{}{}
	}
	clear(r.waiting)
	r.waiting = r.waiting[:0]
}

// readRate is the rate of one connection's records: the number that came within rateMemory, with
// less weight for older ones.
type readRate struct {
	recent float64
	last   time.Duration // when the last records were read
}

func (r *readRate) add(now time.Duration, records int) {
	if gap := now - r.last; gap < rateMemory {
		r.recent *= 1 - float64(gap)/float64(rateMemory)
	} else {
		r.recent = 0
	}
	r.recent += float64(records)
	r.last = now
}

// in returns the number of records to be expected within a time.
func (r *readRate) in(d time.Duration) float64 { return r.recent * float64(d) / float64(rateMemory) }
