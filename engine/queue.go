package engine

import (
	"sync"

	"github.com/lanecast/lanecast/internal/shrink"
)

// maxKept is the number of elements for which a reused list keeps room.
const maxKept = 4096

// queue is a list without a bound of its own: the goroutines that push bound what they push. Any
// goroutine pushes, one pops. wake receives after a push; a token may be stale, so the goroutine
// that pops tries first and then waits for a token.
type queue[T any] struct {
	mu    sync.Mutex
	items []T
	head  int // items[:head] have been popped
	wake  chan struct{}
}

func newQueue[T any]() *queue[T] { return &queue[T]{wake: make(chan struct{}, 1)} }

func (q *queue[T]) push(v T) {
	q.mu.Lock()
	q.items = append(q.items, v)
	q.mu.Unlock()
	signal(q.wake)
}

// pop takes the oldest element; left is the number of remaining ones.
func (q *queue[T]) pop() (v T, left int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.items) {
		return v, 0, false
	}
	var zero T
	v, q.items[q.head] = q.items[q.head], zero
	q.head++
	switch n := len(q.items) - q.head; {
	case n == 0:
		q.items, q.head = shrink.Slice(q.items, maxKept), 0
	case q.head >= 1024 && q.head >= n: // moves no more elements than were popped since the last time
		kept := copy(q.items, q.items[q.head:])
		clear(q.items[kept:])
		q.items, q.head = q.items[:kept], 0
	}
	return v, len(q.items) - q.head, true
}

func (q *queue[T]) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) - q.head
}

// signal puts a token into a channel of capacity 1, unless there is one.
func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
