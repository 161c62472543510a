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
	position uint64 // of its record; 0 for none
	durable  bool
	bytes    []byte // the encoded node, on our own lane only

	// parent is the payload of the chunk below, zero at height 0. It is zero too, at any height, where the tip comes from a
	// dormant lane, of which the journal holds the Proposal only.
	parent       wire.Digest
	hasParent    bool   // parentEpoch is known
	parentEpoch  uint64 // of the certificate in the node
	contradicted bool   // the lane was dormant, and had a certificate for another payload at the tip's height

	verdict  Answer // the application's
	reported bool   // as a Tip

	ack       []byte // our encoded ack, if acked …
	acked     bool
	ackEpoch  uint64 // … in this epoch
	ackSentAt time.Duration

	proposed   bool // in this run and not certified yet
	proposedAt time.Duration
}

// newTip returns the tip that a node becomes. It keeps nothing of the node's memory.
func newTip(n *wire.Node) *tip {
	return &tip{
		proposal: n.Proposal(), parent: n.Parent.Payload, hasParent: n.HasParent(), parentEpoch: n.Parent.Epoch,
	}
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
	if c.own != nil && n.Chunk.Sequencer == c.own.sequencer {
		return c.ownNode(from, &n)
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
	// While the sets of the current epoch are not known, what is known of the lane says that its node may wait for them.
	waits := o == UnknownEpoch && l != nil && !l.leaving && (l.tip == nil || n.Chunk.Height > l.tip.chunk().Height)
	if o != Accepted && o != Conflicting && !waits {
		return o
	}
	l = c.lane(from.id)
	// A second node at the tip's height is worth a signature check as long as it can be news.
	if o == Conflicting && l.conflict.covers(n.Chunk.Height) {
		return Conflicting
	}
	// Cheap refusals first: from here on the bytes are copied.
	if l.verifying != nil && l.verifying.node.Chunk == n.Chunk || l.waiting != nil && l.waiting.node.Chunk == n.Chunk {
		return Duplicate
	}
	lower := l.waiting != nil && n.Chunk.Height <= l.waiting.node.Chunk.Height
	if lower && (!n.HasParent() || !c.wantsParent(l, n.ParentSubject())) {
		return Busy
	}
	p := &pendingNode{from: from, message: slices.Clone(message), onlyProposal: o == Conflicting}
	p.node = n
	p.node.Parent.Certificate = p.message[len(p.message)-len(n.Parent.Certificate):]
	if lower {
		c.passOver(l, p)
		return Busy
	}
	if former := l.waiting; former != nil {
		c.counts.Nodes[Replaced]++
		c.passOver(l, former)
	}
	l.waiting = p
	if l.verifying == nil {
		c.nextNode(l)
	}
	return Accepted
}

// unknownEpoch takes a node whose parent certificate has no bound. What has the tip's chunk is a duplicate all the same.
func (c *Core) unknownEpoch(from *Peer, message []byte) Outcome {
	var n wire.Node
	if err := n.DecodeStored(message); err != nil {
		return UnknownEpoch
	}
	if c.own != nil && n.Chunk.Sequencer == c.own.sequencer {
		return c.ownNode(from, &n)
	}
	l := c.lanes[from.id]
	if l == nil || l.tip == nil || n.Chunk != *l.tip.chunk() {
		return UnknownEpoch
	}
	c.duplicate(l)
	return Duplicate
}

// checkNode is PROTOCOL.md 4.1 for a node's chunk, against the current epoch. Conflicting is another payload than the
// tip's, or than that of a certificate that is held, at the same height. l may be nil.
func (c *Core) checkNode(l *lane, chunk *wire.Chunk) Outcome {
	e := c.inBounds(c.epoch)
	if e == nil {
		return UnknownEpoch
	}
	if !e.isSequencer(chunk.Sequencer) {
		return UnknownSequencer
	}
	if l == nil {
		return Accepted
	}
	if l.tip != nil {
		switch t := l.tip.chunk(); {
		case chunk.Height < t.Height:
			return HeightTooLow
		case chunk.Height == t.Height && chunk.Payload == t.Payload:
			return Duplicate
		case chunk.Height == t.Height:
			return Conflicting
		}
	}
	if locked, ok := l.lockedAt(chunk.Height); ok && locked != chunk.Payload {
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
	o := c.checkNode(l, &p.node.Chunk)
	if o == UnknownEpoch {
		return // until the sets of the current epoch are known: see awaitSets
	}
	l.waiting = nil
	if o != Accepted && o != Conflicting {
		c.counts.Nodes[Stale]++
		c.passOver(l, p)
		return
	}
	p.onlyProposal = o == Conflicting
	c.verifyNode(l, p)
}

// verifyNode submits a node's chunk signature and, unless it is held already, its parent certificate.
func (c *Core) verifyNode(l *lane, p *pendingNode) {
	proposal := p.node.Proposal()
	st := &verify.Statement{Proposal: &proposal, Unbatched: l.bad}
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
			c.blameNode(l, p.from, p.message)
		}
	}
	if p.from == nil {
		c.proposalSettled()
	}
	if l.verifying == nil {
		c.nextNode(l)
	}
}

