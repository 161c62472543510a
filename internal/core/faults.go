package core

import (
	"slices"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// faults reports the faults of docs/protocol.md 4.6. Each is reported when it is found. A fault
// that every message could show again is reported once: conflicts per lane and height, invalid acks
// when their validator becomes a suspect, conflicting acks per validator and epoch, undecodable
// messages per peer and BadNodeInterval.
type faults struct {
	clock    *clock
	reports  *reports
	counts   *Counts
	identity wire.PublicKey // ours
	interval time.Duration  // between reports of one peer's invalid messages
	seeking  int            // pairs of conflicting acks that are being verified
}

func (f *faults) report(a wire.Activity) {
	f.counts.Faults++
	f.reports.add(a)
}

// conflict reports a conflict of a lane.
func (f *faults) conflict(l *lane, a *wire.Conflict) {
	if l.conflict.first(a.Proposal.Chunk.Height) {
		f.report(a)
	}
}

// lockConflict reports two locks of a lane that contradict each other.
func (f *faults) lockConflict(l *lane, first, second wire.Lock) {
	if l.lockConflict.first(first.Chunk.Height) {
		f.report(&wire.LockConflict{First: first, Second: second})
	}
}

// unprovenLockConflict counts a lock that contradicts a certificate that is no longer held, so that
// the conflict cannot be proven.
func (f *faults) unprovenLockConflict(l *lane, height uint64) {
	if l.lockConflict.first(height) {
		f.counts.Faults++
	}
}

// compareTip reports a valid lock that contradicts the tip.
func (f *faults) compareTip(l *lane, lock wire.Lock) {
	if t := l.tip; t != nil && t.chunk().Height == lock.Chunk.Height && t.chunk().Payload != lock.Chunk.Payload {
		f.conflict(l, &wire.Conflict{Proposal: t.proposal, Lock: &lock})
	}
}

// invalidAck reports a peer for an ack that does not decode.
func (f *faults) invalidAck(from *Peer, message []byte) {
	if f.mayReport(from) {
		f.report(&wire.InvalidAck{Peer: from.id, Message: slices.Clone(message)})
	}
}

// invalidNode reports a peer for a node that does not decode, or is invalid.
func (f *faults) invalidNode(from *Peer, message []byte) {
	if f.mayReport(from) {
		f.report(&wire.InvalidNode{Peer: from.id, Message: slices.Clone(message)})
	}
}

// invalidCertificate reports a peer for a certificate message that does not decode, or is invalid.
func (f *faults) invalidCertificate(from *Peer, message []byte) {
	if f.mayReport(from) {
		f.report(&wire.InvalidCertificate{Peer: from.id, Message: slices.Clone(message)})
	}
}

// mayReport limits how often one peer is reported for messages that cost the peer nothing.
func (f *faults) mayReport(p *Peer) bool {
	if p.reported && f.clock.now < p.reportedAt+f.interval {
		return false
	}
	p.reported, p.reportedAt = true, f.clock.now
	return true
}

// offenders reports the invalid acks of validators of a set that had sent no invalid one before.
func (f *faults) offenders(scheme verify.Scheme, acks []wire.Ack) {
	for i := range acks {
		a := &acks[i]
		peer := scheme.Participants()[a.Participant]
		if peer == f.identity {
			continue // our own signer is broken: no peer is reported
		}
		f.report(&wire.InvalidAck{Peer: peer, Message: a.AppendTo(make([]byte, 0, a.Size()))})
	}
}

// evidence is two acks of one validator that are being verified, each alone.
type evidence struct {
	acks    [2]wire.Ack
	missing int // verdicts
	failed  bool
}

// maxSeeking is the highest number of pairs verified at once: each takes the memory of two slabs.
// Beyond it, a validator is checked when it offends again.
const maxSeeking = 4

// seekEvidence submits two conflicting acks of one validator, once per validator and epoch: the one
// that was counted, and the second.
func (c *Core) seekEvidence(l *lane, e *epoch, second *wire.Ack) {
	if e.sought.Has(second.Participant) || c.faults.seeking == maxSeeking {
		return
	}
	e.sought.Add(second.Participant)
	c.faults.seeking++
	ev := &evidence{missing: 2}
	ev.acks[0], ev.acks[1] = l.votes.First(second), *second
	ev.acks[1].Signature = slices.Clone(second.Signature)
	for n := range ev.acks {
		c.jobs.submit(aloneStatement(e, &ev.acks[n]), job{lane: l, evidence: ev})
	}
}

// aloneStatement returns a statement that verifies one ack by itself.
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

// evidenceVerdict handles the verdict on one of the two acks.
func (c *Core) evidenceVerdict(j job, v *verify.Verdict) {
	ev := j.evidence
	ev.missing--
	c.faults.offenders(v.Statement.Scheme, c.votes.Blame(v))
	if len(v.Invalid) > 0 || v.Err != nil {
		ev.failed = true
	}
	if ev.missing > 0 {
		return
	}
	c.faults.seeking--
	if !ev.failed {
		c.faults.report(&wire.ConflictingAcks{First: ev.acks[0], Second: ev.acks[1]})
	}
}
