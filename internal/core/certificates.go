package core

import (
	"slices"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/wire"
)

// certified handles a valid certificate, assembled here or received: PROTOCOL.md 4.4. The bytes are kept.
func (c *Core) certified(l *lane, s wire.Subject, certificate []byte) {
	first, _ := c.bounds()
	result, held := l.votes.Certify(aggregate.Certificate{
		Height: s.Chunk.Height, Epoch: s.Epoch, Payload: s.Chunk.Payload, Bytes: certificate,
	}, first)
	lock := wire.Lock{Chunk: s.Chunk, Epoch: s.Epoch, Certificate: certificate}
	switch result {
	case aggregate.Contradicted:
		c.reportLockConflict(l, l.lock(held), lock)
		c.compareTip(l, lock)
	case aggregate.Below:
		c.compareTip(l, lock)
	case aggregate.Added:
		c.counts.Locks++
		held.Position = c.appendRecord(recordLock, &lock)
		c.reportLock(l, lock)
		l.votes.CloseBelow(l.base())
		c.pruneCertificates(l)
		if l == c.own {
			c.propose()
		}
	}
}

// reportLock reports a lock, and that it contradicts the tip if it does.
func (c *Core) reportLock(l *lane, lock wire.Lock) {
	report := c.emit(Report)
	report.Activity = &wire.Certified{Lock: lock}
	if t := l.tip; t != nil && t.proposed && *t.chunk() == lock.Chunk {
		report.Elapsed = c.now - t.proposedAt
		t.proposed = false // the first certificate ends the measurement
	}
	c.compareTip(l, lock)
}

// compareTip reports that a valid lock contradicts the tip, if it does.
func (c *Core) compareTip(l *lane, lock wire.Lock) {
	if t := l.tip; t != nil && t.chunk().Height == lock.Chunk.Height && t.chunk().Payload != lock.Chunk.Payload {
		c.reportConflict(l, &wire.Conflict{Proposal: t.proposal, Lock: &lock})
	}
}

// pruneCertificates drops certificates that nothing needs any more, and their records.
func (c *Core) pruneCertificates(l *lane) {
	var tip uint64
	if l.tip != nil {
		tip = l.tip.chunk().Height
	}
	first, _ := c.bounds()
	l.votes.PruneCertificates(tip, l.tip != nil, first, func(dropped aggregate.Certificate) {
		c.release(dropped.Position)
	})
}

// holds reports whether exactly this certificate is held already, so that it need not be verified again.
func (l *lane) holds(s wire.Subject, certificate []byte) bool {
	held := l.votes.Held(aggregate.Key{Height: s.Chunk.Height, Epoch: s.Epoch})
	return held != nil && held.Payload == s.Chunk.Payload && slices.Equal(held.Bytes, certificate)
}