// blameNode reports a node that has been proven invalid. From then on the sequencer's nodes are verified alone, at a
// limited rate, and no parents of theirs wait.
func (c *Core) blameNode(l *lane, from *Peer, message []byte) {
	l.bad, l.nextCheck = true, c.now+c.cfg.BadNodeInterval
	c.dropParents(l)
	c.reportInvalidNode(from, message)
}

// acceptNode handles a verified node. Tip and epoch may have moved since it arrived: the rules are checked again.
func (c *Core) acceptNode(l *lane, p *pendingNode) Outcome {
	if p.node.HasParent() && !p.onlyProposal {
		c.certified(l, p.node.ParentSubject(), slices.Clone(p.node.Parent.Certificate))
		if !c.running {
			return Stopped
		}
	}
	o := c.checkNode(l, &p.node.Chunk)
	switch o {
	case Conflicting:
		if t := l.tip; t != nil && t.chunk().Height == p.node.Chunk.Height {
			c.reportConflict(l, &wire.Conflict{Proposal: t.proposal, Other: p.node.Proposal()})
		} else if held := l.votes.At(p.node.Chunk.Height); held != nil {
			lock := l.lock(held)
			c.reportConflict(l, &wire.Conflict{Proposal: p.node.Proposal(), Lock: &lock})
		}
		return Conflicting
	case Duplicate:
		c.duplicate(l)
		return Duplicate
	case Accepted:
	case UnknownEpoch:
		if p.from != nil && l.waiting == nil { // the epoch moved meanwhile, and its sets will be known in a moment
			l.waiting = p
			return Accepted
		}
		return Stale
	default:
		return Stale
	}
	if p.onlyProposal {
		return Stale // its parent certificate has not been verified
	}
	c.setTip(l, p)
	return Accepted
}

// setTip makes a verified node the tip and journals it. Nothing of it is visible before Durable, but for our own: its
// chunk and parent were durable before it was signed.
func (c *Core) setTip(l *lane, p *pendingNode) {
	former := l.tip
	t := newTip(&p.node)
	t.position = c.appendRecord(recordNode, &p.node)
	if former != nil {
		c.release(former.position)
	}
	l.tip = t
	c.releaseRest(l)
	l.wantAck = false
	c.cancel(&l.questions)
	c.cancel(&l.signatures)
	l.votes.CloseBelow(l.base())
	c.pruneCertificates(l)
	if p.from != nil {
		c.pending = append(c.pending, pendingTip{t.position, l})
		return
	}
	t.durable, t.bytes = true, p.message
	t.proposed, t.proposedAt = true, p.proposedAt
	c.proposalAccepted()
	c.tipDurable(l)
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
			c.tryRest(p.lane)
		}
	}
	c.pending = c.pending[:copy(c.pending, c.pending[n:])]
	c.proposalDurable()
	c.recoveryDurable()
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
