package sim

import (
	"time"

	"github.com/lanecast/lanecast/wire"
)

type messageKind uint8

const (
	nodeMessage messageKind = iota
	ackMessage
	certificateMessage
	numMessageKinds
)

func (k messageKind) String() string { return [...]string{"node", "ack", "certificate"}[k] }

// event is scheduled for a time. Then do is called or, if do is nil, a message arrives.
type event struct {
	at    time.Duration
	order uint64
	do    func()

	to      int
	from    wire.PublicKey
	kind    messageKind
	message []byte
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.order < o.order }

// queue is a binary heap of events.
type queue []event

func (q *queue) push(e event) {
	h := append(*q, e)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if h[up].before(&e) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
	*q = h
}

func (q *queue) pop() event {
	h := *q
	top, last := h[0], h[len(h)-1]
	h[len(h)-1] = event{}
	h = h[:len(h)-1]
	for i := 0; len(h) > 0; {
		down := 2*i + 1
		if down < len(h)-1 && h[down+1].before(&h[down]) {
			down++
		}
		if down >= len(h) || last.before(&h[down]) {
			h[i] = last
			break
		}
		h[i] = h[down]
		i = down
	}
	*q = h
	return top
}
