package core

import (
	"slices"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Faults of PROTOCOL.md 4.6. Each is reported when it is found; what could be found again and again with each
// message is reported once: conflicts per lane and height, invalid acks when their validator becomes a suspect, conflicting acks
// per validator and epoch, undecodable messages per peer and BadNodeInterval.

func (c *Core) reportFault(a wire.Activity) {
	c.counts.Faults++
	c.reports.add(a)
}

func (c *Core) reportConflict(l *lane, a *wire.Conflict) {
	if l.conflict.first(a.Proposal.Chunk.Height) {
		c.reportFault(a)
	}
}

func (c *Core) reportLockConflict(l *lane, first, second wire.Lock) {
	if l.lockConflict.first(first.Chunk.Height) {
		c.reportFault(&wire.LockConflict{First: first, Second: second})
	}
}

func (c *Core) reportInvalidAck(from *Peer, message []byte) {
	if c.mayReport(from) {
		c.reportFault(&wire.InvalidAck{Peer: from.id, Message: slices.Clone(message)})
	}
}

func (c *Core) reportInvalidNode(from *Peer, message []byte) {
	if c.mayReport(from) {
		c.reportFault(&wire.InvalidNode{Peer: from.id, Message: slices.Clone(message)})
	}
}

// mayReport limits how often one peer is reported for messages that cost it nothing to make.
func (c *Core) mayReport(p *Peer) bool {
	if p.reported && c.now < p.reportedAt+c.cfg.BadNodeInterval {
		return false
	}
	p.reported, p.reportedAt = true, c.now
	return true
}

// reportOffenders reports the invalid acks of validators of a set that had sent none before.
func (c *Core) reportOffenders(scheme verify.Scheme, acks []wire.Ack) {
	for i := range acks {
		a := &acks[i]
		peer := scheme.Participants()[a.Participant]
		if peer == c.cfg.Identity {
			continue // our own signer is broken; there is nobody to blame before the application
		}
		c.reportFault(&wire.InvalidAck{Peer: peer, Message: a.AppendTo(make([]byte, 0, a.Size()))})
	}
}

// evidence is two acks of one validator that are being proven, each alone.
type evidence struct {
	acks    [2]wire.Ack
	missing int // verdicts
	failed  bool
}

// maxSeeking is how many pairs are being proven at once: each takes the memory of two slabs. Beyond it, a validator is looked
// at when it offends again.
const maxSeeking = 4

// seekEvidence has two conflicting acks of one validator verified, once per validator and epoch: the one that was counted,
// and the second.
func (c *Core) seekEvidence(l *lane, e *epoch, second *wire.Ack) {
	if e.sought.Has(second.Participant) || c.seeking == maxSeeking {
		return
	}
	e.sought.Add(second.Participant)
	c.seeking++
	ev := &evidence{missing: 2}
	ev.acks[0], ev.acks[1] = l.votes.First(second), *second
	ev.acks[1].Signature = slices.Clone(second.Signature)
	for n := range ev.acks {
		c.submit(aloneStatement(e, &ev.acks[n]), job{lane: l, evidence: ev})
	}
}

// aloneStatement is a statement that has one ack proven by itself.
func aloneStatement(e *epoch, a *wire.Ack) *verify.Statement {
	st := &verify.Statement{
		Scheme: e.scheme, Subject: a.Subject(), EachVote: true,
		Signers: wire.NewSigners(e.format.Participants),
		Slab:    make([]byte, e.format.Participants*e.format.AckSignature),
	}
	st.Signers.Add(a.Participant)
	copy(st.Vote(a.Participant), a.Signature)
	return st
}

// evidenceVerdict takes the verdict on one of the two acks.
func (c *Core) evidenceVerdict(j job, v *verify.Verdict) {
	ev := j.evidence
	ev.missing--
	c.reportOffenders(v.Statement.Scheme, c.votes.Blame(v))
	if len(v.Invalid) > 0 || v.Err != nil {
		ev.failed = true
	}
	if ev.missing > 0 {
		return
	}
	c.seeking--
	if !ev.failed {
		c.reportFault(&wire.ConflictingAcks{First: ev.acks[0], Second: ev.acks[1]})
	}
}
