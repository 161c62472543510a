package core

import (
	"slices"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// Answer is the application's answer about a chunk.
type Answer uint8

const (
	_ Answer = iota // none yet
	// Approved means that the chunk is valid; this process may ack it.
	Approved
	// Refused means that the chunk is not valid. There is no ack; a duplicate of the node makes the
	// core ask again.
	Refused
	// Failed means that the application reached no verdict. It has the effect of Refused, but is
	// counted separately.
	Failed
)

// askVerify asks the application about the tip. The call about a former tip was cancelled when the
// tip changed; while two such calls have not returned, the lane waits for one of them.
func (c *Core) askVerify(l *lane) {
	if l.leaving || l.tip == nil || !l.tip.durable || l.tip.verdict == Approved || l.questions.current != 0 {
		return
	}
	if ask := c.calls.begin(&l.questions, call{kind: AskVerify, chunk: *l.tip.chunk(), lane: l}); ask != nil {
		ask.Parent = l.tip.parent
		l.askedAt = c.now
	}
}

// ApplicationVerified handles the application's answer to the AskVerify of that number:
// docs/protocol.md 4.5.
func (c *Core) ApplicationVerified(now time.Duration, number uint64, answer Answer) {
	if !c.enter(now) {
		return
	}
	about, counts, ok := c.calls.returned(AskVerify, number)
	if !ok {
		return
	}
	l := about.lane
	defer c.tryRest(l)
	if !counts {
		c.counts.ApplicationVerdicts[Dropped]++
		c.askVerify(l) // it may have waited for this call to return
		return
	}
	l.tip.verdict = answer
	switch answer {
	case Approved:
		c.counts.ApplicationVerdicts[Success]++
		c.acknowledge(l)
	case Refused:
		c.counts.ApplicationVerdicts[Failure]++
	default:
		c.counts.ApplicationVerdicts[None]++
	}
}

// ackable reports whether the tip may be acked in the current epoch e: docs/protocol.md 4.5.
func (l *lane) ackable(e *epoch) bool {
	t := l.tip
	if t == nil || !t.durable || t.verdict != Approved || t.contradicted || !e.admits(l, l.sequencer) {
		return false
	}
	height := t.chunk().Height
	if highest, certified := l.votes.Highest(); certified && height < highest {
		return false
	}
	if locked, ok := l.lockedAt(height); ok && locked != t.chunk().Payload {
		return false
	}
	return !l.abstains(height)
}

// acknowledgeAll acknowledges the tips of all lanes.
func (c *Core) acknowledgeAll() {
	for _, l := range c.lanes.all() {
		c.acknowledge(l)
	}
}

// acknowledge reports a tip that the application approved, and sends our ack for the current epoch:
// signed once per epoch, sent at most once per AckInterval. It is called whenever one of these may
// be due, and does only what is due.
func (c *Core) acknowledge(l *lane) {
	l.wantAck = false
	if l.gone {
		return
	}
	e := c.currentEpoch()
	if e == nil {
		c.calls.cancel(&l.signatures)
		c.retryAck(l) // the epoch's sets are not known yet
		return
	}
	if !l.ackable(e) {
		c.calls.cancel(&l.signatures)
		return
	}
	t := l.tip
	if !t.reported {
		t.reported = true
		c.reports.add(&wire.Tip{Proposal: t.proposal})
	}
	if !e.member || c.loss.recovering {
		return
	}
	if t.acked && t.ack.Epoch == c.epochs.current {
		if c.now-t.ackSentAt >= c.cfg.AckInterval {
			c.sendAck(l, e)
		}
		return
	}
	if current, ok := c.calls.current(&l.signatures); ok && current.chunk == *t.chunk() && current.epoch == c.epochs.current {
		return
	}
	signer := c.epochs.signer(e)
	if signer == nil {
		c.calls.cancel(&l.signatures)
		c.retryAck(l) // our key of this epoch is not available yet
		return
	}
	if sign := c.calls.begin(&l.signatures, call{kind: SignAck, chunk: *t.chunk(), epoch: c.epochs.current, lane: l}); sign != nil {
		sign.Signer = signer
	}
}

func (c *Core) retryAck(l *lane) {
	l.wantAck = true
	l.ackRetry = c.now + c.cfg.AckInterval
	c.wake(l.ackRetry)
}

// AckSigned handles the signature of the SignAck of that number.
func (c *Core) AckSigned(now time.Duration, number uint64, signature []byte, err error) {
	if !c.enter(now) {
		return
	}
	about, counts, ok := c.calls.returned(SignAck, number)
	if !ok {
		return
	}
	l := about.lane
	defer c.tryRest(l)
	e := c.inBounds(about.epoch)
	switch {
	case !counts || about.epoch != c.epochs.current || e == nil || !l.ackable(e):
		c.counts.OwnAcks[Dropped]++
		c.acknowledge(l) // for the current tip and epoch
		return
	case err != nil || len(signature) != e.format.AckSignature:
		c.counts.OwnAcks[Failure]++
		c.epochs.forgetSigner(e)
		c.retryAck(l)
		return
	}
	c.counts.OwnAcks[Success]++
	t := l.tip
	// The signature is in the signer's memory.
	t.ack = wire.Ack{Chunk: about.chunk, Epoch: about.epoch, Participant: e.me, Signature: slices.Clone(signature)}
	t.ackBytes, t.acked = t.ack.AppendTo(make([]byte, 0, t.ack.Size())), true
	c.sendAck(l, e)
}

// sendAck counts our ack, if this process assembles certificates of the lane, and sends it.
func (c *Core) sendAck(l *lane, e *epoch) {
	// It is counted on each call: there may have been no room for it before.
	if (l == c.own || !c.cfg.AcksToSequencer) && l.tip.chunk().Height >= l.base() {
		c.vote(l, e, &l.tip.ack)
	}
	l.tip.ackSentAt = c.now
	if to := c.recipientsOfAck(l, e); len(to) > 0 {
		send := c.effects.emit(SendAck)
		send.Recipients, send.Bytes = to, l.tip.ackBytes
	}
	if c.cfg.SendCertificates {
		c.wake(c.now + c.cfg.RebroadcastTimeout) // see repeatAck
	}
}
