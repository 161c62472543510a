package simnet

import "slices"

// queue is a first-in, first-out queue of packets.
type queue struct {
	packets []packet
	head    int
}

func (q *queue) len() int { return len(q.packets) - q.head }

func (q *queue) push(p packet) {
	if q.head > 64 && q.head*2 > len(q.packets) {
		q.packets = slices.Delete(q.packets, 0, q.head)
		q.head = 0
	}
	q.packets = append(q.packets, p)
}

// pop takes the oldest packet of a queue that is not empty.
func (q *queue) pop() packet {
	p := q.packets[q.head]
	q.packets[q.head] = packet{} // releases the body to the garbage collector
	q.head++
	if q.head == len(q.packets) {
		q.packets, q.head = q.packets[:0], 0
	}
	return p
}

// schedule is a heap of packets, the first due on top.
type schedule []packet

func (s schedule) Len() int { return len(s) }

func (s schedule) Less(i, j int) bool {
	if c := s[i].due.Compare(s[j].due); c != 0 {
		return c < 0
	}
	return s[i].sequence < s[j].sequence
}

func (s schedule) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

// Push implements heap.Interface.
func (s *schedule) Push(p any) { *s = append(*s, p.(packet)) }

// Pop implements heap.Interface.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	p := (*s)[last]
	(*s)[last] = packet{}
	*s = (*s)[:last]
	return p
}
