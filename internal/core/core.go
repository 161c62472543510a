package core

import (
	"math"
	"slices"
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Core is the state machine. It is not safe for use by several goroutines. See the package comment.
type Core struct {
	cfg     Config
	running bool          // between Start and Fail
	now     time.Duration // of the last event
	epoch   uint64

	epochs   map[uint64]*epoch // the known ones within bounds
	recent   *epoch            // of them, the one that was asked for last, with its sequencers; or nil
	lanes    map[wire.PublicKey]*lane
	order    []*lane // as they came up, which is deterministic
	lastLane *lane   // found last: acks of one chunk come close together
	own      *lane   // of our sequencer key; nil without one
	table    *aggregate.Table
	suspects aggregate.Suspects
	quotas   map[wire.PublicKey]*aggregate.Quota // of every validator that ever needed one

	proposing proposing
	looks     looks
	turns     turns

	jobs    map[uint64]job // statements in flight, by tag
	lastTag uint64
	seeking int // of them, pairs of conflicting acks

	calls    map[uint64]call // that have not returned, by number
	lastCall uint64
	paused   bool // the reporter or the disk is behind: no payload is asked for

	next    uint64        // position that the next Append carries
	durable uint64        // positions up to here are on disk
	pending []pendingTip  // tips that are not durable yet, by position
	alarm   time.Duration // when Tick has something to do

	reports  reports
	dormant  map[laneKey]dormant // lanes of sequencers that are in no known epoch within bounds
	gone     int                 // lanes in order that are dormant by now
	accounts uint64              // how often quotas have been cleared out

	origin       bool                    // the journal's first record has been recovered
	lost         bool                    // it says that an earlier journal was lost …
	recovering   bool                    // … and nothing has taken its place yet: nothing is signed
	adopted      uint64                  // position of the record that ends recovering, 0 if there is none
	marks        map[wire.PublicKey]mark // of lanes, from that record
	verifyingOwn bool                    // a message of our own that somebody shows is in verification
	halted       error

	deadRecords []uint64 // between Recover and Start: positions

	effects []Effect
	scratch []byte // backs the Bytes of Append effects
	counts  Counts
}

// never is an alarm that does not go off.
const never = time.Duration(math.MaxInt64)

// lane is all that is known of one sequencer.
type lane struct {
	sequencer wire.PublicKey
	votes     *aggregate.Lane
	tip       *tip   // nil before the first node
	admitted  *epoch // the sequencer is one of this epoch's, which saves looking; or nil

	verifying *pendingNode // at most one in verification …
	waiting   *pendingNode // … and one that waits, the highest
	// bad: a node of this sequencer failed verification. From then on they are verified alone, none before nextCheck.
	bad       bool
	nextCheck time.Duration

	parents  []parent // of nodes that were replaced while they waited, ascending by height; see parents.go
	checking bool     // the certificate of one is in verification

	questions  calls // to the application, about tips
	askedAt    time.Duration
	signatures calls // on our acks
	wantAck    bool  // our ack is due, but could not be signed yet; tried again at ackRetry
	ackRetry   time.Duration

	// mark is the height up to which we do not ack on this lane, since a journal that was lost may have held acks of ours
	// up to there: PROTOCOL.md 5.10.
	mark mark

	jobs    int         // statements in flight
	leaving bool        // it becomes dormant once nothing of it is under way
	gone    bool        // it is dormant, and leaving stays set; who wakes it makes another one
	resting uint64      // position of the record that it had while dormant; 0 if none
	resumed wire.Digest // payload of its highest certified height then

	// Conflicts are reported once per height.
	conflict, lockConflict reportedAt

	recovered *recovered // between Recover and Start
}

// reportedAt remembers the highest height that was reported. What is found below it later is not: whoever could have it
// found at two heights in turn would have it reported without end.
type reportedAt struct {
	height uint64
	any    bool
}

// covers reports whether height, or one above it, has been reported.
func (r *reportedAt) covers(height uint64) bool { return r.any && height <= r.height }

// first reports whether height is above all that have been reported, and notes that it now is reported.
func (r *reportedAt) first(height uint64) bool {
	if r.covers(height) {
		return false
	}
	*r = reportedAt{height, true}
	return true
}

// job holds the purpose of a statement in flight. Exactly one of node, parent, candidate, evidence and own is set.
type job struct {
	lane      *lane // nil with own
	node      *pendingNode
	parent    *parent
	own       *ownMessage
	slot      *aggregate.Slot
	candidate *aggregate.Candidate
	subject   wire.Subject
	evidence  *evidence

	look  bool          // for candidate: votes of suspects are among them
	since time.Duration // of a look: when it was submitted
}

// Peer is what the core remembers of an authenticated peer. The driver makes one per peer and hands it in with every
// message.
type Peer struct {
	id wire.PublicKey

	// The participant number in the epoch asked for last; member says whether there is one.
	epoch  *epoch
	index  wire.Participant
	member bool

	quota    *aggregate.Quota
	accounts uint64 // Core.accounts when quota was looked up

	ownNext    time.Duration // no message of ours that it shows is verified before that
	reported   bool          // for invalid messages, at reportedAt
	reportedAt time.Duration
}

// NewPeer returns the state for a peer. Any goroutine may call it.
func NewPeer(id wire.PublicKey) *Peer { return &Peer{id: id} }

// ID returns the peer's identity.
func (p *Peer) ID() wire.PublicKey { return p.id }

// New returns a core that waits for Recover and Start.
func New(cfg Config) *Core {
	return &Core{
		cfg:     cfg,
		epochs:  make(map[uint64]*epoch),
		lanes:   make(map[wire.PublicKey]*lane),
		table:   aggregate.NewTable(tableOptions(&cfg)),
		quotas:  make(map[wire.PublicKey]*aggregate.Quota),
		jobs:    make(map[uint64]job),
		calls:   make(map[uint64]call),
		dormant: make(map[laneKey]dormant),
		alarm:   never,
	}
}

// maxPast bounds for how many heights a lane remembers certificates, whatever HeightBound says.
const maxPast = 1024

func tableOptions(cfg *Config) aggregate.Config {
	return aggregate.Config{MaxBytes: cfg.MaxVoteBytes, Past: min(cfg.HeightBound, maxPast), Poison: cfg.PoisonVotes}
}

// lane returns the lane of a sequencer, a new one if need be. The caller has made sure that the key is one of an
// epoch's sequencers, or comes from the journal: that is what bounds the number of lanes.
func (c *Core) lane(sequencer wire.PublicKey) *lane {
	if l := c.lanes[sequencer]; l != nil {
		return l
	}
	l := &lane{sequencer: sequencer, votes: c.table.Lane(), mark: c.marks[sequencer]}
	c.wakeLane(l)
	c.lanes[sequencer] = l
	c.order = append(c.order, l)
	if c.cfg.Sequencer && sequencer == c.cfg.Identity {
		c.own = l
	}
	return l
}

// laneOf returns the lane of a sequencer, nil until its first ack or node.
func (c *Core) laneOf(sequencer *wire.PublicKey) *lane {
	if l := c.lastLane; l != nil && l.sequencer == *sequencer {
		return l
	}
	l := c.lanes[*sequencer]
	if l != nil {
		c.lastLane = l
	}
	return l
}

// base is b of PROTOCOL.md 4.3: the larger of tip height and highest certified height.
func (l *lane) base() uint64 {
	highest, _ := l.votes.Highest()
	if l.tip != nil {
		return max(highest, l.tip.chunk().Height)
	}
	return highest
}

// submit emits a statement and remembers what it is for.
func (c *Core) submit(st *verify.Statement, j job) {
	c.lastTag++
	st.Tag = c.lastTag
	c.jobs[st.Tag] = j
	if j.lane != nil {
		j.lane.jobs++
	}
	c.emit(Verify).Statement = st
}

// SignaturesVerified takes the verdict on a statement that a Verify effect named.
func (c *Core) SignaturesVerified(now time.Duration, v *verify.Verdict) {
	j, ok := c.jobs[v.Statement.Tag]
	if !ok {
		return
	}
	delete(c.jobs, v.Statement.Tag)
	if !c.enter(now) {
		return
	}
	if j.lane != nil {
		j.lane.jobs--
		defer c.tryRest(j.lane)
	}
	switch {
	case j.node != nil:
		c.nodeVerdict(j, v)
	case j.parent != nil:
		c.parentVerdict(j, v)
	case j.evidence != nil:
		c.evidenceVerdict(j, v)
	case j.own != nil:
		c.ownVerdict(j, v)
	default:
		c.votesVerdict(j, v)
	}
}

// enter begins an event; false when the core is not running.
func (c *Core) enter(now time.Duration) bool {
	if now > c.now {
		c.now = now
	}
	if c.gone > len(c.order)/2 {
		c.compact()
	}
	return c.running
}

// Fail ends the core after a failed write or sync: from now on no event has any effect. PROTOCOL.md 5.1.
func (c *Core) Fail() {
	c.running = false
	c.alarm = never
	c.Done()
}

// wake makes sure that Tick is called at due.
func (c *Core) wake(due time.Duration) { c.alarm = min(c.alarm, due) }

// Deadline returns when Tick must be called next, false if nothing waits for time to pass.
func (c *Core) Deadline() (time.Duration, bool) { return c.alarm, c.alarm != never }

// Tick lets time pass. Calling it early does no harm.
func (c *Core) Tick(now time.Duration) {
	if !c.enter(now) || c.now < c.alarm {
		return
	}
	c.alarm = never // whoever still waits sets it anew
	c.tickLooks()
	for _, l := range c.order {
		if l.gone {
			continue
		}
		if l.waiting != nil && l.verifying == nil {
			c.nextNode(l)
		}
		if l.wantAck {
			if c.now >= l.ackRetry {
				c.acknowledge(l)
			} else {
				c.wake(l.ackRetry)
			}
		}
	}
	c.tickProposing()
	c.awaitSets()
}

// Tip returns the highest node accepted for a sequencer, without its parent; false if there is none.
func (c *Core) Tip(sequencer wire.PublicKey) (wire.Proposal, bool) {
	l := c.lanes[sequencer]
	if l == nil || l.tip == nil {
		return wire.Proposal{}, false
	}
	return l.tip.proposal, true
}

// Certificate returns the certificate held for a height of a lane, of the newest epoch if there are several.
func (c *Core) Certificate(sequencer wire.PublicKey, height uint64) (wire.Lock, bool) {
	l := c.lanes[sequencer]
	if l == nil {
		return wire.Lock{}, false
	}
	at := l.votes.At(height)
	if at == nil {
		return wire.Lock{}, false
	}
	return l.lock(l.votes.Newest(height, at.Payload)), true
}

// lock returns a held certificate as a lock.
func (l *lane) lock(held *aggregate.Certificate) wire.Lock {
	return wire.Lock{
		Chunk:       wire.Chunk{Sequencer: l.sequencer, Height: held.Height, Payload: held.Payload},
		Epoch:       held.Epoch,
		Certificate: held.Bytes,
	}
}

// LaneStatus is where a lane stands.
type LaneStatus struct {
	Sequencer wire.PublicKey
	// Tip is the height of the tip, HasTip whether there is one, Durable whether it is on disk.
	Tip             uint64
	HasTip, Durable bool
	// Certified is the highest certified height, HasCertified whether there is one.
	Certified    uint64
	HasCertified bool
	// Slots is the number of (height, epoch) pairs for which acks wait.
	Slots int
}

// Lanes returns the status of every lane, ascending by sequencer.
func (c *Core) Lanes() []LaneStatus {
	all := make([]LaneStatus, 0, len(c.order))
	for _, l := range c.order {
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

// Epoch returns the current epoch.
func (c *Core) Epoch() uint64 { return c.epoch }
