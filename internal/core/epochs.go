package core

import (
	"iter"
	"math"
	"slices"
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// epoch is the state of one epoch within bounds.
type epoch struct {
	number     uint64
	scheme     verify.Scheme
	format     wire.Format
	list       []wire.PublicKey            // of sequencers
	sequencers map[wire.PublicKey]struct{} // the same, nil while unknown

	member bool             // this process is a validator …
	me     wire.Participant // … of this number
	signer verify.AckSigner // of our acks; nil until there is one

	others []wire.PublicKey // validators except this process; never changed
	set    *aggregate.Set   // of the validators, with which their votes are counted
	sought wire.Signers     // validators whose conflicting acks have been looked for

	participation []*Participation // by participant
}

// epochs are the current epoch, and the known sets of the epochs within bounds.
type epochs struct {
	sets        Sets
	identity    wire.PublicKey
	votes       *aggregate.Votes
	back, ahead uint64

	current uint64
	known   map[uint64]*epoch // within bounds
	recent  *epoch            // the epoch of the last lookup, if its sets are known; or nil

	participants map[wire.PublicKey]*Participation // validators of known epochs
}

// bounds returns the lowest and highest epoch whose acks are taken.
func (s *epochs) bounds() (first, last uint64) {
	if s.current > s.back {
		first = s.current - s.back
	}
	last = s.current + s.ahead
	if last < s.current {
		last = math.MaxUint64
	}
	return first, last
}

// enter makes an epoch the current one. The sets of epochs out of bounds are dropped.
func (s *epochs) enter(number uint64) {
	s.current, s.recent = number, nil
	first, last := s.bounds()
	for n := range s.known {
		if n < first || n > last {
			delete(s.known, n)
		}
	}
	s.forgetParticipants()
	s.votes.SetBounds(first, last)
}

// last returns the epoch if it is the one of the last lookup, else nil. Most lookups are for it.
func (s *epochs) last(number uint64) *epoch {
	if e := s.recent; e != nil && e.number == number {
		return e
	}
	return nil
}

// find returns the epoch if it lies within bounds and its validators and sequencers are known, else
// nil. learned reports whether they became known by this call.
func (s *epochs) find(number uint64) (e *epoch, learned bool) {
	e = s.known[number]
	if e == nil || e.sequencers == nil {
		if e = s.learn(number); e == nil {
			return nil, false
		}
		learned = true
	}
	s.recent = e
	return e, learned
}

// learn asks for the validators and sequencers of an epoch. It returns nil while they are not
// known, or out of bounds.
func (s *epochs) learn(number uint64) *epoch {
	if !s.within(number) {
		return nil
	}
	e := s.known[number]
	if e == nil {
		scheme, ok := s.sets.Scheme(number)
		if !ok {
			return nil
		}
		e = s.newEpoch(number, scheme)
		s.known[number] = e
	}
	list, ok := s.sets.Sequencers(number)
	if !ok {
		return nil
	}
	e.list, e.sequencers = list, make(map[wire.PublicKey]struct{}, len(list))
	for _, key := range list {
		e.sequencers[key] = struct{}{}
	}
	return e
}

func (s *epochs) newEpoch(number uint64, scheme verify.Scheme) *epoch {
	e := &epoch{number: number, scheme: scheme, format: scheme.Format(), set: s.votes.Set(number, scheme)}
	participants := scheme.Participants()
	for _, id := range participants {
		if id != s.identity {
			e.others = append(e.others, id)
		}
	}
	e.others = slices.Clip(e.others)
	e.me, e.member = scheme.Index(s.identity)
	e.sought = wire.NewSigners(len(participants))
	e.participation = s.participations(participants)
	return e
}

// scheme returns the scheme of an epoch. Callers make sure that no stranger chooses the epoch: it
// lies within bounds, or a lane refers to it, or the host named it.
func (s *epochs) scheme(number uint64) (verify.Scheme, bool) {
	if e := s.known[number]; e != nil {
		return e.scheme, true
	}
	return s.sets.Scheme(number)
}

// Format implements [wire.Formats], with which nodes of any peer are decoded: it knows the epochs
// within bounds and no others.
func (s *epochs) Format(number uint64) (wire.Format, bool) {
	if e := s.known[number]; e != nil {
		return e.format, true
	}
	if !s.within(number) {
		return wire.Format{}, false
	}
	scheme, ok := s.sets.Scheme(number)
	if !ok {
		return wire.Format{}, false
	}
	return scheme.Format(), true
}

// within reports whether an epoch lies within bounds.
func (s *epochs) within(number uint64) bool {
	first, last := s.bounds()
	return first <= number && number <= last
}

// signer returns the signer of our acks in an epoch, nil while there is none. The provider is asked
// again until there is one, and after each signature that fails: see [epochs.forgetSigner].
func (s *epochs) signer(e *epoch) verify.AckSigner {
	if e.signer == nil {
		e.signer = s.sets.AckSigner(e.number)
	}
	return e.signer
}

// forgetSigner makes the core ask the provider for the signer of an epoch again. A signer that
// existed before its key may have been replaced.
func (s *epochs) forgetSigner(e *epoch) { e.signer = nil }

// haveSequencer reports whether a key is one of the sequencers of a known epoch within bounds.
func (s *epochs) haveSequencer(key wire.PublicKey) bool {
	first, last := s.bounds()
	for n := last; ; n-- { // most are in the newest epoch
		if e := s.known[n]; e != nil && e.isSequencer(key) {
			return true
		}
		if n == first {
			return false
		}
	}
}

// haveValidator reports whether id is a validator of a known epoch within bounds.
func (s *epochs) haveValidator(id wire.PublicKey) bool {
	for _, e := range s.known {
		if _, ok := e.scheme.Index(id); ok {
			return true
		}
	}
	return false
}

// maxPastEpochs is the number of epochs before the newest that are searched for sequencers on whose
// lanes a lost journal may have held acks.
const maxPastEpochs = 1024

// sequencersUpTo returns the sequencers of an epoch and of the known ones before it.
func (s *epochs) sequencersUpTo(newest uint64) map[wire.PublicKey]struct{} {
	all := make(map[wire.PublicKey]struct{})
	for back := uint64(0); back <= min(newest, maxPastEpochs); back++ {
		list, _ := s.sets.Sequencers(newest - back)
		for _, sequencer := range list {
			all[sequencer] = struct{}{}
		}
	}
	return all
}

// hadSequencer reports whether key is one of the sequencers of an epoch, which may be out of
// bounds, and whether these are known.
func (s *epochs) hadSequencer(number uint64, key wire.PublicKey) (had, known bool) {
	list, known := s.sets.Sequencers(number)
	return slices.Contains(list, key), known
}

// isSequencer reports whether key is one of the epoch's sequencers.
func (e *epoch) isSequencer(key wire.PublicKey) bool {
	_, ok := e.sequencers[key]
	return ok
}

// admits reports whether the lane's sequencer is a sequencer of the epoch. l may be nil.
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

// inBounds returns the epoch if it lies within bounds and its validators and sequencers are known,
// else nil. Once they are, it resumes the work that waited for them.
func (c *Core) inBounds(number uint64) *epoch {
	if e := c.epochs.last(number); e != nil {
		return e
	}
	e, learned := c.epochs.find(number)
	if learned {
		c.wakeLanes(e.list)
		if number == c.epochs.current {
			c.setsKnown()
		}
	}
	return e
}

// currentEpoch returns the current epoch, nil while its sets are not known.
func (c *Core) currentEpoch() *epoch { return c.inBounds(c.epochs.current) }

// learnAll looks for the sets of all epochs within bounds that are not known yet.
func (c *Core) learnAll() {
	first, last := c.epochs.bounds()
	for n := first; ; n++ {
		c.inBounds(n)
		if n == last {
			return
		}
	}
}

// setsKnown makes a Tick due now, which does the work that waits for the sets of the current epoch.
func (c *Core) setsKnown() {
	if c.sent.due {
		c.wake(c.now)
	}
	for _, l := range c.lanes.all() {
		if l.wantAck {
			l.ackRetry = c.now
		}
		if l.wantAck || l.waiting != nil {
			c.wake(c.now)
		}
	}
}

// Schemes iterates over the schemes of the epochs within bounds that have one, ascending.
func (c *Core) Schemes() iter.Seq2[uint64, verify.Scheme] {
	return func(yield func(uint64, verify.Scheme) bool) {
		first, last := c.epochs.bounds()
		for n := first; ; n++ {
			if scheme, ok := c.epochs.scheme(n); ok && !yield(n, scheme) || n == last {
				return
			}
		}
	}
}

// in returns the peer's participant number in e.
func (p *Peer) in(e *epoch) (wire.Participant, bool) {
	if !p.asked || p.epoch != e.number {
		p.asked, p.epoch = true, e.number
		p.index, p.member = e.scheme.Index(p.id)
	}
	return p.index, p.member
}

// SetEpoch enters an epoch. An epoch that is not above the current one is ignored, since epochs
// only grow.
func (c *Core) SetEpoch(now time.Duration, number uint64) {
	if !c.enter(now) || number <= c.epochs.current {
		return
	}
	c.epochs.enter(number)
	c.learnAll()
	c.lanes.compact()
	for _, l := range c.lanes.all() {
		l.admitted = nil
		l.votes.CloseOutOfBounds()
		c.closeMark(l)
		c.pruneCertificates(l)
	}
	c.retireLanes()
	// Acks of the current epoch are wanted at once for tips that no epoch within bounds has
	// certified: docs/protocol.md 4.8. The same holds after a verdict that came while the sequencer
	// was in no set, or before our scheme was known.
	first, _ := c.epochs.bounds()
	for _, l := range c.lanes.all() {
		t := l.tip
		if t == nil || l.leaving {
			continue
		}
		if t.verdict == Approved && (!t.reported || l.wantAck || !l.certifiedSince(first)) {
			c.acknowledge(l)
		} else {
			c.withdrawAck(l)
		}
	}
	c.restartProposing()
	c.awaitSets()
}
