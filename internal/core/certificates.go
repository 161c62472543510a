package core

import (
	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/wire"
)

// certified handles a valid certificate, assembled here or received: docs/protocol.md 4.4. The
// bytes are kept.
func (c *Core) certified(l *lane, lock wire.Lock) {
	if c.provesLoss(l, &lock) {
		return
	}
	// A certificate may contradict the highest certificate from before the lane was dormant. That
	// cannot be proven, since the earlier one is no longer held. The first stands.
	height := lock.Chunk.Height
	if locked, known := l.lockedAt(height); known && locked != lock.Chunk.Payload && l.votes.At(height) == nil {
		c.faults.unprovenLockConflict(l, height)
		c.faults.compareTip(l, lock)
		return
	}
	result, held := l.votes.Certify(aggregate.Certificate{Lock: lock})
	switch result {
	case aggregate.Contradicted:
		c.faults.lockConflict(l, held.Lock, lock)
		c.faults.compareTip(l, lock)
	case aggregate.Below:
		c.faults.compareTip(l, lock)
	case aggregate.Late:
		c.counts.Locks++
		held.Position = c.records.append(recordLock, &lock)
		c.reportLock(l, held, true)
	case aggregate.Added:
		c.counts.Locks++
		held.Position = c.records.append(recordLock, &lock)
		c.reportLock(l, held, false)
		c.closeMark(l)
		l.votes.CloseBelow(l.base())
		c.pruneCertificates(l)
		c.releaseRest(l)
		c.withdrawAck(l)
		if l == c.own {
			c.sendCertificate(&lock)
			c.propose()
		}
	}
}

// lockedAt returns the payload that is known to be certified at a height: by a held certificate, or
// by the highest one from before the lane was dormant.
func (l *lane) lockedAt(height uint64) (payload wire.Digest, ok bool) {
	if held := l.votes.At(height); held != nil {
		return held.Chunk.Payload, true
	}
	if highest, certified := l.votes.Highest(); certified && height == highest {
		return l.resumed, true
	}
	return payload, false
}

// withdrawAck ends the signing of an ack for a past epoch, or for a tip that is no longer ackable.
func (c *Core) withdrawAck(l *lane) {
	current, ok := c.calls.current(&l.signatures)
	if !ok {
		return
	}
	if e := c.currentEpoch(); e == nil || current.epoch != c.epochs.current || !l.ackable(e) {
		c.calls.cancel(&l.signatures)
	}
}

// pruneCertificates drops certificates that are no longer needed, and their records.
func (c *Core) pruneCertificates(l *lane) {
	var tip uint64
	if l.tip != nil {
		tip = l.tip.chunk().Height
	}
	for _, dropped := range l.votes.Prune(tip, l.tip != nil) {
		c.reports.retire(dropped)
	}
}

// certifiedSince reports whether a certificate for the tip is held, of an epoch from first on.
func (l *lane) certifiedSince(first uint64) bool {
	held := l.votes.At(l.tip.chunk().Height)
	return held != nil && held.Chunk == *l.tip.chunk() && held.Epoch >= first
}

// holds returns the held certificate for a chunk and epoch, or nil. Another certificate for the
// same need not be verified, with any bytes: docs/protocol.md 4.2.6.
func (l *lane) holds(s wire.Subject) []byte {
	if held := l.votes.Held(s.Chunk.Height, s.Epoch); held != nil && held.Chunk == s.Chunk {
		return held.Certificate
	}
	return nil
}
