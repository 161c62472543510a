package core

import (
	"slices"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// Where certificates are sent, ours go to the validators as soon as they are assembled, and are
// sent again to peers that show that they lack one: docs/protocol.md 4.9 and 4.10.

// ownCertificates records which of our own lane's certificates were sent.
type ownCertificates struct {
	due    bool          // the last one must be sent once the current epoch's sets are known
	sentAt time.Duration // the last time that a certificate was sent to all
	any    bool          // whether one was sent
}

// sendCertificate sends a certificate of our own lane to the validators of the current epoch.
func (c *Core) sendCertificate(lock *wire.Lock) {
	if !c.cfg.SendCertificates {
		return
	}
	e := c.currentEpoch()
	if e == nil {
		c.sent.due = true
		return
	}
	if highest, _ := c.own.votes.Highest(); lock.Chunk.Height == highest {
		c.sent.due = false
	}
	c.sent.any, c.sent.sentAt = true, c.now
	c.emitCertificate(e.others, lock)
}

// emitCertificate sends a certificate, unless its epoch is out of bounds: other processes refuse
// such a certificate.
func (c *Core) emitCertificate(to []wire.PublicKey, lock *wire.Lock) {
	if len(to) == 0 || !c.epochs.within(lock.Epoch) {
		return
	}
	send := c.effects.emit(SendCertificate)
	send.Recipients, send.Bytes = to, lock.AppendTo(make([]byte, 0, lock.Size()))
}

// sendLastCertificate sends the last certificate of our own lane, for example at the start.
func (c *Core) sendLastCertificate() {
	if last := c.lastCertificate(); last != nil {
		c.sendCertificate(last)
	}
}

// lastCertificate returns the highest certificate of our own lane, or nil.
func (c *Core) lastCertificate() *wire.Lock {
	if c.own == nil {
		return nil
	}
	highest, certified := c.own.votes.Highest()
	if !certified {
		return nil
	}
	held := c.own.votes.At(highest)
	if held == nil {
		return nil // the lane was dormant
	}
	return c.ownCertificate(&held.Chunk)
}

// ownCertificate returns the held certificate for a chunk of our own lane: the newest one of an
// epoch within bounds that others can be expected to know, or nil.
func (c *Core) ownCertificate(chunk *wire.Chunk) *wire.Lock {
	first, _ := c.epochs.bounds()
	if held := c.own.newestUpTo(c.epochs.current, first, *chunk); held != nil && held.Epoch >= first {
		return &held.Lock
	}
	return nil
}

// answerAck answers an ack for a chunk of our own lane that was certified a while ago: its sender
// lacks the certificate. The sender gets the certificate of the chunk, or the highest one if that
// is no longer held.
func (c *Core) answerAck(from *Peer, chunk *wire.Chunk) {
	if !c.cfg.SendCertificates || !c.sent.any || c.now-c.sent.sentAt <= c.cfg.AckInterval || c.now < from.answerNext {
		return
	}
	lock := c.ownCertificate(chunk)
	if lock == nil {
		if highest, certified := c.own.votes.Highest(); !certified || chunk.Height >= highest {
			return // it is not certified yet, or with another payload
		}
		if lock = c.lastCertificate(); lock == nil {
			return
		}
	}
	from.answerNext = c.now + c.cfg.AckInterval
	c.emitCertificate([]wire.PublicKey{from.id}, lock)
}

// lowAck handles an ack that is too low to be counted: it is late, and its sender may lack a
// certificate of our own lane.
func (c *Core) lowAck(from *Peer, l *lane, a *wire.Ack) {
	if l == nil {
		return
	}
	e := c.inBounds(a.Epoch)
	if e == nil || len(a.Signature) != e.format.AckSignature || !e.admits(l, a.Chunk.Sequencer) {
		return
	}
	index, ok := from.in(e)
	if !ok || index != a.Participant {
		return
	}
	e.participation[index].Late++
	if l == c.own {
		c.answerAck(from, &a.Chunk)
	}
}

// PeerConnected reports that a peer is connected, or connected again: it may lack messages sent
// meanwhile. It gets our own tip if that is uncertified, our ack for its tip if that is ackable and
// uncertified, and the last certificate of our lane. Once per AckInterval: docs/protocol.md 4.10.
func (c *Core) PeerConnected(now time.Duration, peer *Peer) {
	if !c.enter(now) || peer.id == c.cfg.Identity || c.now < peer.greetNext {
		return
	}
	peer.greetNext = c.now + c.cfg.AckInterval
	to := []wire.PublicKey{peer.id}
	first, _ := c.epochs.bounds()
	if c.isSequencerNow() && !c.loss.ended() {
		if t := c.own.tip; t != nil && t.durable && !c.own.certifiedSince(first) {
			send := c.effects.emit(SendNode)
			send.Recipients, send.Bytes, send.Alone = to, t.bytes, true
		}
	}
	if l := c.lanes.find(&peer.id); l != nil && c.uncertifiedAck(l) {
		send := c.effects.emit(SendAck)
		send.Recipients, send.Bytes = to, l.tip.ackBytes
	}
	if last := c.lastCertificate(); last != nil && c.cfg.SendCertificates {
		c.emitCertificate(to, last)
	}
}

// uncertifiedAck reports whether this process has acked the lane's tip in the current epoch, may
// still do so, and holds no certificate for it of an epoch in bounds.
func (c *Core) uncertifiedAck(l *lane) bool {
	first, _ := c.epochs.bounds()
	e, t := c.currentEpoch(), l.tip
	return e != nil && t != nil && t.acked && t.ack.Epoch == c.epochs.current && l.ackable(e) && !l.certifiedSince(first)
}

// repeatAck sends our ack again if there is no certificate within RebroadcastTimeout:
// docs/protocol.md 4.5. Where certificates are not sent it waits for the node to come again.
func (c *Core) repeatAck(l *lane) {
	if !c.cfg.SendCertificates || !c.uncertifiedAck(l) {
		return
	}
	due := l.tip.ackSentAt + c.cfg.RebroadcastTimeout
	if c.now < due {
		c.wake(due)
		return
	}
	c.sendAck(l, c.currentEpoch())
}

// isOurs reports whether an ack is for our own lane, by the first bytes of the message.
func (c *Core) isOurs(message []byte) bool {
	return c.own != nil && len(message) >= len(c.own.sequencer) && string(message[:len(c.own.sequencer)]) == string(c.own.sequencer[:])
}

// recipientsOfAck returns the recipients of our ack on a lane.
func (c *Core) recipientsOfAck(l *lane, e *epoch) []wire.PublicKey {
	if c.cfg.AcksToSequencer {
		if l.sequencer == c.cfg.Identity {
			return nil
		}
		if l.alone == nil {
			l.alone = []wire.PublicKey{l.sequencer}
		}
		return l.alone
	}
	to := e.others
	if _, validator := e.scheme.Index(l.sequencer); !validator && l.sequencer != c.cfg.Identity {
		to = append(slices.Clone(to), l.sequencer)
	}
	return to
}
