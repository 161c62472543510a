package batch

// fifo is a first-in, first-out queue that reuses its memory.
type fifo[T any] struct {
	items []T
	head  int // items[:head] have been popped and are zero
}

const (
	// fewestPopped is the number of popped places below which a fifo does not move its items to the
	// front.
	fewestPopped = 64
	// keepCapacity is the largest array that an empty fifo keeps.
	keepCapacity = 1 << 14
)

func (f *fifo[T]) len() int { return len(f.items) - f.head }

func (f *fifo[T]) front() *T { return &f.items[f.head] }

func (f *fifo[T]) push(v T) { f.items = append(f.items, v) }

func (f *fifo[T]) pop() T {
	var none T
	v := f.items[f.head]
	f.items[f.head] = none
	f.head++
	if popped := f.head; popped == len(f.items) {
		f.items, f.head = f.items[:0], 0
		if cap(f.items) > keepCapacity {
			f.items = nil
		}
	} else if popped >= fewestPopped && popped >= len(f.items)-popped {
		n := copy(f.items, f.items[popped:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
	return v
}
