package core

import (
	"fmt"
	"time"

	"github.com/lanecast/lanecast/wire"
)

type event struct {
	at    time.Duration
	order int
	do    func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// check holds reports against PROTOCOL.md 5.3 and 5.6. That each lock is valid, the rig has checked.
func (net *network) check(a wire.Activity) {
	net.t.Helper()
	blame := func(who wire.PublicKey) {
		if net.enemy == nil || who != net.enemy.me {
			net.t.Fatalf("a %s blames %v, which is honest", a.Tag(), who[1])
		}
	}
	switch a := a.(type) {
	case *wire.Certified:
		at := place{a.Lock.Chunk.Sequencer, a.Lock.Chunk.Height}
		if before, ok := net.locks[at]; ok && before != a.Lock.Chunk.Payload {
			net.t.Fatalf("two locks at height %d of %v", at.height, at.sequencer[1])
		}
		net.locks[at] = a.Lock.Chunk.Payload
	case *wire.Tip:
	case *wire.Conflict:
		blame(a.Proposal.Chunk.Sequencer)
	case *wire.ConflictingAcks:
		blame(net.w.validator(a.First.Epoch, int(a.First.Participant)))
	case *wire.InvalidAck:
		blame(a.Peer)
	case *wire.InvalidNode:
		blame(a.Peer)
	default:
		net.t.Fatalf("reported a %s", a.Tag())
	}
}

// trace digests every effect of every process.
func (net *network) trace(e *Effect) {
	h := net.digest
	fmt.Fprintf(h, "%d %d %d %x %v %d %x %d", net.now, e.Kind, e.Position, e.Bytes, e.Chunk, e.Epoch, e.Recipients, e.Elapsed)
	if e.Activity != nil {
		h.Write(e.Activity.AppendTo(nil))
	}
	if st := e.Statement; st != nil {
		fmt.Fprintf(h, "%d %v %v %x %v %v %v", st.Tag, st.Alone, st.Subject, st.Certificate, st.Signers, st.Suspects, st.ProveOnly)
		if st.Proposal != nil {
			h.Write(st.Proposal.AppendTo(nil))
		}
		for i := range st.Signers.All() {
			h.Write(st.Vote(i))
		}
	}
}
