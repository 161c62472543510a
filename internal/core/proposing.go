package core

import (
	"time"

	"github.com/lanecast/lanecast/wire"
)

// phase is how far our next chunk is.
type phase uint8

const (
	idle      phase = iota
	asking          // the application has been asked for a payload
	signing         // our sequencer key signs the chunk
	verifying       // the node is verified like any other
)

// proposing is the state of our own lane beyond what every lane has: PROTOCOL.md 4.7.
type proposing struct {
	phase      phase
	chunk      wire.Chunk // asked for, signed or verified
	proposedAt time.Duration
	notBefore  time.Duration // backoff after a declined proposal

	rebroadcast   bool // the tip is to be sent again at rebroadcastAt
	rebroadcastAt time.Duration
}

// nextHeight returns the height that we may propose now, false if we may not: we must be a sequencer, and our tip, if
// any, certified for its payload. What is certified above our tip was not proposed by this journal's owner: then we have lost it, or
// somebody else has our key, and to go on would be to equivocate.
func (c *Core) nextHeight() (uint64, bool) {
	if !c.isSequencerNow() {
		return 0, false
	}
	t := c.own.tip
	highest, certified := c.own.votes.Highest()
	if t == nil {
		return 0, !certified
	}
	if highest > t.chunk().Height || !t.durable || c.own.votes.Newest(t.chunk().Height, t.chunk().Payload) == nil {
		return 0, false
	}
	return t.chunk().Height + 1, t.chunk().Height+1 != 0
}

func (c *Core) isSequencerNow() bool {
	if c.own == nil {
		return false
	}
	e := c.inBounds(c.epoch)
	return e != nil && e.isSequencer(c.cfg.Identity)
}

// propose asks the application for our next payload, if one may be proposed now.
func (c *Core) propose() {
	p := &c.proposing
	if !c.running || p.phase != idle {
		return
	}
	height, ok := c.nextHeight()
	if !ok {
		return
	}
	if c.now < p.notBefore {
		c.wake(p.notBefore)
		return
	}
	p.phase = asking
	p.chunk = wire.Chunk{Sequencer: c.cfg.Identity, Height: height}
	c.emit(AskPropose).Chunk = p.chunk
}

// backOff ends the attempt at hand. The next one comes after ProposeBackoff.
func (c *Core) backOff(s Status) {
	c.counts.Proposals[s]++
	c.proposing.phase = idle
	c.proposing.notBefore = c.now + c.cfg.ProposeBackoff
	c.wake(c.proposing.notBefore)
}

// current reports whether the chunk that is on its way is still our next one.
func (c *Core) current(height uint64) bool {
	next, ok := c.nextHeight()
	return ok && next == height && height == c.proposing.chunk.Height
}

// Proposed takes the application's answer to an AskPropose; ok is false when it declined or failed.
func (c *Core) Proposed(now time.Duration, height uint64, payload wire.Digest, ok bool) {
	if !c.enter(now) || c.proposing.phase != asking {
		return
	}
	p := &c.proposing
	if !ok || !c.current(height) {
		c.backOff(Dropped)
		return
	}
	p.phase = signing
	p.chunk.Payload = payload
	p.proposedAt = c.now
	c.emit(SignChunk).Chunk = p.chunk
}

// ChunkSigned takes the signature that a SignChunk asked for. The node is then verified like any other: a
// signer that is broken must not make us send what others would blame us for.
func (c *Core) ChunkSigned(now time.Duration, chunk wire.Chunk, signature wire.Signature, err error) {
	p := &c.proposing
	if !c.enter(now) || p.phase != signing || p.chunk != chunk {
		return
	}
	if err != nil {
		c.backOff(Failure)
		return
	}
	if !c.current(chunk.Height) || c.own.verifying != nil {
		c.backOff(Dropped)
		return
	}
	n := &pendingNode{node: wire.Node{Chunk: chunk, Signature: signature}, proposedAt: p.proposedAt}
	if n.node.HasParent() {
		t := c.own.tip.chunk()
		held := c.own.votes.Newest(t.Height, t.Payload)
		n.node.Parent = wire.Parent{Payload: t.Payload, Epoch: held.Epoch, Certificate: held.Bytes}
	}
	n.message = n.node.AppendTo(make([]byte, 0, n.node.Size()))
	p.phase = verifying
	c.verifyNode(c.own, n)
	if c.own.verifying == nil {
		c.backOff(Failure) // the scheme of our own parent certificate is gone
	}
}

// proposalSettled follows the verdict on our own node.
func (c *Core) proposalSettled(l *lane, n *pendingNode) {
	if c.proposing.phase != verifying {
		return
	}
	if l.tip != nil && *l.tip.chunk() == n.node.Chunk {
		c.counts.Proposals[Success]++
		c.proposing.phase = idle
		return
	}
	c.backOff(Failure)
}

// broadcast spreads our tip: the payload through the relay, the node to the validators. It repeats itself until the
// tip is certified.
func (c *Core) broadcast(l *lane, again bool) {
	p := &c.proposing
	p.rebroadcast, p.rebroadcastAt = true, c.now+c.cfg.RebroadcastTimeout
	status := Success
	if c.isSequencerNow() {
		c.emit(Relay).Chunk = *l.tip.chunk()
		if others := c.inBounds(c.epoch).others; len(others) > 0 {
			send := c.emit(SendNode)
			send.Recipients, send.Bytes = others, l.tip.bytes
		}
		c.duplicate(l) // what the others do when they see it again, we do as well
	} else {
		// Paused. A new epoch resumes it at once; its sets may become known later than its number.
		status = Dropped
		p.rebroadcastAt = c.now + min(c.cfg.RebroadcastTimeout, c.cfg.AckInterval)
	}
	c.wake(p.rebroadcastAt)
	c.counts.Broadcasts[status]++
	if again {
		c.counts.Rebroadcasts[status]++
	}
}

// uncertified reports whether our tip lacks a certificate of an epoch within bounds.
func (c *Core) uncertified() bool {
	t := c.own.tip
	held := c.own.votes.Newest(t.chunk().Height, t.chunk().Payload)
	first, _ := c.bounds()
	return held == nil || held.Epoch < first
}

// restartProposing is for the start and for a new epoch: what waits for a timer happens at once.
func (c *Core) restartProposing() {
	if c.own == nil {
		return
	}
	if t := c.own.tip; t != nil && t.durable && c.uncertified() {
		c.broadcast(c.own, true)
	}
	c.propose()
	c.awaitSets()
}

// awaitSets comes back to our lane while the current epoch's sets are not known: they become known without any event.
func (c *Core) awaitSets() {
	if c.inBounds(c.epoch) == nil {
		c.wake(c.now + c.cfg.ProposeBackoff)
	}
}

// tickProposing does what is due on our own lane.
func (c *Core) tickProposing() {
	if c.own == nil {
		return
	}
	p := &c.proposing
	if p.rebroadcast {
		t := c.own.tip
		switch {
		case !c.uncertified():
			p.rebroadcast = false
		case c.now < p.rebroadcastAt:
			c.wake(p.rebroadcastAt)
		case t.durable:
			c.broadcast(c.own, true)
		}
	}
	c.propose()
	c.awaitSets()
}
