package engine

import (
	"testing"

	"pgregory.net/rapid"
)

func TestAQueueKeepsTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q, want, next := newQueue[int](), []int(nil), 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 3000).Draw(t, "n") {
					q.push(next)
					want = append(want, next)
					next++
				}
				if len(q.wake) != 1 {
					t.Fatal("a push left no token")
				}
			},
			"pop": func(t *rapid.T) {
				for range rapid.IntRange(1, 2000).Draw(t, "n") {
					v, left, ok := q.pop()
					if ok != (len(want) > 0) {
						t.Fatalf("pop says %v with %d there", ok, len(want))
					}
					if !ok {
						return
					}
					if v != want[0] || left != len(want)-1 {
						t.Fatalf("popped %d with %d left, want %d with %d", v, left, want[0], len(want)-1)
					}
					want = want[1:]
				}
			},
			"": func(t *rapid.T) {
				if q.len() != len(want) {
					t.Fatalf("len is %d, want %d", q.len(), len(want))
				}
			},
		})
	})
}

// 5.5: Memory is bounded by configuration.
//
// A queue that was long once, like the queue of reports after a restart, does not keep the room.
func TestRule5_5_AQueueDoesNotKeepTheRoomOfABurst(t *testing.T) {
	q := newQueue[int]()
	for i := range 20 * maxKept {
		q.push(i)
	}
	for q.len() > 0 {
		q.pop()
	}
	if n := cap(q.items); n > maxKept {
		t.Errorf("room for %d is kept", n)
	}
}
