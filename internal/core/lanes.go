package core

import (
	"slices"
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/internal/shrink"
	"github.com/lanecast/lanecast/wire"
)

// lanes are the lanes that are not dormant, and the remaining state of dormant ones.
type lanes struct {
	bySequencer map[wire.PublicKey]*lane
	order       []*lane             // in order of creation, which is deterministic; some may be gone
	gone        int                 // lanes in order that are dormant by now
	found       *lane               // the last one found: acks of one chunk come close together
	dormant     map[laneKey]dormant // lanes of sequencers that are in no known epoch within bounds

	awakePeak, dormantPeak shrink.Peak // of bySequencer and of dormant
}

// find returns the lane of a sequencer, nil if there is none or it is dormant.
func (s *lanes) find(sequencer *wire.PublicKey) *lane {
	if l := s.found; l != nil && l.sequencer == *sequencer {
		return l
	}
	l := s.bySequencer[*sequencer]
	if l != nil {
		s.found = l
	}
	return l
}

// all returns the lanes in order of creation. The caller must skip those that are gone.
func (s *lanes) all() []*lane { return s.order }

// add adds a lane. If it was dormant it wakes: its kept state is restored.
func (s *lanes) add(l *lane) {
	if d, ok := s.kept(l.sequencer); ok {
		s.forget(l.sequencer)
		l.wake(&d)
	}
	s.bySequencer[l.sequencer] = l
	s.order = append(s.order, l)
}

// remove removes a lane. It remains in the order until that is compacted.
func (s *lanes) remove(l *lane) {
	l.gone = true
	s.gone++
	delete(s.bySequencer, l.sequencer)
	s.bySequencer = shrink.Map(s.bySequencer, &s.awakePeak)
	if s.found == l {
		s.found = nil
	}
}

// keep keeps the state of a lane that has become dormant.
func (s *lanes) keep(sequencer wire.PublicKey, d dormant) { s.dormant[keyOf(sequencer)] = d }

// kept returns the state of a dormant lane, and false if there is no such lane.
func (s *lanes) kept(sequencer wire.PublicKey) (dormant, bool) {
	if len(s.dormant) == 0 {
		return dormant{}, false
	}
	d, ok := s.dormant[keyOf(sequencer)]
	return d, ok
}

// forget drops the state of a dormant lane.
func (s *lanes) forget(sequencer wire.PublicKey) {
	delete(s.dormant, keyOf(sequencer))
	s.dormant = shrink.Map(s.dormant, &s.dormantPeak)
}

// count returns the number of lanes that are not dormant, and of dormant ones.
func (s *lanes) count() (awake, asleep int) { return len(s.order) - s.gone, len(s.dormant) }

// compact removes lanes that are gone from the order. No iteration over it may be under way.
func (s *lanes) compact() {
	if s.gone > 0 {
		s.order = slices.DeleteFunc(s.order, func(l *lane) bool { return l.gone })
		s.gone = 0
	}
}

// tidy compacts the order if much of it is gone.
func (s *lanes) tidy() {
	if s.gone > len(s.order)/2 {
		s.compact()
	}
}

// lane is the state of one sequencer's lane.
type lane struct {
	sequencer wire.PublicKey
	votes     *aggregate.Lane
	alone     []wire.PublicKey // the sequencer, as recipient of our acks; nil before the first
	tip       *tip             // nil before the first node
	admitted  *epoch           // an epoch that has the sequencer, to save the lookup; or nil

	verifying *pendingNode // at most one in verification …
	waiting   *pendingNode // … and one that waits, the highest
	// bad means that a node of this sequencer failed verification. From then on its nodes are
	// verified alone, none before nextCheck.
	bad       bool
	nextCheck time.Duration

	parents parents // of nodes that were replaced while they waited; see parents.go

	named namedEpoch // the epoch that a node named for its parent; see needed.go

	questions  series // to the application, about tips
	askedAt    time.Duration
	signatures series // on our acks
	wantAck    bool   // our ack is due, but could not be signed yet; tried again at ackRetry
	ackRetry   time.Duration

	// mark is the height up to which this process does not ack on this lane, since a lost journal
	// may have held acks of ours up to that height: docs/protocol.md 5.10.
	mark mark

	jobs    int         // statements in flight
	leaving bool        // it becomes dormant once it has no outstanding work
	gone    bool        // it is dormant, and leaving stays set; waking makes another lane
	resting uint64      // position of its record while it was dormant; 0 if none
	resumed wire.Digest // payload of its highest certified height at that time

	// Conflicts are reported once per height.
	conflict, lockConflict reportedAt

	recovered *recovered // between Recover and Start
}

