package core

import (
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/wire"
)

// phase is how far our next chunk is.
type phase uint8

const (
	idle      phase = iota
	asking          // the application has been asked for a payload
	writing         // chunk and parent are on their way to the disk
	signing         // they are durable: our sequencer key signs the chunk, or is asked to again
	verifying       // the node is verified like any other
)

// proposing is the state of our own lane beyond what every lane has: PROTOCOL.md 4.7.
type proposing struct {
	phase      phase
	height     uint64    // that the application was asked about
	node       wire.Node // from writing on; without signature until it is verified
	position   uint64    // of the record of chunk and parent; 0 if there is none
	proposedAt time.Duration
	notBefore  time.Duration // backoff after an attempt that failed

	questions  calls // for payloads
	signatures calls // on our chunks

	rebroadcast   bool // the tip is to be sent again at rebroadcastAt
	rebroadcastAt time.Duration

	// claims is the highest chunk of our lane that each validator has acked and that the journal does not hold. If more
	// than may be faulty have, somebody has sent chunks with our signature.
	claims map[wire.PublicKey]wire.Chunk
	behind bool
}

// below returns the chunk below our next one: the higher of tip and highest certificate, with a certificate for it,
// nil while there is none for its payload. empty says that the lane has nothing yet.
func (c *Core) below() (height uint64, held *aggregate.Certificate, empty bool) {
	t := c.own.tip
	highest, certified := c.own.votes.Highest()
	switch {
	case t == nil && !certified:
		return 0, nil, true
	case t == nil || certified && highest > t.chunk().Height:
		at := c.own.votes.At(highest)
		return highest, c.newestNow(highest, at.Payload), false
	case !t.durable:
		return t.chunk().Height, nil, false
	}
	return t.chunk().Height, c.newestNow(t.chunk().Height, t.chunk().Payload), false
}

// newestNow returns the newest certificate of our lane for a chunk whose epoch is not above the current one, which
// others may not know yet. Only where there is none, it is one of those.
func (c *Core) newestNow(height uint64, payload wire.Digest) *aggregate.Certificate {
	for e := c.epoch; ; e-- {
		held := c.own.votes.Held(aggregate.Key{Height: height, Epoch: e})
		if held != nil && held.Payload == payload {
			return held
		}
		if first, _ := c.bounds(); e == first {
			return c.own.votes.Newest(height, payload)
		}
	}
}

// nextHeight returns the height that we may propose now, false if we may not: we must be a sequencer, and the chunk
// below, if any, must be certified.
func (c *Core) nextHeight() (uint64, bool) {
	if c.lost || !c.isSequencerNow() {
		return 0, false
	}
	height, held, empty := c.below()
	if empty {
		return 0, true
	}
	return height + 1, held != nil && height+1 != 0
}

func (c *Core) isSequencerNow() bool {
	if c.own == nil {
		return false
	}
	e := c.inBounds(c.epoch)
	return e != nil && e.isSequencer(c.cfg.Identity)
}

// propose does what can be done now for our next chunk: it asks the application for a payload, or our key for its
// signature. It ends questions and requests that are no longer wanted.
func (c *Core) propose() {
	p := &c.proposing
	if !c.running || c.own == nil {
		return
	}
	height, ok := c.nextHeight()
	switch p.phase {
	case asking:
		if !ok || height != p.height {
			c.cancel(&p.questions)
			c.counts.Proposals[Dropped]++
			p.phase = idle
		}
	case writing, signing:
		if !ok {
			c.cancel(&p.signatures)
		} else if height != p.node.Chunk.Height { // certified meanwhile, and more
			c.cancel(&p.signatures)
			c.counts.Proposals[Dropped]++
			c.endProposal()
		}
	}
	if !ok || p.phase == asking || p.phase == writing || p.phase == verifying || p.signatures.current != 0 {
		return
	}
	if c.now < p.notBefore {
		c.wake(p.notBefore)
		return
	}
	if p.phase == signing {
		c.begin(&p.signatures, call{kind: SignChunk, chunk: p.node.Chunk, lane: c.own})
		return
	}
	if c.paused {
		return
	}
	chunk := wire.Chunk{Sequencer: c.cfg.Identity, Height: height}
	if ask := c.begin(&p.questions, call{kind: AskPropose, chunk: chunk, lane: c.own}); ask != nil {
		ask.Parent = c.nextParent().Payload
		p.phase, p.height = asking, height
	}
}

// Pause tells whether the reporter or the disk is behind. While they are, no payload is asked for: PROTOCOL.md 5.7.
func (c *Core) Pause(now time.Duration, paused bool) {
	if !c.enter(now) {
		return
	}
	c.paused = paused
	c.propose()
}

