package core

import (
	"errors"
	"slices"
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Faults of PROTOCOL.md 4.6. Each is reported when it is found; what could be found again and again with each
// message is reported once: conflicts per lane and height, invalid acks when their validator becomes a suspect, conflicting acks
// per validator and epoch, undecodable messages per peer and BadNodeInterval.

func (c *Core) reportFault(a wire.Activity) {
	c.counts.Faults++
	c.report(a)
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

// evidence is two acks of one validator that are being proven, each alone.
type evidence struct {
	acks    [2]wire.Ack
	missing int // verdicts
	failed  bool
}

// maxSeeking is how many pairs are being proven at once: each takes the memory of two slabs. Beyond it, a validator is looked
// at when it offends again.
const maxSeeking = 4

// seekEvidence has two conflicting acks of one validator verified, once per validator and epoch. first is the candidate
// of the one that was counted, second the other.
func (c *Core) seekEvidence(l *lane, e *epoch, slot *aggregate.Slot, first *aggregate.Candidate, second *wire.Ack) {
	i := second.Participant
	if e.sought.Has(i) || c.seeking == maxSeeking {
		return
	}
	e.sought.Add(i)
	c.seeking++
	ev := &evidence{missing: 2}
	ev.acks[0], ev.acks[1] = *second, *second
	ev.acks[0].Chunk.Payload = first.Payload
	ev.acks[0].Signature = slices.Clone(slot.Signature(i))
	ev.acks[1].Signature = slices.Clone(second.Signature)
	for n := range ev.acks {
		a := &ev.acks[n]
		st := aloneStatement(e, a)
		c.submit(st, job{lane: l, subject: st.Subject, evidence: ev})
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
	for _, i := range v.Invalid {
		c.invalidVote(v.Statement, i)
	}
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

func isKeyFault(err error) bool { return errors.Is(err, verify.ErrInconsistentKeys) }

// keyFaults bounds the tries of candidates whose signers' keys do not fit each other, which is a
// mistake in the configuration of the set. Another quorum may be of keys that do fit, so candidates
// are tried again with other signers, in turns: a try that fails costs every vote's proof, and all
// chunks of the epoch may fail.
type keyFaults struct {
	waiting  line          // candidates to be tried again, by due time
	trusting bool          // the latest try succeeded: several may be under way
	pause    time.Duration // between tries since then; it doubles with each that fails
	next     time.Duration // none before that
}

// keyFault notes that the votes of a statement are each valid, and combine to nothing valid. It is
// reported once per lane, height and epoch, and nobody is blamed.
func (c *Core) keyFault(j job, v *verify.Verdict) {
	c.counts.KeyFaults++
	k, most := &c.looks.keys, maxLookPause*c.cfg.SuspectDelay
	k.trusting = false
	if j.candidate.Failed() {
		k.pause *= 2
	}
	k.pause = min(max(k.pause, c.cfg.SuspectDelay, lookPause*(c.now-j.since)), most)
	k.next = max(k.next, c.now+k.pause)
	if !j.candidate.Fail() {
		return
	}
	signers := v.Statement.Signers.Clone()
	for _, i := range v.Invalid {
		signers.Remove(i)
	}
	c.report(&wire.InconsistentKeys{Subject: j.subject, Signers: signers})
}

// retryLater lets a candidate wait to be tried again after a fault in keys.
func (c *Core) retryLater(j job) {
	due := c.now + c.cfg.SuspectDelay
	c.wait(&c.looks.keys.waiting, waiter{refTo(j.lane, j.candidate), due})
	c.wake(max(due, c.looks.keys.next))
}

// keysFit notes that a candidate was certified that had failed: others need not wait for their
// turns.
func (c *Core) keysFit() {
	k := &c.looks.keys
	k.trusting, k.pause, k.next = true, 0, c.now
	c.wake(c.now)
}

// tickKeyFaults tries those again that have waited long enough, as far as that may be.
func (c *Core) tickKeyFaults() {
	k := &c.looks.keys
	n := 0
	for _, w := range k.waiting {
		e, candidate := c.find(w.ref)
		if candidate != nil {
			if due := max(w.due, k.next); c.now < due {
				c.wake(due)
				break
			}
			if !k.trusting {
				k.next = c.now + k.pause
			}
			candidate.Resume()
			if candidate.Quorate() {
				c.tryCandidate(w.lane, e, candidate)
			}
		}
		n++
	}
	k.waiting.drop(n)
}
