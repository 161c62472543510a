package core

import (
	"errors"
	"slices"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// tip is the highest node accepted for a lane.
type tip struct {
	proposal wire.Proposal
	position uint64 // of its record
	durable  bool
	bytes    []byte // the encoded node, on our own lane only

	parentEpoch uint64 // of the certificate in the node; only above height 0

	verdict  Answer // the application's
	reported bool   // as a Tip

	ack       []byte // our encoded ack, if acked …
	acked     bool
	ackEpoch  uint64 // … in this epoch
	ackSentAt time.Duration

	proposed   bool // in this run and not certified yet
	proposedAt time.Duration
}

func (t *tip) chunk() *wire.Chunk { return &t.proposal.Chunk }

// pendingNode is a node that is verified or waits for it.
type pendingNode struct {
	node    wire.Node // views into message
	message []byte
	from    *Peer // nil: it is ours
	// onlyProposal: at the tip's height with another payload. It can be evidence, never a tip.
	onlyProposal bool
	proposedAt   time.Duration // when ours
}

// pendingTip is a tip whose record is not durable yet.
type pendingTip struct {
	position uint64
	lane     *lane
}

// Node takes a node from a peer: PROTOCOL.md 4.2. The message is read during the call and not kept.
func (c *Core) Node(now time.Duration, from *Peer, message []byte) Outcome {
	o := Stopped
	if c.enter(now) {
		o = c.node(from, message)
	}
	c.counts.Nodes[o]++
	return o
}

func (c *Core) node(from *Peer, message []byte) Outcome {
	var n wire.Node
	if err := n.Decode(message, c); err != nil {
		if errors.Is(err, wire.ErrUnknownEpoch) {
			return c.unknownEpoch(from, message)
		}
		c.reportInvalidNode(from, message)
		return Malformed
	}
	if n.Chunk.Sequencer != from.id {
		return WrongPeer
	}
	l := c.lanes[from.id]
	if l != nil && l.tip != nil && n.Chunk == *l.tip.chunk() {
		c.duplicate(l)
		return Duplicate
	}
	o := c.checkNode(l, &n.Chunk)
	if o != Accepted && o != Conflicting {
		return o
	}
	l = c.lane(from.id)
	// A second node at the tip's height is worth a signature check as long as it can be news.
	if o == Conflicting && l.conflict.any && l.conflict.height == n.Chunk.Height {
		return Conflicting
	}
	// Cheap refusals first: from here on the bytes are copied.
	if l.verifying != nil && l.verifying.node.Chunk == n.Chunk || l.waiting != nil && l.waiting.node.Chunk == n.Chunk {
		return Duplicate
	}
	if l.waiting != nil && n.Chunk.Height <= l.waiting.node.Chunk.Height {
		return Busy
	}
	p := &pendingNode{from: from, message: slices.Clone(message), onlyProposal: o == Conflicting}
	p.node = n
	p.node.Parent.Certificate = p.message[len(p.message)-len(n.Parent.Certificate):]
	l.waiting = p
	if l.verifying == nil {
		c.nextNode(l)
	}
	return Accepted
}

// unknownEpoch takes a node whose parent certificate has no bound. What has the tip's chunk is a duplicate all the same.
func (c *Core) unknownEpoch(from *Peer, message []byte) Outcome {
	l := c.lanes[from.id]
	if l == nil || l.tip == nil {
		return UnknownEpoch
	}
	var n wire.Node
	if err := n.DecodeStored(message); err != nil || n.Chunk != *l.tip.chunk() {
		return UnknownEpoch
	}
	c.duplicate(l)
	return Duplicate
}

// checkNode is PROTOCOL.md 4.1 for a node's chunk, against the current epoch. Conflicting is the tip's height with
// another payload. l may be nil.
func (c *Core) checkNode(l *lane, chunk *wire.Chunk) Outcome {
	e := c.inBounds(c.epoch)
	if e == nil {
		return UnknownEpoch
	}
	if !e.isSequencer(chunk.Sequencer) {
		return UnknownSequencer
	}
	if l == nil || l.tip == nil {
		return Accepted
	}
	switch t := l.tip.chunk(); {
	case chunk.Height < t.Height:
		return HeightTooLow
	case chunk.Height == t.Height && chunk.Payload == t.Payload:
		return Duplicate
	case chunk.Height == t.Height:
		return Conflicting
	}
	return Accepted
}

// nextNode has the waiting node verified, if it still passes the rules and the lane may have one verified now.
func (c *Core) nextNode(l *lane) {
	p := l.waiting
	if p == nil {
		return
	}
	if l.bad && c.now < l.nextCheck {
		c.wake(l.nextCheck)
		return
	}
	l.waiting = nil
	o := c.checkNode(l, &p.node.Chunk)
	if o != Accepted && o != Conflicting {
		c.counts.Nodes[Stale]++
		return
	}
	p.onlyProposal = o == Conflicting
	c.verifyNode(l, p)
}

// verifyNode submits a node's chunk signature and, unless it is held already, its parent certificate.
func (c *Core) verifyNode(l *lane, p *pendingNode) {
	proposal := p.node.Proposal()
	st := &verify.Statement{Proposal: &proposal, Alone: l.bad}
	j := job{lane: l, node: p}
	if p.node.HasParent() && !p.onlyProposal {
		parent := p.node.ParentSubject()
		if !l.holds(parent, p.node.Parent.Certificate) {
			scheme, ok := c.scheme(parent.Epoch)
			if !ok {
				c.counts.Nodes[Stale]++ // decoded while its epoch was known, and now it is not
				return
			}
			st.Scheme, st.Subject, st.Certificate = scheme, parent, p.node.Parent.Certificate
		}
	}
	l.verifying = p
	if l.bad {
		l.nextCheck = c.now + c.cfg.BadNodeInterval
	}
	c.submit(st, j)
}

// nodeVerdict takes the verdict on a node's signatures.
func (c *Core) nodeVerdict(j job, v *verify.Verdict) {
	l, p := j.lane, j.node
	l.verifying = nil
	switch {
	case v.Err != nil:
		// No verdict, and nobody to blame. The peer will send it again.
		c.counts.Nodes[Stale]++
	case v.ProposalValid && v.CertificateValid:
		c.counts.NodesVerified++
		if o := c.acceptNode(l, p); o == Stale {
			c.counts.Nodes[Stale]++
		}
	default:
		c.counts.Nodes[Invalid]++
		if p.from != nil {
			l.bad, l.nextCheck = true, c.now+c.cfg.BadNodeInterval
			c.reportInvalidNode(p.from, p.message)
		}
	}
	if p.from == nil {
		c.proposalSettled(l, p)
	}
	if l.verifying == nil {
		c.nextNode(l)
	}
}

// acceptNode handles a verified node. Tip and epoch may have moved since it arrived: the rules are checked again.
func (c *Core) acceptNode(l *lane, p *pendingNode) Outcome {
	o := c.checkNode(l, &p.node.Chunk)
	switch o {
	case Conflicting:
		c.reportConflict(l, &wire.Conflict{Proposal: l.tip.proposal, Other: p.node.Proposal()})
		return Conflicting
	case Duplicate:
		c.duplicate(l)
		return Duplicate
	case Accepted:
	default:
		return Stale
	}
	if p.onlyProposal {
		return Stale // its parent certificate has not been verified
	}
	if p.node.HasParent() {
		c.certified(l, p.node.ParentSubject(), slices.Clone(p.node.Parent.Certificate))
	}
	c.setTip(l, p)
	return Accepted
}

// setTip makes a verified node the tip and journals it. Nothing of it is visible before Durable.
func (c *Core) setTip(l *lane, p *pendingNode) {
	former := l.tip
	t := &tip{proposal: p.node.Proposal(), parentEpoch: p.node.Parent.Epoch}
	if p.from == nil {
		t.proposed, t.proposedAt = true, p.proposedAt
	}
	if l == c.own {
		t.bytes = p.message
	}
	t.position = c.appendRecord(recordNode, &p.node)
	if former != nil {
		c.release(former.position)
	}
	l.tip = t
	l.wantAck = false
	c.pending = append(c.pending, pendingTip{t.position, l})
	l.votes.CloseBelow(l.base())
	c.pruneCertificates(l)
	// The certificate of this very chunk may have come before the node.
	if held := l.votes.At(t.chunk().Height); held != nil {
		c.compareTip(l, l.lock(held))
	}
}

// Durable tells that all records up to position are on disk.
func (c *Core) Durable(now time.Duration, position uint64) {
	if !c.enter(now) || position <= c.durable {
		return
	}
	c.durable = position
	n := 0
	for n < len(c.pending) && c.pending[n].position <= position {
		p := c.pending[n]
		n++
		if t := p.lane.tip; t.position == p.position {
			t.durable = true
			c.tipDurable(p.lane)
		}
	}
	c.pending = c.pending[:copy(c.pending, c.pending[n:])]
}

// tipDurable is the moment from which the application and others may see the tip.
func (c *Core) tipDurable(l *lane) {
	c.askVerify(l)
	if l == c.own {
		c.broadcast(l, false)
		c.propose()
	}
}

// duplicate answers a node that is the tip already: our ack may have been lost, or be wanted for a newer epoch; or
// the application may have changed its mind. Once per AckInterval.
func (c *Core) duplicate(l *lane) {
	t := l.tip
	if !t.durable {
		return
	}
	if t.verdict == Approved {
		if !l.wantAck { // else the next attempt has its time
			c.acknowledge(l)
		}
		return
	}
	if c.now-l.askedAt >= c.cfg.AckInterval {
		c.askVerify(l)
	}
}
