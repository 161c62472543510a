package core

import (
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Ack takes an ack from a peer: docs/protocol.md 4.3. The message is read during the call and not
// kept.
func (c *Core) Ack(now time.Duration, from *Peer, message []byte) Outcome {
	o := Stopped
	if c.enter(now) {
		o = c.ack(from, message)
	}
	c.counts.Acks[o]++
	return o
}

func (c *Core) ack(from *Peer, message []byte) Outcome {
	if c.cfg.AcksToSequencer && !c.isOurs(message) {
		return OtherLane
	}
	var a wire.Ack
	if err := a.Decode(message); err != nil {
		c.faults.invalidAck(from, message)
		return Malformed
	}
	if !c.epochs.within(a.Epoch) {
		return EpochOutOfBounds
	}
	l := c.lanes.find(&a.Chunk.Sequencer)
	var base uint64
	if l != nil {
		base = l.base()
	}
	if a.Chunk.Height < base {
		c.lowAck(from, l, &a)
		return HeightOutOfBounds
	}
	if a.Chunk.Height-base > c.cfg.HeightBound {
		c.farAck(from, l, &a)
		return HeightOutOfBounds
	}
	e := c.inBounds(a.Epoch)
	if e == nil {
		return UnknownEpoch
	}
	if l == nil && c.lanes.find(&a.Chunk.Sequencer) != nil {
		return c.ack(from, message) // the lane was dormant, and has woken with the epoch's sets
	}
	if len(a.Signature) != e.format.AckSignature {
		c.faults.invalidAck(from, message)
		return Malformed
	}
	if !e.admits(l, a.Chunk.Sequencer) {
		return UnknownSequencer
	}
	if l != nil && l.tip != nil && a.Chunk.Height == l.tip.chunk().Height && a.Chunk.Payload != l.tip.chunk().Payload {
		return PayloadMismatch
	}
	index, ok := from.in(e)
	if !ok && !(e.member && a.Participant == e.me) {
		return NotValidator
	}
	if e.member && a.Participant == e.me {
		return c.ownAck(from, l, e, &a)
	}
	if index != a.Participant {
		return WrongPeer
	}
	if l == nil {
		l = c.lane(a.Chunk.Sequencer)
	}
	if l != c.own {
		return c.vote(l, e, &a)
	}
	c.claim(from, &a.Chunk)
	o := c.vote(l, e, &a)
	c.answerAck(from, &a.Chunk)
	return o
}

// farAck checks whether an ack that is too high to be counted shows that our journal is stale: an
// old copy of a journal is usually behind by more than HeightBound.
func (c *Core) farAck(from *Peer, l *lane, a *wire.Ack) {
	e := c.inBounds(a.Epoch)
	if e == nil || len(a.Signature) != e.format.AckSignature || !e.admits(l, a.Chunk.Sequencer) {
		return
	}
	if e.member && a.Participant == e.me {
		c.ownAck(from, l, e, a)
		return
	}
	if index, ok := from.in(e); ok && index == a.Participant && c.own != nil && l == c.own {
		c.claim(from, &a.Chunk)
	}
}

// vote counts an ack that has passed the rules up to 4.3.4, including our own.
func (c *Core) vote(l *lane, e *epoch, a *wire.Ack) Outcome {
	if l.votes.Held(a.Chunk.Height, a.Epoch) != nil {
		e.participation[a.Participant].Late++
		return Certified
	}
	// Acks for the lane's next chunk and the one after, in this epoch, are needed now. All others
	// wait in the part of the memory of which each validator has a share.
	ahead := a.Chunk.Height > l.base()+1 || a.Epoch != c.epochs.current
	switch l.votes.Add(a, e.set, ahead) {
	case aggregate.Counted:
		e.participation[a.Participant].InTime++
		return Accepted
	case aggregate.Quorate:
		e.participation[a.Participant].InTime++
		c.verifyVotes()
		return Accepted
	case aggregate.Conflicting:
		c.seekEvidence(l, e, a)
		return Conflicting
	case aggregate.NoRoom:
		return NoRoom
	default:
		return Duplicate
	}
}

// verifyVotes submits the votes that must be verified now.
func (c *Core) verifyVotes() {
	for _, st := range c.votes.Next(c.now) {
		c.jobs.submit(&st.Statement, job{lane: c.lanes.find(&st.Subject.Chunk.Sequencer), votes: st})
	}
}

// votesVerdict handles the verdict on a statement made of votes.
func (c *Core) votesVerdict(j job, v *verify.Verdict) {
	r := c.votes.Resolve(c.now, j.votes, v)
	c.faults.offenders(v.Statement.Scheme, r.Offenders)
	if r.InconsistentKeys != nil {
		c.reports.add(r.InconsistentKeys)
	}
	if r.Certified {
		c.certified(j.lane, r.Lock)
	}
	c.verifyVotes()
}