// backOff ends the attempt at hand. The next one comes after ProposeBackoff, for the same chunk if there is one.
func (c *Core) backOff(s Status) {
	p := &c.proposing
	c.counts.Proposals[s]++
	p.phase = idle
	if p.position != 0 {
		p.phase = signing
	}
	p.notBefore = c.now + c.cfg.ProposeBackoff
	c.wake(p.notBefore)
}

// endProposal forgets our next chunk, and its record.
func (c *Core) endProposal() {
	p := &c.proposing
	c.release(p.position)
	p.phase, p.position, p.node = idle, 0, wire.Node{}
}

// ApplicationProposed takes the application's answer to the AskPropose of that number; ok is false when it declined or failed.
// Chunk and parent are journaled before our key signs: after a failure or a restart the same chunk is signed.
func (c *Core) ApplicationProposed(now time.Duration, number uint64, payload wire.Digest, ok bool) {
	if !c.enter(now) {
		return
	}
	about, counts, known := c.returned(AskPropose, number)
	if !known {
		return
	}
	if !counts {
		c.propose() // it may have waited for this call to return
		return
	}
	p := &c.proposing
	if height, may := c.nextHeight(); !ok || !may || height != p.height {
		c.backOff(Dropped)
		return
	}
	about.chunk.Payload = payload
	p.node = wire.Node{Chunk: about.chunk, Parent: c.nextParent()}
	p.phase, p.proposedAt = writing, c.now
	p.position = c.appendRecord(recordProposal, &p.node)
}

// nextParent returns the parent of our next chunk, with the newest certificate that is held for it.
func (c *Core) nextParent() wire.Parent {
	_, held, empty := c.below()
	if empty {
		return wire.Parent{}
	}
	return wire.Parent{Payload: held.Payload, Epoch: held.Epoch, Certificate: held.Bytes}
}

// proposalDurable asks for our signature once chunk and parent are on disk.
func (c *Core) proposalDurable() {
	if p := &c.proposing; p.phase == writing && p.position <= c.durable {
		p.phase = signing
		c.propose()
	}
}

// ChunkSigned takes the signature that the SignChunk of that number asked for. The node is then verified like any
// other: a signer that is broken must not make us send what others would blame us for.
func (c *Core) ChunkSigned(now time.Duration, number uint64, signature wire.Signature, err error) {
	if !c.enter(now) {
		return
	}
	_, counts, known := c.returned(SignChunk, number)
	if !known {
		return
	}
	p := &c.proposing
	if !counts || p.phase != signing {
		c.propose()
		return
	}
	if err != nil {
		c.backOff(Failure)
		return
	}
	n := &pendingNode{node: p.node, proposedAt: p.proposedAt}
	n.node.Signature = signature
	n.node.Parent = c.nextParent()
	n.message = n.node.AppendTo(make([]byte, 0, n.node.Size()))
	p.phase = verifying
	c.verifyNode(c.own, n)
	if c.own.verifying == nil {
		c.backOff(Failure) // the scheme of our own parent certificate is gone
	}
}

// proposalAccepted ends a proposal that has become the tip. The tip's record replaces that of chunk and parent.
func (c *Core) proposalAccepted() {
	c.counts.Proposals[Success]++
	c.endProposal()
	c.dropClaims()
}

// proposalSettled follows the verdict on our own node. If it did not become the tip, it is signed again.
func (c *Core) proposalSettled() {
	if c.proposing.phase == verifying {
		c.backOff(Failure)
	}
}

// broadcast spreads our tip, payload and node, to the validators. It repeats itself until the tip is certified.
func (c *Core) broadcast(l *lane, again bool) {
	p := &c.proposing
	p.rebroadcast, p.rebroadcastAt = true, c.now+c.cfg.RebroadcastTimeout
	status := Success
	if c.isSequencerNow() {
		others := c.inBounds(c.epoch).others
		spread := c.emit(Broadcast)
		spread.Chunk, spread.Parent, spread.Recipients, spread.Again = *l.tip.chunk(), l.tip.parent, others, again
		if len(others) > 0 {
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

// restartProposing is for the start and for a new epoch: what waits for a timer happens at once.
func (c *Core) restartProposing() {
	if c.own == nil {
		return
	}
	c.dropClaims()
	if t := c.own.tip; t != nil && t.durable && !c.certifiedInBounds(c.own) {
		c.broadcast(c.own, true)
	}
	c.propose()
}

// awaitSets comes back while the current epoch's sets are not known: they become known without any event.
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
		case c.certifiedInBounds(c.own):
			p.rebroadcast = false
		case c.now < p.rebroadcastAt:
			c.wake(p.rebroadcastAt)
		case t.durable:
			c.broadcast(c.own, true)
		}
	}
	c.propose()
}
