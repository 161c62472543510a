package batch

// fifo is a first-in, first-out list that reuses its memory.
type fifo[T any] struct {
	items []T
	head  int // items[:head] are gone and zero
}

const (
	// spareFloor is the number of dead places below which a fifo does not move its items to the front.
	spareFloor = 64
	// keepCapacity is the largest array that an empty fifo holds on to.
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
	if dead := f.head; dead == len(f.items) {
		f.items, f.head = f.items[:0], 0
		if cap(f.items) > keepCapacity {
			f.items = nil
		}
	} else if dead >= spareFloor && dead >= len(f.items)-dead {
		n := copy(f.items, f.items[dead:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
	return v
}
