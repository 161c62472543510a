package core

import (
	"slices"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Answer is what the application says of a chunk.
type Answer uint8

const (
	_ Answer = iota // none yet
	// Approved: the chunk is good; we may ack it.
	Approved
	// Refused: it is not. No ack; a duplicate of the node makes us ask again.
	Refused
	// Failed: the application could not tell. The same as Refused, but counted apart.
	Failed
)

// askVerify asks the application about the tip. The question about a former tip was cancelled when the tip moved on;
// while two such calls have not returned the lane waits for one of them.
func (c *Core) askVerify(l *lane) {
	if l.leaving || l.tip == nil || !l.tip.durable || l.tip.verdict == Approved || l.questions.current != 0 {
		return
	}
	if ask := c.begin(&l.questions, call{kind: AskVerify, chunk: *l.tip.chunk(), lane: l}); ask != nil {
		ask.Parent = l.tip.parent
		l.askedAt = c.now
	}
}

// ApplicationVerified takes the application's answer to the AskVerify of that number: PROTOCOL.md 4.5.
func (c *Core) ApplicationVerified(now time.Duration, number uint64, answer Answer) {
	if !c.enter(now) {
		return
	}
	about, counts, ok := c.returned(AskVerify, number)
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
	if answer != Approved {
		c.counts.ApplicationVerdicts[Failure]++
		return
	}
	c.counts.ApplicationVerdicts[Success]++
	c.acknowledge(l)
}

// ackable reports whether the tip may be acked in the current epoch e: PROTOCOL.md 4.5.
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

// acknowledge reports a tip that the application approved of, and sends our ack for the current epoch: signed once per
// epoch, sent at most once per AckInterval. It is called whenever there may be reason to, and does what is due.
func (c *Core) acknowledge(l *lane) {
	l.wantAck = false
	if l.gone {
		return
	}
	e := c.inBounds(c.epoch)
	if e == nil {
		c.cancel(&l.signatures)
		c.retryAck(l) // the epoch's sets are not known yet
		return
	}
	if !l.ackable(e) {
		c.cancel(&l.signatures)
		return
	}
	t := l.tip
	if !t.reported {
		t.reported = true
		c.report(&wire.Tip{Proposal: t.proposal})
	}
	if !e.member || c.recovering {
		return
	}
	if t.acked && t.ackEpoch == c.epoch {
		if c.now-t.ackSentAt >= c.cfg.AckInterval {
			c.sendAck(l, e)
		}
		return
	}
	if c.concerns(&l.signatures, t.chunk(), c.epoch) {
		return
	}
	signer := c.ackSigner(e)
	if signer == nil {
		c.cancel(&l.signatures)
		c.retryAck(l) // our key of this epoch is not there yet
		return
	}
	if sign := c.begin(&l.signatures, call{kind: SignAck, chunk: *t.chunk(), epoch: c.epoch, lane: l}); sign != nil {
		sign.Signer = signer
	}
}

// ackSigner returns what signs our acks in an epoch, nil while there is nothing. It is asked for again until it is there.
func (c *Core) ackSigner(e *epoch) verify.AckSigner {
	if e.signer == nil {
		e.signer = c.cfg.Sets.AckSigner(e.number)
	}
	return e.signer
}

func (c *Core) retryAck(l *lane) {
	l.wantAck = true
	l.ackRetry = c.now + c.cfg.AckInterval
	c.wake(l.ackRetry)
}

// AckSigned takes the signature that the SignAck of that number asked for.
func (c *Core) AckSigned(now time.Duration, number uint64, signature []byte, err error) {
	if !c.enter(now) {
		return
	}
	about, counts, ok := c.returned(SignAck, number)
	if !ok {
		return
	}
	l := about.lane
	defer c.tryRest(l)
	e := c.inBounds(about.epoch)
	switch {
	case !counts || about.epoch != c.epoch || e == nil || !l.ackable(e):
		c.counts.OwnAcks[Dropped]++
		c.acknowledge(l) // whatever is the tip and the epoch now
		return
	case err != nil || len(signature) != e.format.AckSignature:
		c.counts.OwnAcks[Failure]++
		c.retryAck(l)
		return
	}
	c.counts.OwnAcks[Success]++
	a := wire.Ack{Chunk: about.chunk, Epoch: about.epoch, Participant: e.me, Signature: signature}
	t := l.tip
	t.ack, t.acked, t.ackEpoch = a.AppendTo(make([]byte, 0, a.Size())), true, about.epoch
	c.sendAck(l, e)
}

// sendAck counts our ack and sends it to the epoch's validators and to the sequencer.
func (c *Core) sendAck(l *lane, e *epoch) {
	// It is counted each time: there may have been no room for it before.
	var a wire.Ack
	if a.Decode(l.tip.ack) == nil && a.Chunk.Height >= l.base() {
		c.vote(l, e, &a, c.quota(c.cfg.Identity))
	}
	l.tip.ackSentAt = c.now
	to := e.others
	if _, validator := e.scheme.Index(l.sequencer); !validator && l.sequencer != c.cfg.Identity {
		to = append(slices.Clone(to), l.sequencer)
	}
	if len(to) == 0 {
		return
	}
	send := c.emit(SendAck)
	send.Recipients, send.Bytes = to, l.tip.ack
}
