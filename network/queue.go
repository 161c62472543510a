package network

import (
	"math"
	"sync"
	"sync/atomic"
)

// outgoing is a message that waits to be sent.
type outgoing struct {
	info    *typeInfo
	number  uint64
	message []byte
	shared  bool // it counts in what all followers share
	// sent, if not nil, has room for one error. It gets nil once the frame has been written out of
	// message, or the reason why it never will be.
	sent chan error
}

// queue holds the messages for one peer and class, bounded in number and bytes. It outlives the
// connections that empty it.
type queue struct {
	mu       sync.Mutex
	urgent   ring
	ordinary ring
	bytes    int
	closed   error
	// wake has room for one token; it gets one when something waits. It never changes.
	wake chan struct{}

	maxMessages, maxBytes int
	// followers counts the bytes that wait for all followers, at most as many as for one peer.
	followers *atomic.Int64
}

func newQueue(messages, bytes int, followers *atomic.Int64) queue {
	return queue{maxMessages: messages, maxBytes: bytes, followers: followers, wake: make(chan struct{}, 1)}
}

// push queues a message. It returns false if there is no room.
func (q *queue) push(m outgoing) bool { return q.add(m, q.maxMessages, q.maxBytes) }

// force queues an answer even if the queue is full. There are no more answers than requests being
// served.
func (q *queue) force(m outgoing) bool { return q.add(m, math.MaxInt, math.MaxInt) }

func (q *queue) add(m outgoing, maxMessages, maxBytes int) bool {
	q.mu.Lock()
	n := q.urgent.len() + q.ordinary.len()
	if q.closed != nil || n >= maxMessages || q.bytes > maxBytes-len(m.message) {
		q.mu.Unlock()
		return false
	}
	if m.shared {
		if size := int64(len(m.message)); q.followers.Add(size) > int64(maxBytes) {
			q.followers.Add(-size)
			q.mu.Unlock()
			return false
		}
	}
	q.bytes += len(m.message)
	if m.info.Urgent {
		q.urgent.push(m)
	} else {
		q.ordinary.push(m)
	}
	q.mu.Unlock()
	if n == 0 {
		q.signal()
	}
	return true
}

// signal makes the goroutine that waits on wake look again.
func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// pop takes the next message: urgent ones first, each kind in order.
func (q *queue) pop() (m outgoing, ok bool) {
	switch {
	case q.urgent.len() > 0:
		m = q.urgent.pop()
	case q.ordinary.len() > 0:
		m = q.ordinary.pop()
	default:
		return m, false
	}
	q.left(&m)
	return m, true
}

// left counts a message that waits no more.
func (q *queue) left(m *outgoing) {
	q.bytes -= len(m.message)
	if m.shared {
		q.followers.Add(-int64(len(m.message)))
	}
}

// take appends frames to b until b holds at least size bytes or the queue is empty. It appends to
// sent the messages whose sender waits until they are written, and counts all messages.
func (q *queue) take(b []byte, size int, sent []outgoing, counts *typeCounts) ([]byte, []outgoing) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(b) < size {
		m, ok := q.pop()
		if !ok {
			break
		}
		b = appendHead(b, m.info.Type, m.info.Kind, m.number, len(m.message))
		b = append(b, m.message...)
		counts.add(m.info, len(m.message))
		if m.sent != nil {
			m.message = nil
			sent = append(sent, m)
		}
	}
	return b, sent
}

// remove drops the messages for which drop holds, and gives their senders the reason. It returns
// their number.
func (q *queue) remove(drop func(*outgoing) bool, why error) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range []*ring{&q.urgent, &q.ordinary} {
		for range r.len() {
			m := r.pop()
			if !drop(&m) {
				r.push(m)
				continue
			}
			q.left(&m)
			dropped++
			if m.sent != nil {
				m.sent <- why
			}
		}
	}
	return dropped
}

// close drops all messages and refuses later ones.
func (q *queue) close(why error) (dropped int) {
	q.mu.Lock()
	q.closed = why
	q.mu.Unlock()
	return q.remove(func(*outgoing) bool { return true }, why)
}

func (q *queue) waiting() (messages, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.urgent.len() + q.ordinary.len(), q.bytes
}

// ring is a first-in, first-out queue that reuses its memory.
type ring struct {
	items []outgoing // the length is 0 or a power of two
	head  int
	count int
}

func (r *ring) len() int { return r.count }

func (r *ring) push(m outgoing) {
	if r.count == len(r.items) {
		grown := make([]outgoing, max(16, 2*len(r.items)))
		for i := range r.count {
			grown[i] = r.items[(r.head+i)&(len(r.items)-1)]
		}
		r.items, r.head = grown, 0
	}
	r.items[(r.head+r.count)&(len(r.items)-1)] = m
	r.count++
}

// pop takes the oldest item. The ring must not be empty.
func (r *ring) pop() outgoing {
	m := r.items[r.head]
	r.items[r.head] = outgoing{} // releases the reference to the message
	r.head = (r.head + 1) & (len(r.items) - 1)
	r.count--
	return m
}
