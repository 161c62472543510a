package core

import (
	"errors"
	"slices"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// pendingNode is a node that is being verified or waits for that.
type pendingNode struct {
	node    wire.Node // views into message
	message []byte
	from    *Peer // nil: our own node
	// onlyProposal means that the node is at the tip's height with another payload. It can be
	// evidence, never a tip.
	onlyProposal bool
	proposedAt   time.Duration // for a node of ours
	resumed      bool          // it is ours, from a journal that was lost
}

// Node handles a node from a peer: docs/protocol.md 4.2. The message is read during the call and
// not kept.
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
	err := n.Decode(message, &c.epochs)
	// The bounds of the parent's certificate are not known. The sender of the node decides whether
	// to ask for them.
	unbounded := errors.Is(err, wire.ErrUnknownEpoch)
	if unbounded {
		err = n.DecodeStored(message)
	}
	if err != nil {
		c.faults.invalidNode(from, message)
		return Malformed
	}
	if c.own != nil && n.Chunk.Sequencer == c.own.sequencer {
		return c.ownNode(from, &n)
	}
	if n.Chunk.Sequencer != from.id {
		return WrongPeer
	}
	l := c.lanes.find(&from.id)
	if l != nil && l.tip != nil && n.Chunk == *l.tip.chunk() {
		c.duplicate(l)
		return Duplicate
	}
	o := c.currentEpoch().check(l, &n.Chunk)
	// While the sets of the current epoch are not known, the state of the lane decides whether its
	// node may wait for them.
	waits := o == UnknownEpoch && l != nil && !l.leaving && (l.tip == nil || n.Chunk.Height > l.tip.chunk().Height)
	if o != Accepted && o != Conflicting && !waits {
		return o
	}
	l = c.lane(from.id)
	if unbounded {
		if named := c.decodeNamed(from, l, &n, message); named != Accepted {
			return named
		}
	}
	// A second node at the tip's height is worth a signature check if its conflict was not reported
	// yet.
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

// check applies docs/protocol.md 4.1 to a node's chunk, against the current epoch e, which is nil
// while its sets are not known. Conflicting means another payload than the tip's, or than that of a
// held certificate, at the same height. l may be nil.
func (e *epoch) check(l *lane, chunk *wire.Chunk) Outcome {
	if e == nil {
		return UnknownEpoch
	}
	if !e.isSequencer(chunk.Sequencer) {
		return NotNow
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

// nextNode submits the waiting node, if it still passes the rules and the lane may have one
// verified now.
func (c *Core) nextNode(l *lane) {
	p := l.waiting
	if p == nil {
		return
	}
	if l.bad && c.now < l.nextCheck {
		c.wake(l.nextCheck)
		return
	}
	o := c.currentEpoch().check(l, &p.node.Chunk)
	if o == UnknownEpoch {
		return // until the sets of the current epoch are known: see awaitSets
	}
	if o == Accepted && c.parentInVerification(l, &p.node) {
		return // until the verdict: see certificateVerdict
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

// parentInVerification reports whether a certificate for a node's parent is in verification, as a
// message of its own. Then the certificate in the node usually need not be verified.
func (c *Core) parentInVerification(l *lane, n *wire.Node) bool {
	return n.HasParent() && c.messages.verifying[n.ParentSubject()] > 0 && l.holds(n.ParentSubject()) == nil
}

// verifyNode submits a node's chunk signature and its parent certificate. A held certificate for
// the same chunk and epoch replaces the node's own.
func (c *Core) verifyNode(l *lane, p *pendingNode) {
	proposal := p.node.Proposal()
	st := &verify.Statement{Proposal: &proposal, Unbatched: l.bad}
	j := job{lane: l, node: p}
	if p.node.HasParent() && !p.onlyProposal {
		parent := p.node.ParentSubject()
		if p.from != nil {
			c.countParent(&p.node)
		}
		if held := l.holds(parent); held != nil {
			p.node.Parent.Certificate = held
		} else {
			scheme, ok := c.epochs.scheme(parent.Epoch)
			if !ok {
				c.countNode(p, Stale) // its epoch was known when it was decoded, and is not now
				return
			}
			st.Scheme, st.Subject, st.Certificate = scheme, parent, p.node.Parent.Certificate
		}
	}
	l.verifying = p
	if l.bad {
		l.nextCheck = c.now + c.cfg.BadNodeInterval
	}
	c.jobs.submit(st, j)
}

// nodeVerdict handles the verdict on a node's signatures.
func (c *Core) nodeVerdict(j job, v *verify.Verdict) {
	l, p := j.lane, j.node
	l.verifying = nil
	switch {
	case v.Err != nil:
		// No verdict: no peer is blamed. The peer will send it again.
		c.countNode(p, Stale)
	case v.ProposalValid && v.CertificateValid:
		c.counts.NodesVerified++
		if o := c.acceptNode(l, p); o == Stale {
			c.countNode(p, Stale)
		}
	default:
		c.countNode(p, Invalid)
		if p.from != nil {
			c.blameNode(l, p.from, p.message)
		}
	}
	if p.from == nil {
		c.proposer.done(whyInvalid(v))
	}
	if l.verifying == nil {
		c.nextNode(l)
	}
}

// countNode counts the outcome of a peer's node. Our own nodes are counted as proposals.
func (c *Core) countNode(p *pendingNode, o Outcome) {
	if p.from != nil {
		c.counts.Nodes[o]++
	}
}

// blameNode reports a node that has been proven invalid. From then on the sequencer's nodes are
// verified alone, at a limited rate, and no parents of theirs wait.
func (c *Core) blameNode(l *lane, from *Peer, message []byte) {
	l.bad, l.nextCheck = true, c.now+c.cfg.BadNodeInterval
	c.dropParents(l)
	c.faults.invalidNode(from, message)
}

// acceptNode handles a verified node. Tip and epoch may have changed since it arrived: the rules
// are checked again.
func (c *Core) acceptNode(l *lane, p *pendingNode) Outcome {
	if p.node.HasParent() && !p.onlyProposal {
		c.certified(l, parentLock(&p.node))
		if !c.running {
			return Stopped
		}
	}
	o := c.currentEpoch().check(l, &p.node.Chunk)
	switch o {
	case Conflicting:
		if t := l.tip; t != nil && t.chunk().Height == p.node.Chunk.Height {
			c.faults.conflict(l, &wire.Conflict{Proposal: t.proposal, Other: p.node.Proposal()})
		} else if held := l.votes.At(p.node.Chunk.Height); held != nil {
			first, _ := c.epochs.bounds()
			lock := l.newestUpTo(c.epochs.current, first, held.Chunk).Lock
			c.faults.conflict(l, &wire.Conflict{Proposal: p.node.Proposal(), Lock: &lock})
		}
		return Conflicting
	case Duplicate:
		c.duplicate(l)
		return Duplicate
	case Accepted:
	case UnknownEpoch:
		if p.from != nil && l.waiting == nil {
			// The epoch has changed meanwhile, and its sets will be known soon.
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

// parentLock returns the parent of a node as a lock, with its bytes copied.
func parentLock(n *wire.Node) wire.Lock {
	s := n.ParentSubject()
	return wire.Lock{Chunk: s.Chunk, Epoch: s.Epoch, Certificate: slices.Clone(n.Parent.Certificate)}
}
