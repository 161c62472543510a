package core

import (
	"slices"
	"time"

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

// askVerify asks the application about the tip, one request per lane at a time.
func (c *Core) askVerify(l *lane) {
	if l.asking || !l.tip.durable || l.tip.verdict == Approved {
		return
	}
	l.asking, l.askedAt = true, c.now
	c.emit(AskVerify).Chunk = *l.tip.chunk()
}

// Verified takes the application's answer to an AskVerify: PROTOCOL.md 4.5.
func (c *Core) Verified(now time.Duration, chunk wire.Chunk, answer Answer) {
	if !c.enter(now) {
		return
	}
	l := c.lanes[chunk.Sequencer]
	if l == nil || !l.asking {
		return
	}
	l.asking = false
	if *l.tip.chunk() != chunk {
		c.counts.Verdicts[Dropped]++
		c.askVerify(l) // the tip moved on while the application thought
		return
	}
	l.tip.verdict = answer
	if answer != Approved {
		c.counts.Verdicts[Failure]++
		return
	}
	c.counts.Verdicts[Success]++
	c.acknowledge(l)
}

// acknowledge reports a tip that the application approved of, and sends our ack for the current epoch: signed once per
// epoch, sent at most once per AckInterval. It is called whenever there may be reason to, and does what is due.
func (c *Core) acknowledge(l *lane) {
	l.wantAck = false
	e := c.inBounds(c.epoch)
	if e == nil {
		c.retryAck(l) // the epoch's sets are not known yet
		return
	}
	t := l.tip
	if !t.durable || t.verdict != Approved || !e.isSequencer(l.sequencer) {
		return
	}
	if !t.reported {
		t.reported = true
		c.emit(Report).Activity = &wire.Tip{Proposal: t.proposal}
	}
	if e.signer == nil || l.signing {
		return
	}
	if !t.acked || t.ackEpoch != c.epoch {
		l.signing = true
		sign := c.emit(SignAck)
		sign.Chunk, sign.Epoch, sign.Signer = *t.chunk(), c.epoch, e.signer
		return
	}
	if c.now-t.ackSentAt >= c.cfg.AckInterval {
		c.sendAck(l, e)
	}
}

func (c *Core) retryAck(l *lane) {
	l.wantAck = true
	l.ackRetry = c.now + c.cfg.AckInterval
	c.wake(l.ackRetry)
}

// AckSigned takes the signature that a SignAck asked for.
func (c *Core) AckSigned(now time.Duration, subject wire.Subject, signature []byte, err error) {
	if !c.enter(now) {
		return
	}
	l := c.lanes[subject.Chunk.Sequencer]
	if l == nil || !l.signing {
		return
	}
	l.signing = false
	e := c.inBounds(subject.Epoch)
	switch {
	case *l.tip.chunk() != subject.Chunk || subject.Epoch != c.epoch || e == nil:
		c.counts.OwnAcks[Dropped]++
		c.acknowledge(l) // whatever is the tip and the epoch now
		return
	case err != nil || len(signature) != e.format.AckSignature:
		c.counts.OwnAcks[Failure]++
		c.retryAck(l)
		return
	}
	c.counts.OwnAcks[Success]++
	a := wire.Ack{Chunk: subject.Chunk, Epoch: subject.Epoch, Participant: e.me, Signature: signature}
	t := l.tip
	t.ack, t.acked, t.ackEpoch = a.AppendTo(make([]byte, 0, a.Size())), true, subject.Epoch
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
