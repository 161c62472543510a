package core

import (
	"math"
	"slices"
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// epoch is what is known of one epoch within bounds.
type epoch struct {
	number     uint64
	scheme     verify.Scheme
	format     wire.Format
	sequencers map[wire.PublicKey]struct{} // nil while unknown

	member bool             // we are a validator …
	me     wire.Participant // … of this number
	signer verify.AckSigner // of our acks; nil until there is one

	others []wire.PublicKey // validators but us; never changed
	set    *aggregate.Set   // of the validators, with which their votes are counted
	sought wire.Signers     // validators whose conflicting acks have been looked for
}

// bounds returns the lowest and highest epoch whose acks are taken.
func (c *Core) bounds() (first, last uint64) {
	if c.epoch > c.cfg.EpochsBack {
		first = c.epoch - c.cfg.EpochsBack
	}
	last = c.epoch + c.cfg.EpochsAhead
	if last < c.epoch {
		last = math.MaxUint64
	}
	return first, last
}

// inBounds returns the epoch if it lies within bounds and its validators and sequencers are known, else nil.
func (c *Core) inBounds(number uint64) *epoch {
	if e := c.recent; e != nil && e.number == number {
		return e
	}
	e := c.lookUp(number)
	if e != nil {
		c.recent = e
	}
	return e
}

func (c *Core) lookUp(number uint64) *epoch {
	if e := c.epochs[number]; e != nil && e.sequencers != nil {
		return e
	}
	first, last := c.bounds()
	if number < first || number > last {
		return nil
	}
	e := c.epochs[number]
	if e == nil {
		scheme, ok := c.cfg.Sets.Scheme(number)
		if !ok {
			return nil
		}
		e = c.learn(number, scheme)
		c.epochs[number] = e
	}
	list, ok := c.cfg.Sets.Sequencers(number)
	if !ok {
		return nil
	}
	e.sequencers = make(map[wire.PublicKey]struct{}, len(list))
	for _, key := range list {
		e.sequencers[key] = struct{}{}
	}
	c.wakeLanes(list)
	if number == c.epoch {
		c.setsKnown()
	}
	return e
}

// setsKnown has what waits for the sets of the current epoch done at a Tick that is due now.
func (c *Core) setsKnown() {
	for _, l := range c.order {
		if l.wantAck {
			l.ackRetry = c.now
		}
		if l.wantAck || l.waiting != nil {
			c.wake(c.now)
		}
	}
}

func (c *Core) learn(number uint64, scheme verify.Scheme) *epoch {
	e := &epoch{number: number, scheme: scheme, format: scheme.Format()}
	participants := scheme.Participants()
	for _, id := range participants {
		if id != c.cfg.Identity {
			e.others = append(e.others, id)
		}
	}
	e.others = slices.Clip(e.others)
	e.me, e.member = scheme.Index(c.cfg.Identity)
	e.set = c.votes.Set(number, scheme)
	e.sought = wire.NewSigners(len(participants))
	return e
}

// isSequencer reports whether key is one of the epoch's sequencers.
func (e *epoch) isSequencer(key wire.PublicKey) bool {
	_, ok := e.sequencers[key]
	return ok
}

// admits reports whether the lane's sequencer is one of the epoch's. l may be nil.
func (e *epoch) admits(l *lane, sequencer wire.PublicKey) bool {
	if l != nil && l.admitted == e {
		return true
	}
	if !e.isSequencer(sequencer) {
		return false
	}
	if l != nil {
		l.admitted = e
	}
	return true
}

// scheme returns the scheme of any epoch, within bounds or not.
func (c *Core) scheme(number uint64) (verify.Scheme, bool) {
	if e := c.epochs[number]; e != nil {
		return e.scheme, true
	}
	return c.cfg.Sets.Scheme(number)
}

// Format implements [wire.Formats], with which nodes are decoded.
func (c *Core) Format(number uint64) (wire.Format, bool) {
	if e := c.epochs[number]; e != nil {
		return e.format, true
	}
	if scheme, ok := c.cfg.Sets.Scheme(number); ok {
		return scheme.Format(), true
	}
	return wire.Format{}, false
}

// in returns the peer's participant number in e.
func (p *Peer) in(e *epoch) (wire.Participant, bool) {
	if p.epoch != e {
		p.epoch = e
		p.index, p.member = e.scheme.Index(p.id)
	}
	return p.index, p.member
}

// SetEpoch enters an epoch. One that is not above the current epoch is ignored, since epochs only grow.
func (c *Core) SetEpoch(now time.Duration, number uint64) {
	if !c.enter(now) || number <= c.epoch {
		return
	}
	c.epoch = number
	c.recent = nil
	first, last := c.bounds()
	for n := range c.epochs {
		if n < first || n > last {
			delete(c.epochs, n)
		}
	}
	c.votes.SetBounds(first, last)
	c.learnAll()
	c.compact()
	for _, l := range c.order {
		l.admitted = nil
		l.votes.CloseOutOfBounds()
		c.pruneCertificates(l)
	}
	c.retireLanes()
	// The current epoch's acks of tips that no epoch in bounds has certified are wanted at once: PROTOCOL.md 4.8. So is a
	// verdict that came while the sequencer was none, or before our scheme was known.
	for _, l := range c.order {
		t := l.tip
		if t == nil || l.leaving {
			continue
		}
		if t.verdict == Approved && (!t.reported || l.wantAck || !c.certifiedInBounds(l)) {
			c.acknowledge(l)
		} else {
			c.withdrawAck(l)
		}
	}
	c.restartProposing()
	c.awaitSets()
}

// certifiedInBounds reports whether a certificate of an epoch within bounds is held for the tip.
func (c *Core) certifiedInBounds(l *lane) bool {
	held := l.votes.At(l.tip.chunk().Height)
	first, _ := c.bounds()
	return held != nil && held.Chunk == *l.tip.chunk() && held.Epoch >= first
}

// EpochsNeeded returns, ascending, the epochs whose sets the providers must keep: the known ones within bounds, the current one, and
// those that a lane's certificates, its tip's parent among them, are of.
func (c *Core) EpochsNeeded() []uint64 {
	needed := []uint64{c.epoch}
	first, last := c.bounds()
	for n := first; ; n++ {
		if _, ok := c.scheme(n); ok {
			needed = append(needed, n)
		}
		if n == last {
			break
		}
	}
	for _, l := range c.order {
		if l.gone {
			continue
		}
		if l.tip != nil && l.tip.hasParent {
			needed = append(needed, l.tip.parentEpoch)
		}
		for _, held := range l.votes.All() {
			needed = append(needed, held.Epoch)
		}
	}
	slices.Sort(needed)
	return slices.Compact(needed)
}

// validates reports whether id is a validator of a known epoch within bounds.
func (c *Core) validates(id wire.PublicKey) bool {
	for _, e := range c.epochs {
		if _, ok := e.scheme.Index(id); ok {
			return true
		}
	}
	return false
}
