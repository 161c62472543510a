package core

import (
	"math"
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Core is the state machine. Only one goroutine at a time may use it. See the package comment.
type Core struct {
	cfg Config
	clock
	running bool  // between Start and Fail
	halted  error // the reason why it stopped by itself
	counts  Counts

	// Outstanding work.
	effects effects
	records records
	calls   calls
	jobs    jobs
	reports reports
	faults  faults

	// State of the network.
	epochs   epochs
	lanes    lanes
	votes    *aggregate.Votes
	volatile volatileTips
	loss     loss
	messages certificateMessages

	// Our own lane.
	own         *lane // nil without a sequencer key
	proposer    proposer
	rebroadcast rebroadcast
	sent        ownCertificates
	claims      claims
	paused      bool // the reporter or the disk is behind: no payload is requested
}

// clock is the time of the last event; the core has no other source of time.
type clock struct {
	now   time.Duration // of the last event
	alarm time.Duration // when Tick must be called next
}

// never is the alarm if there is none.
const never = time.Duration(math.MaxInt64)

// wake makes sure that Tick is called at due.
func (c *clock) wake(due time.Duration) { c.alarm = min(c.alarm, due) }

// Peer is the core's state of an authenticated peer. The driver makes one per peer and passes it
// with every message.
type Peer struct {
	id wire.PublicKey

	// The participant number in the epoch of the last lookup, if asked; member reports whether
	// there is one.
	asked  bool
	epoch  uint64
	index  wire.Participant
	member bool

	ownNext    time.Duration // before that, no message of ours that this peer shows is verified
	reported   bool          // for invalid messages, at reportedAt
	reportedAt time.Duration

	certificates certificateQueue
	// badCertificates means that a certificate message of this peer failed verification. From then
	// on its certificates are verified alone, none before nextCertificate.
	badCertificates bool
	nextCertificate time.Duration

	answerNext time.Duration // before that, none of its acks is answered with a certificate
	greetNext  time.Duration // before that, its connecting causes no messages
}

// NewPeer returns the state for a peer. Any goroutine may call it.
func NewPeer(id wire.PublicKey) *Peer { return &Peer{id: id} }

// ID returns the peer's identity.
func (p *Peer) ID() wire.PublicKey { return p.id }

// New returns a core that waits for Recover and Start.
func New(cfg Config) *Core {
	c := &Core{
		cfg: cfg,
		votes: aggregate.New(aggregate.Config{
			MaxBytes: cfg.MaxVoteBytes, InFlight: cfg.VotesInFlight, SuspectDelay: cfg.SuspectDelay,
			Past: min(cfg.HeightBound, maxPast),
		}),
		lanes: lanes{bySequencer: make(map[wire.PublicKey]*lane), dormant: make(map[laneKey]dormant)},
		clock: clock{alarm: never},
	}
	c.epochs = epochs{
		sets: cfg.Sets, identity: cfg.Identity, votes: c.votes, back: cfg.EpochsBack, ahead: cfg.EpochsAhead,
		known: make(map[uint64]*epoch), participants: make(map[wire.PublicKey]*Participation),
	}
	c.messages.strangers.strangers, c.messages.verifying = true, make(map[wire.Subject]int)
	c.records.out = &c.effects
	c.calls = calls{out: &c.effects, open: make(map[uint64]call)}
	c.jobs = jobs{out: &c.effects, open: make(map[uint64]job)}
	c.reports = reports{out: &c.effects, records: &c.records}
	c.faults = faults{
		clock: &c.clock, reports: &c.reports, counts: &c.counts, identity: cfg.Identity, interval: cfg.BadNodeInterval,
	}
	c.proposer = proposer{
		clock: &c.clock, calls: &c.calls, records: &c.records, counts: &c.counts, backoff: cfg.ProposeBackoff,
	}
	return c
}

// maxPast is the highest number of heights for which a lane remembers certificates, for any
// HeightBound.
const maxPast = 1024

// SignaturesVerified handles the verdict on a statement of a Verify effect.
func (c *Core) SignaturesVerified(now time.Duration, v *verify.Verdict) {
	j, ok := c.jobs.take(v.Statement.Tag)
	if !ok {
		return
	}
	if !c.enter(now) {
		return
	}
	if j.lane != nil {
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
	case j.certificate != nil:
		c.certificateVerdict(j, v)
	default:
		c.votesVerdict(j, v)
	}
}

// SetMaxVoteBytes changes Config.MaxVoteBytes.
func (c *Core) SetMaxVoteBytes(limit int) { c.votes.SetMaxBytes(limit) }

// enter begins an event. It returns false when the core is not running.
func (c *Core) enter(now time.Duration) bool {
	if now > c.now {
		c.now = now
	}
	c.lanes.tidy()
	return c.running
}

// Fail ends the core after a failed write or sync: from now on no event has any effect.
// docs/protocol.md 5.1.
func (c *Core) Fail() {
	c.running = false
	c.alarm = never
	c.Done()
}

// Deadline returns when Tick must be called next, and false if no timer runs.
func (c *Core) Deadline() (time.Duration, bool) {
	due := c.alarm
	if votes, ok := c.votes.Deadline(); ok && c.running {
		due = min(due, votes)
	}
	return due, due != never
}

// Tick advances the time. Calling it early does no harm.
func (c *Core) Tick(now time.Duration) {
	if !c.enter(now) {
		return
	}
	if due, _ := c.Deadline(); c.now < due {
		return
	}
	c.alarm = never // code that still waits sets it again
	c.verifyVotes()
	for _, l := range c.lanes.all() {
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
		c.repeatAck(l)
	}
	c.tickCertificates()
	c.tickProposing()
	c.awaitSets()
}

// Epoch returns the current epoch.
func (c *Core) Epoch() uint64 { return c.epochs.current }
