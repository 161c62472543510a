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
	// crowd is the number of records per second, of all connections together, above which pauses
	// are worth their delay. A process can read fewer one by one.
	crowd = 20_000
	// littleRead is the number of bytes that make a read worth its cost.
	littleRead = 8 << 10
)

// moderator lets readers pause, so that one read brings several of the small records that come one
// by one at a high rate. One timer wakes all readers that pause: a timer for each would cost more
// than the reads that it saves.
type moderator struct {
	pause time.Duration // not positive: no reader pauses

	records atomic.Int64 // read by all connections in the current window
	window  atomic.Int64 // when it began, as a time of Network.clock
	crowded atomic.Bool  // there were many records in the window before

	mu      sync.Mutex
	waiting []chan struct{}
	timer   *time.Timer // runs while somebody waits
}

// many counts the records of a read, and reports whether all connections together have been getting
// many.
func (m *moderator) many(now time.Duration, records int) bool {
	m.records.Add(int64(records))
	began := m.window.Load()
	if elapsed := now - time.Duration(began); elapsed >= rateMemory && m.window.CompareAndSwap(began, int64(now)) {
		m.crowded.Store(float64(m.records.Swap(0)) >= crowd*elapsed.Seconds())
	}
	return m.crowded.Load()
}

// wait waits until the end of the pause under way, or starts a pause and waits until its end.
// resume has room for one token.
func (m *moderator) wait(resume chan struct{}) {
	m.mu.Lock()
	m.waiting = append(m.waiting, resume)
	if len(m.waiting) == 1 {
		if m.timer == nil {
			m.timer = time.AfterFunc(m.pause, m.wake)
		} else {
			m.timer.Reset(m.pause)
		}
	}
	m.mu.Unlock()
	<-resume
}

func (m *moderator) wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, resume := range m.waiting {
		resume <- struct{}{}
	}
	clear(m.waiting)
	m.waiting = m.waiting[:0]
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
