package core

import (
	"crypto/sha256"

	"github.com/lanecast/lanecast/wire"
)

// A lane is dormant while its sequencer is in no known epoch within bounds: docs/protocol.md 4.8.
// One record in the journal holds its tip's proposal and its newest certificate, and memory holds
// the part of the tip that 5.1 needs. All else is gone: votes, certificates, questions, metrics,
// the need for old epochs' sets.

// laneKey identifies a dormant lane: the first bytes of SHA-256 of the sequencer's key. It is
// shorter than the key, and a second sequencer with the same laneKey is as hard to find as a second
// preimage.
type laneKey [16]byte

func keyOf(sequencer wire.PublicKey) (k laneKey) {
	h := sha256.Sum256(sequencer[:])
	copy(k[:], h[:])
	return k
}

// dormant is the state of a dormant lane in memory.
type dormant struct {
	position  uint64 // of its record
	tip       uint64
	certified uint64
	payload   wire.Digest // of the tip
	signature wire.Signature
	locked    wire.Digest // payload of the highest certified height

	hasTip, hasCertified bool
	contradicted         bool // the certificate of the tip's height is for another payload
}

// retireLanes makes the lanes dormant whose sequencers have left the epochs within bounds.
func (c *Core) retireLanes() {
	for _, l := range c.lanes.all() {
		if !l.leaving && l.sequencer != c.cfg.Identity && !c.epochs.haveSequencer(l.sequencer) {
			c.retireLane(l)
		}
	}
	c.lanes.compact()
}

// retireLane makes a lane dormant, now or once it has no outstanding work.
func (c *Core) retireLane(l *lane) {
	l.leaving, l.waiting = true, nil
	c.dropParents(l)
	c.calls.cancel(&l.questions)
	c.calls.cancel(&l.signatures)
	c.tryRest(l)
}

// tryRest makes a leaving lane dormant if it has no outstanding work, calls included: otherwise
// each wake-up of the lane would add outstanding calls.
func (c *Core) tryRest(l *lane) {
	quiet := l.jobs == 0 && l.questions.out == 0 && l.signatures.out == 0 && (l.tip == nil || l.tip.durable)
	if !l.leaving || l.gone || !quiet || !c.running {
		return
	}
	c.rest(l)
}

// restRecord returns the record of the lane when it becomes dormant, a view into the lane's memory.
func (l *lane) restRecord() (r restRecord) {
	r.sequencer = l.sequencer
	r.certified, r.hasCertified = l.votes.Highest()
	if t := l.tip; t != nil {
		r.tip = &t.proposal
		held := l.votes.At(t.chunk().Height)
		r.contradicted = t.contradicted || held != nil && held.Chunk.Payload != t.chunk().Payload
	}
	newest := l.votes.Top()
	if r.locked = l.resumed; newest != nil {
		r.lock, r.locked = &newest.Lock, newest.Chunk.Payload
	}
	return r
}

// rest makes a lane dormant. It remains in the order of lanes until that is compacted.
func (c *Core) rest(l *lane) {
	r, newest := l.restRecord(), l.votes.Top()
	l.votes.Close()
	c.lanes.remove(l)
	if r.tip == nil && !r.hasCertified {
		return // nothing but votes
	}
	position := l.resting
	if position == 0 || r.tip != nil && l.tip.position != 0 || newest != nil && newest.Position != 0 {
		position = c.records.append(recordRest, &r) // else nothing has come since it woke
		c.records.release(l.resting)
		if l.tip != nil {
			c.records.release(l.tip.position)
		}
	}
	for _, held := range l.votes.All() {
		c.reports.retire(held)
	}
	c.lanes.keep(l.sequencer, r.dormant(position))
}

// releaseRest releases the record that a lane had while it was dormant, once a later tip and a
// certificate of the highest height have records of their own.
func (c *Core) releaseRest(l *lane) {
	if top := l.votes.Top(); l.resting != 0 && l.tip != nil && l.tip.position != 0 && top != nil && top.Position != 0 {
		c.records.release(l.resting)
		l.resting = 0
	}
}

// dormant returns the part of a record that stays in memory.
func (r *restRecord) dormant(position uint64) dormant {
	d := dormant{
		position: position, certified: r.certified, locked: r.locked, hasCertified: r.hasCertified, contradicted: r.contradicted,
	}
	if r.tip != nil {
		d.tip, d.payload, d.signature, d.hasTip = r.tip.Chunk.Height, r.tip.Chunk.Payload, r.tip.Signature, true
	}
	return d
}

// woken returns the tip of a lane that was dormant. If the highest certificate is of the height
// below the tip, it names the parent, since a node is accepted only with its parent's certificate.
// If it is of another height, the parent is no longer known.
func (d *dormant) woken(sequencer wire.PublicKey) *tip {
	t := &tip{
		proposal: wire.Proposal{
			Chunk: wire.Chunk{Sequencer: sequencer, Height: d.tip, Payload: d.payload}, Signature: d.signature,
		},
		durable: true, contradicted: d.contradicted,
	}
	if d.hasCertified && d.tip > 0 && d.certified == d.tip-1 {
		t.parent = d.locked
	}
	return t
}

// wakeLanes wakes the dormant lanes of an epoch's sequencers, and keeps those awake that were about
// to become dormant.
func (c *Core) wakeLanes(sequencers []wire.PublicKey) {
	for _, sequencer := range sequencers {
		if l := c.lanes.find(&sequencer); l != nil && l.leaving {
			l.leaving = false
			c.askVerify(l)
			if t := l.tip; t != nil && t.verdict == Approved { // our ack was withdrawn
				l.wantAck, l.ackRetry = true, c.now
				c.wake(c.now)
			}
			continue
		}
		if _, ok := c.lanes.kept(sequencer); ok {
			c.askVerify(c.lane(sequencer))
		}
	}
}

// wake restores the state of a new lane that was dormant before.
func (l *lane) wake(d *dormant) {
	l.resting = d.position
	if d.hasTip {
		l.tip = d.woken(l.sequencer)
	}
	if d.hasCertified {
		l.votes.Resume(d.certified)
		l.resumed = d.locked
	}
}

// Forget drops the state of a dormant lane for good. It returns false if the lane is not dormant. A
// sequencer whose lane was forgotten must be in no set again: this process no longer knows its acks
// there.
func (c *Core) Forget(sequencer wire.PublicKey) bool {
	d, ok := c.lanes.kept(sequencer)
	if !ok || !c.running {
		return false
	}
	c.lanes.forget(sequencer)
	c.records.release(d.position)
	return true
}
