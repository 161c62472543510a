package core

import (
	"time"

	"github.com/lanecast/lanecast/wire"
)

// tip is the highest node accepted for a lane.
type tip struct {
	proposal wire.Proposal
	position uint64 // of its record; 0 for none
	durable  bool
	bytes    []byte // the encoded node, on our own lane only

	// parent is the payload of the chunk below, zero at height 0. For a lane that was dormant the
	// journal holds only the tip's Proposal and the payload of the highest certified height: that
	// payload is the parent if the height is the one below the tip. Otherwise parent is zero.
	parent       wire.Digest
	hasParent    bool   // parentEpoch is known
	parentEpoch  uint64 // of the certificate in the node
	contradicted bool   // the lane was dormant, and a certificate contradicts the tip

	verdict  Answer // the application's
	reported bool   // as a Tip

	ack       wire.Ack // ours, if acked
	ackBytes  []byte   // the same, encoded
	acked     bool
	ackSentAt time.Duration

	proposed   bool // in this run and not certified yet
	proposedAt time.Duration
}

// newTip returns the tip for a node. It keeps nothing of the node's memory.
func newTip(n *wire.Node) *tip {
	return &tip{
		proposal: n.Proposal(), parent: n.Parent.Payload, hasParent: n.HasParent(), parentEpoch: n.Parent.Epoch,
	}
}

func (t *tip) chunk() *wire.Chunk { return &t.proposal.Chunk }

// volatileTips are the tips whose records are not durable yet, by position.
type volatileTips struct {
	list  []volatileTip
	first int // those before it have been removed
}

type volatileTip struct {
	position uint64
	lane     *lane
}

// push puts a tip at the end: its record is the last one.
func (v *volatileTips) push(position uint64, l *lane) {
	if len(v.list) == cap(v.list) && v.first > len(v.list)/2 {
		v.list, v.first = v.list[:copy(v.list, v.list[v.first:])], 0
	}
	v.list = append(v.list, volatileTip{position, l})
}

// pop removes the first entry and returns its lane, if its record is at most at position, else nil.
// A lane whose tip has changed comes again with the new tip.
func (v *volatileTips) pop(position uint64) *lane {
	for ; v.first < len(v.list); v.first++ {
		t := v.list[v.first]
		if t.position > position {
			return nil
		}
		if t.lane.tip.position == t.position {
			v.first++
			return t.lane
		}
	}
	v.list, v.first = v.list[:0], 0
	return nil
}

// setTip makes a verified node the tip and journals it. Nothing of it is visible before Durable,
// except our own: its chunk and parent were durable before it was signed.
func (c *Core) setTip(l *lane, p *pendingNode) {
	former := l.tip
	t := newTip(&p.node)
	t.position = c.records.append(recordNode, &p.node)
	if former != nil {
		c.records.release(former.position)
	}
	l.tip = t
	c.releaseRest(l)
	l.wantAck = false
	c.calls.cancel(&l.questions)
	c.calls.cancel(&l.signatures)
	l.votes.CloseBelow(l.base())
	c.pruneCertificates(l)
	if l == c.own {
		t.bytes = p.message
	}
	if p.from != nil || p.resumed {
		c.volatile.push(t.position, l)
		return
	}
	t.durable = true
	t.proposed, t.proposedAt = true, p.proposedAt
	c.proposer.accepted()
	c.dropClaims()
	c.tipDurable(l)
}

// Durable reports that all records up to position are on disk.
func (c *Core) Durable(now time.Duration, position uint64) {
	if !c.enter(now) || !c.records.reached(position) {
		return
	}
	for l := c.volatile.pop(position); l != nil; l = c.volatile.pop(position) {
		l.tip.durable = true
		c.tipDurable(l)
		c.tryRest(l)
	}
	if c.proposer.durable(position) {
		c.propose()
	}
	if c.loss.durable(position) {
		c.acknowledgeAll()
		c.restartProposing() // if our own lane goes on
	}
}

// tipDurable is called when the application and other processes may see the tip.
func (c *Core) tipDurable(l *lane) {
	c.askVerify(l)
	if l == c.own {
		c.broadcast(l, false)
		c.propose()
	}
}

// duplicate reacts to a node that is the tip already: our ack may have been lost, or be wanted for
// a newer epoch; or the application may have changed its answer. Once per AckInterval.
func (c *Core) duplicate(l *lane) {
	t := l.tip
	if !t.durable {
		return
	}
	if t.verdict == Approved {
		if !l.wantAck { // otherwise the next attempt has its own time
			c.acknowledge(l)
		}
		return
	}
	if c.now-l.askedAt >= c.cfg.AckInterval {
		c.askVerify(l)
	}
}
