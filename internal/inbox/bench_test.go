package inbox

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/puzpuzpuz/xsync/v4"
)

// BenchmarkInbox/<way>/producers=<p> passes pointers from p goroutines, each with a quota of 1024,
// to one consumer that sleeps when there is no message. All ways do the same work: quota, queue,
// wake-up.
func BenchmarkInbox(b *testing.B) {
	const quota = 1024
	ways := []struct {
		name string
		make func(capacity int) benchQueue
	}{
		{"ring", newRingWay},
		{"xsync-bounded", newXsyncWay},
		{"xsync-unbounded", newXsyncUnboundedWay},
		{"channel", newChannelWay},
	}
	for _, way := range ways {
		for _, producers := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprintf("%s/producers=%d", way.name, producers), func(b *testing.B) {
				q := way.make(producers * quota)
				message := new(int)
				b.ReportAllocs()
				for p := range producers {
					push := q.producer(quota)
					n := b.N / producers
					if p < b.N%producers {
						n++
					}
					go func() {
						for range n {
							for !push(message) {
								runtime.Gosched()
							}
						}
					}()
				}
				for range b.N {
					q.next()
				}
			})
		}
	}
}

// benchQueue is the queue of one way: producer returns a push function with a quota, next waits for
// a message.
type benchQueue interface {
	producer(quota int) (push func(*int) bool)
	next() *int
}

type ringWay struct{ in *Inbox[*int] }

func newRingWay(capacity int) benchQueue {
	in, err := New[*int](capacity)
	if err != nil {
		panic(err)
	}
	return ringWay{in}
}

func (w ringWay) producer(quota int) func(*int) bool {
	p, err := w.in.Producer(quota)
	if err != nil {
		panic(err)
	}
	return func(v *int) bool { return p.Push(v) == nil }
}

func (w ringWay) next() *int {
	for {
		if v, ok := w.in.Pop(); ok {
			return v
		}
		if w.in.Sleep() {
			<-w.in.Wake()
		}
	}
}

// counted is an element of the other ways' queues: a message and its producer's count.
type counted struct {
	value   *int
	waiting *quotaCount
}

type quotaCount struct {
	atomic.Int64
	_ [cacheLine - 8]byte
}

func (q *quotaCount) take(quota int64) bool {
	for {
		n := q.Load()
		if n >= quota {
			return false
		}
		if q.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// sleeper implements the inbox's sleeping, for queues that have none.
type sleeper struct {
	asleep atomic.Bool
	wake   chan struct{}
}

func (s *sleeper) rouse() {
	if s.asleep.Load() && s.asleep.CompareAndSwap(true, false) {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

type xsyncWay struct {
	q *xsync.MPMCQueue[counted]
	sleeper
}

func newXsyncWay(capacity int) benchQueue {
	return &xsyncWay{xsync.NewMPMCQueue[counted](capacity), sleeper{wake: make(chan struct{}, 1)}}
}

func (w *xsyncWay) producer(quota int) func(*int) bool {
	waiting := new(quotaCount)
	return func(v *int) bool {
		if !waiting.take(int64(quota)) {
			return false
		}
		for !w.q.TryEnqueue(counted{v, waiting}) { // lost a race: the quota guarantees room
		}
		w.rouse()
		return true
	}
}

func (w *xsyncWay) next() *int {
	for {
		m, ok := w.q.TryDequeue()
		if !ok {
			w.asleep.Store(true)
			if m, ok = w.q.TryDequeue(); !ok {
				<-w.wake
				continue
			}
			w.asleep.Store(false)
		}
		m.waiting.Add(-1)
		return m.value
	}
}

// A read from xsync's unbounded queue always blocks, on a sync.WaitGroup; there is no select over
// it and other events. It is measured like that.
type xsyncUnboundedWay struct{ q *xsync.UMPSCQueue[counted] }

func newXsyncUnboundedWay(int) benchQueue { return xsyncUnboundedWay{xsync.NewUMPSCQueue[counted]()} }

func (w xsyncUnboundedWay) producer(quota int) func(*int) bool {
	waiting := new(quotaCount)
	return func(v *int) bool {
		if !waiting.take(int64(quota)) {
			return false
		}
		w.q.Enqueue(counted{v, waiting})
		return true
	}
}

func (w xsyncUnboundedWay) next() *int {
	m := w.q.Dequeue()
	m.waiting.Add(-1)
	return m.value
}

type channelWay struct{ c chan counted }

func newChannelWay(capacity int) benchQueue { return channelWay{make(chan counted, capacity)} }

func (w channelWay) producer(quota int) func(*int) bool {
	waiting := new(quotaCount)
	return func(v *int) bool {
		if !waiting.take(int64(quota)) {
			return false
		}
		w.c <- counted{v, waiting}
		return true
	}
}

func (w channelWay) next() *int {
	m := <-w.c
	m.waiting.Add(-1)
	return m.value
}
