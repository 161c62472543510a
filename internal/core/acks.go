package core

import (
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Ack takes an ack from a peer: PROTOCOL.md 4.3. The message is read during the call and not kept.
func (c *Core) Ack(now time.Duration, from *Peer, message []byte) Outcome {
	o := Stopped
	if c.enter(now) {
		o = c.ack(from, message)
	}
	c.counts.Acks[o]++
	return o
}

func (c *Core) ack(from *Peer, message []byte) Outcome {
	var a wire.Ack
	if err := a.Decode(message); err != nil {
		c.reportInvalidAck(from, message)
		return Malformed
	}
	if first, last := c.bounds(); a.Epoch < first || a.Epoch > last {
		return EpochOutOfBounds
	}
	l := c.laneOf(&a.Chunk.Sequencer)
	var base uint64
	if l != nil {
		base = l.base()
	}
	if a.Chunk.Height < base {
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
	if l == nil && c.laneOf(&a.Chunk.Sequencer) != nil {
		return c.ack(from, message) // the lane was dormant, and has woken with the epoch's sets
	}
	if len(a.Signature) != e.format.AckSignature {
		c.reportInvalidAck(from, message)
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
	if l == c.own {
		c.claim(from, &a.Chunk)
	}
	if from.quota == nil || from.accounts != c.accounts {
		from.quota, from.accounts = c.quota(from.id), c.accounts
	}
	return c.vote(l, e, &a, from.quota)
}

// farAck looks at an ack that is too high to be counted for what it may say of our journal: a copy of it from the past is
// behind by more than HeightBound as a rule.
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

// vote counts an ack that has passed the rules up to 4.3.4, ours among them.
func (c *Core) vote(l *lane, e *epoch, a *wire.Ack, quota *aggregate.Quota) Outcome {
	key := aggregate.Key{Height: a.Chunk.Height, Epoch: a.Epoch}
	if l.votes.Held(key) != nil {
		return Certified
	}
	// What is needed now are the lane's next chunk and the one after, in this epoch. All else waits in the part of the
	// memory of which each validator has a share.
	speculative := a.Chunk.Height > l.base()+1 || a.Epoch != c.epoch
	slot := l.votes.Open(key, e.scheme, speculative, quota)
	if slot == nil {
		return NoRoom
	}
	result, candidate := slot.Vote(a.Participant, a.Chunk.Payload, a.Signature)
	switch result {
	case aggregate.Counted:
		if candidate.Quorate() {
			c.tryCandidate(l, e, candidate)
		}
		return Accepted
	case aggregate.Conflicting:
		c.seekEvidence(l, e, slot, candidate, a)
		return Conflicting
	case aggregate.Full:
		return NoRoom
	default:
		return Duplicate
	}
}

// tryCandidate makes a statement of a candidate's votes, once it is its turn, if those that are not suspect suffice. If
// they do not, it has those of suspects looked at where there is nobody left to wait for, and otherwise lets it wait.
func (c *Core) tryCandidate(l *lane, e *epoch, candidate *aggregate.Candidate) {
	slot := candidate.Slot()
	if candidate.Queued() {
		return
	}
	if candidate.Ready(e.suspects) {
		if !c.mayVerify() {
			c.queue(l, candidate)
			return
		}
		first := wire.Participant(c.turns.taken / signersKept % uint64(e.format.Participants))
		c.submitVotes(candidate.Statement(e.suspects, first), job{lane: l, slot: slot, candidate: candidate})
		return
	}
	if !candidate.Quorate() || e.suspects.Len() == 0 {
		return
	}
	if c.mayLook() && slot.AllVoted(e.suspects) {
		c.look(l, e, candidate)
	} else if candidate.Stall() {
		c.stall(l, candidate)
	}
}

func (c *Core) submitVotes(st *verify.Statement, j job) {
	st.Subject = wire.Subject{
		Chunk: wire.Chunk{Sequencer: j.lane.sequencer, Height: j.slot.Height, Payload: j.candidate.Payload},
		Epoch: j.slot.Epoch,
	}
	st.MayDefer = true
	j.subject, j.since = st.Subject, c.now
	c.counts.VoteBatches++
	c.turns.flying++
	c.turns.taken++
	c.submit(st, j)
}

// votesVerdict takes the verdict on a statement made of votes.
func (c *Core) votesVerdict(j job, v *verify.Verdict) {
	c.turns.flying--
	defer c.nextTurns()
	if len(v.Invalid) > 0 || v.Certificate == nil && len(v.Deferred) == 0 {
		c.counts.VoteFailures++
	}
	for _, i := range v.Invalid { // before Settle, which may end the slab
		c.invalidVote(v.Statement, i)
	}
	retried := j.candidate.Failed()
	// A scheme that proves nobody wrong, and yet certifies nothing, would have us try the same all
	// the time.
	fault := isKeyFault(v.Err) || v.Err == nil && v.Certificate == nil && len(v.Invalid) == 0 && len(v.Deferred) == 0
	if fault {
		c.keyFault(j, v)
	}
	c.exposed(v)
	j.slot.Settle(j.candidate, v.Invalid)
	if j.look {
		c.looked(j, v)
		defer c.tickLooks()
	}
	if v.Certificate != nil {
		c.counts.Certificates++
		if retried {
			c.keysFit()
		}
		c.certified(j.lane, j.subject, v.Certificate)
		return
	}
	if j.slot.Closed() {
		return
	}
	if fault {
		c.retryLater(j)
		return
	}
	if v.Err != nil {
		// No verdict, and nobody to blame. The next one may fare no better, and no other ack need ever come.
		if j.candidate.Stall() {
			c.stall(j.lane, j.candidate)
		}
		return
	}
	// Acks that arrived meanwhile may make up for the invalid ones and for those of validators exposed meanwhile.
	if e := c.epochs[j.subject.Epoch]; e != nil && j.candidate.Quorate() {
		c.tryCandidate(j.lane, e, j.candidate)
	}
}