// reportedAt holds the highest height that was reported. Conflicts found below it later are not
// reported: otherwise a peer that conflicts at two heights in turn would be reported without end.
type reportedAt struct {
	height uint64
	any    bool
}

// covers reports whether height, or one above it, has been reported.
func (r *reportedAt) covers(height uint64) bool { return r.any && height <= r.height }

// first reports whether height is above all reported heights, and records it as reported.
func (r *reportedAt) first(height uint64) bool {
	if r.covers(height) {
		return false
	}
	*r = reportedAt{height, true}
	return true
}

// lane returns the lane of a sequencer, and makes one if there is none. The caller has made sure
// that the key is one of an epoch's sequencers, or comes from the journal: that bounds the number
// of lanes.
func (c *Core) lane(sequencer wire.PublicKey) *lane {
	if l := c.lanes.find(&sequencer); l != nil {
		return l
	}
	l := &lane{sequencer: sequencer, votes: c.votes.Lane(sequencer), mark: c.loss.of(sequencer)}
	c.lanes.add(l)
	if c.cfg.Sequencer && sequencer == c.cfg.Identity {
		c.own = l
	}
	return l
}

// base is b of docs/protocol.md 4.3: the larger of tip height and highest certified height.
func (l *lane) base() uint64 {
	highest, _ := l.votes.Highest()
	if l.tip != nil {
		return max(highest, l.tip.chunk().Height)
	}
	return highest
}

// Tip returns the highest node accepted for a sequencer, without its parent, and false if there is
// none.
func (c *Core) Tip(sequencer wire.PublicKey) (wire.Proposal, bool) {
	l := c.lanes.find(&sequencer)
	if l == nil || l.tip == nil {
		return wire.Proposal{}, false
	}
	return l.tip.proposal, true
}

// Certificate returns the certificate held for a height of a lane, of the newest epoch if there are
// several.
func (c *Core) Certificate(sequencer wire.PublicKey, height uint64) (wire.Lock, bool) {
	l := c.lanes.find(&sequencer)
	if l == nil {
		return wire.Lock{}, false
	}
	held := l.votes.At(height)
	if held == nil {
		return wire.Lock{}, false
	}
	return held.Lock, true
}

// LaneStatus is the state of a lane.
type LaneStatus struct {
	Sequencer wire.PublicKey
	// Tip is the height of the tip. HasTip reports whether there is one, Durable whether it is on
	// disk.
	Tip             uint64
	HasTip, Durable bool
	// Certified is the highest certified height. HasCertified reports whether there is one.
	Certified    uint64
	HasCertified bool
	// Slots is the number of (height, epoch) pairs for which acks wait.
	Slots int
}

// Lanes returns the status of every lane, ascending by sequencer.
func (c *Core) Lanes() []LaneStatus {
	all := make([]LaneStatus, 0, len(c.lanes.all()))
	for _, l := range c.lanes.all() {
		if l.gone {
			continue
		}
		s := LaneStatus{Sequencer: l.sequencer, Slots: l.votes.Slots()}
		if l.tip != nil {
			s.Tip, s.HasTip, s.Durable = l.tip.chunk().Height, true, l.tip.durable
		}
		s.Certified, s.HasCertified = l.votes.Highest()
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b LaneStatus) int { return a.Sequencer.Compare(b.Sequencer) })
	return all
}
