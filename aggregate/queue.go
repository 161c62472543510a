package aggregate

import (
	"slices"
	"time"
)

// waiting refers to a candidate whose slot may be closed, and its memory used again, while it
// waits.
type waiting struct {
	candidate *candidate
	use       uint64        // slot.use when queued; if it differs now, the slot is gone
	due       time.Duration // when to try it; 0 if it waits only for a place
}

func waitingOf(c *candidate, due time.Duration) waiting { return waiting{c, c.slot.use, due} }

// isOpen reports whether the candidate's slot is still open.
func (w waiting) isOpen() bool { return w.candidate.slot.use == w.use && !w.candidate.slot.closed }

// queue is a first-in, first-out list of candidates.
type queue struct {
	list  []waiting
	first int // index of the front; entries below it have been taken out
}

// len returns the number of candidates in the queue, including those whose slots are closed.
func (q *queue) len() int { return len(q.list) - q.first }

// push puts a candidate at the end.
func (q *queue) push(c *candidate, due time.Duration) {
	if len(q.list) == cap(q.list) { // before it grows, drop those whose slots are closed
		kept := q.list[:0]
		for _, w := range q.list[q.first:] {
			if w.isOpen() {
				kept = append(kept, w)
			}
		}
		clear(q.list[len(kept):])
		q.list, q.first = kept, 0
		if len(kept) > cap(kept)/2 {
			q.list = slices.Grow(kept, len(kept))
		}
	}
	q.list = append(q.list, waitingOf(c, due))
}

// front returns the first candidate whose slot is open, and its due time; nil if there is none.
func (q *queue) front() (*candidate, time.Duration) {
	for q.first < len(q.list) {
		if w := q.list[q.first]; w.isOpen() {
			return w.candidate, w.due
		}
		q.drop()
	}
	return nil, 0
}

// drop takes the first candidate out.
func (q *queue) drop() {
	q.list[q.first] = waiting{}
	q.first++
	if q.first == len(q.list) {
		q.list, q.first = q.list[:0], 0
	}
}

// pop takes out the first candidate whose slot is open, and returns it; nil if there is none.
func (q *queue) pop() *candidate {
	c, _ := q.front()
	if c != nil {
		q.drop()
	}
	return c
}
