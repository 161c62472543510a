package merge

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/audit"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/config"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/proc"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/record"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

// mostPairs is the largest number of members for which latencies are kept for each pair.
const mostPairs = 10

// State is the content of all members' records so far.
type State struct {
	network   *config.Network
	audit     *audit.Audit
	Problems  audit.Problems
	latencies *measure.Latencies // at the sequencers
	elsewhere *measure.Latencies // at other members
	pairs     map[[2]int]*pair
	lanes     map[wire.PublicKey]*lane
	sources   []*source
	offsets   offsets
	wanted    uint64      // ID of the merged run; 0: the only run in the records
	run       proc.Agreed // the merged run, by the first member's clock; ID 0: not known yet
	leftOut   map[[2]int]bool
	excused   map[int]bool // members that were stopped and not started again
	worst     float64      // largest error of the offsets used, ms
	progress  *measure.Progress

	// Used with bodies.
	delivered *measure.Latencies // latencies of deliveries to members
	followed  *measure.Latencies // latencies of deliveries to followers
	away      int                // the member that leaves
	phase     int                // phase of its absence
	phases    [phases]*measure.Latencies
	compared  uint64
	behind    behind
}

// Phases of a run in which a member is away.
const (
	BeforeAway = iota
	DuringAway
	AfterAway
	phases
)

// behind holds samples of how far followers were behind.
type behind struct{ most, sum, samples uint64 }

// lane holds the heights of a lane.
type lane struct {
	owner     int    // member
	recovered int64  // highest height certified before the run
	certified int64  // highest height certified in the run, at its sequencer
	count     uint64 // certificates in the run
	lastAt    int64  // time at which the last one was noted, by the first member's clock
}

// pair holds the latencies and the clock offsets from one member to another.
type pair struct {
	latencies     *measure.Latencies
	offset, worst float64 // sum of the offsets in ms, and their largest error
	samples       int64
}

// New returns a state that has read nothing yet. records are the names of the members' records, in
// order; "" for a missing one.
func New(n *config.Network, records []string, known offsets) (*State, error) {
	scheme, err := n.NewScheme()
	if err != nil {
		return nil, err
	}
	s := &State{
		network: n, latencies: measure.NewLatencies(), elsewhere: measure.NewLatencies(), pairs: make(map[[2]int]*pair),
		lanes: make(map[wire.PublicKey]*lane), leftOut: make(map[[2]int]bool), excused: make(map[int]bool), offsets: known,
	}
	s.delivered, s.followed = measure.NewLatencies(), measure.NewLatencies()
	for i := range s.phases {
		s.phases[i] = measure.NewLatencies()
	}
	s.audit = audit.New(scheme, setup.Epoch, &s.Problems)
	for i := range n.Members {
		if records[i] != "" {
			s.sources = append(s.sources, newSource(i, records[i]))
		}
		if n.Members[i].Sequencer {
			s.lanes[n.Members[i].Identity] = &lane{owner: i, recovered: -1, certified: -1}
		}
	}
	return s, nil
}

// Excuse tells the state that the program that runs the member stopped it and will not start it
// again.
func (s *State) Excuse(member int) { s.excused[member] = true }

// Excused reports whether Excuse was called for a member.
func (s *State) Excused(member int) bool { return s.excused[member] }

// Close closes the records.
func (s *State) Close() {
	for _, r := range s.sources {
		r.close()
	}
}

// AdvanceTo takes in all entries up to a time by the first member's clock.
func (s *State) AdvanceTo(now int64) error {
	for _, r := range s.sources {
		for {
			e, err := r.peek()
			if err != nil {
				return err
			}
			if e == nil || e.At-r.ahead > now {
				break
			}
			if err := s.take(r, e); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			r.next = nil
		}
	}
	s.audit.VerifyBacklog()
	return nil
}

// earliest returns the time of the first entry that was not taken in yet; false if there is none.
func (s *State) earliest() (at int64, ok bool, err error) {
	at = math.MaxInt64
	for _, r := range s.sources {
		e, err := r.peek()
		if err != nil {
			return 0, false, err
		}
		if e != nil {
			at, ok = min(at, e.At-r.ahead), true
		}
	}
	return at, ok, nil
}

func (s *State) take(r *source, e *record.Entry) error {
	switch e.Kind {
	case record.Node, record.Ack:
		c, err := e.DecodeChunk()
		if err != nil {
			return err
		}
		what := "node"
		if e.Kind == record.Ack {
			what = "ack"
		}
		s.audit.Sent(audit.Signing{Member: r.index + 1, What: what}, &c)
	case record.Lock:
		l, err := e.DecodeLock()
		if err != nil {
			return err
		}
		s.audit.Add(l)
		s.locked(r, &l.Chunk, e.At)
	case record.Own, record.Delivery:
		c, took, err := e.DecodeTimed()
		if err != nil {
			return err
		}
		if e.Kind == record.Own {
			s.certifiedBody(r, &c, took, e.At)
		} else {
			s.deliveredBody(r, &c, took, e.At)
		}
	case record.Start:
		var v proc.Started
		if err := e.DecodeJSON(&v); err != nil {
			return err
		}
		r.started(v)
	case record.Run:
		var v proc.Agreed
		if err := e.DecodeJSON(&v); err != nil {
			return err
		}
		r.agreed(v)
		if s.wanted != 0 && v.ID != s.wanted {
			break // another run, before this one
		}
		r.begin = v.Begin
		if s.run.ID != v.ID {
			s.run = proc.Agreed{ID: v.ID, Begin: v.Begin - r.ahead, End: v.End - r.ahead}
		}
	case record.Ready:
		r.ready = e.At - r.ahead
	case record.Moment:
		var v proc.Counters
		if err := e.DecodeJSON(&v); err != nil {
			return err
		}
		r.moment(e.At, v)
	case record.Fault:
		var v proc.Problem
		if err := e.DecodeJSON(&v); err != nil {
			return err
		}
		s.problem(r, v)
	case record.End:
		r.ended = new(proc.Ended)
		return e.DecodeJSON(r.ended)
	default:
		return fmt.Errorf("%w: an entry of kind %q", record.ErrDamaged, byte(e.Kind))
	}
	return nil
}

// problem takes in the faults that a process has found so far.
func (s *State) problem(r *source, v proc.Problem) {
	before := r.problem
	r.problem = v
	if v.Conflicts < before.Conflicts || v.Faults < before.Faults || len(v.Texts) < len(before.Texts) {
		before = proc.Problem{}
	}
	s.Problems.Add(fmt.Sprintf("member %d", r.index+1), v.Conflicts-before.Conflicts, v.Faults-before.Faults, v.Texts[len(before.Texts):])
}

// locked takes in a lock that a member reported.
func (s *State) locked(r *source, c *wire.Chunk, at int64) {
	l := s.lanes[c.Sequencer]
	if l == nil {
		s.Problems.Fault("member %d reports a lock of %v, which is no sequencer", r.index+1, c.Sequencer)
		return
	}
	last, known := r.seen[c.Sequencer]
	if known && c.Height <= last {
		return // reported again after a restart, or out of order
	}
	r.seen[c.Sequencer] = c.Height
	if s.network.Payload != nil {
		// The digest does not tell when a chunk was made.
		if at < r.begin {
			l.recovered = max(l.recovered, int64(c.Height))
		}
		return
	}
	// By the sequencer's clock, see member.Application.
	proposed := int64(binary.BigEndian.Uint64(c.Payload[:]))
	owner := s.source(l.owner)
	begin := r.begin // nearly the same time, by another clock
	if owner != nil {
		begin = owner.begin
	}
	if proposed < begin {
		l.recovered = max(l.recovered, int64(c.Height))
		return
	}
	l.lastAt = max(l.lastAt, at-r.ahead)
	switch {
	case owner == nil:
		l.certified = max(l.certified, int64(c.Height))
	case r == owner:
		took := time.Duration(at - proposed)
		l.certified = int64(c.Height)
		l.count++
		s.latencies.Record(took)
		r.latencies.Record(took)
	default:
		s.lockedElsewhere(owner, r, time.Duration(at-proposed), at)
	}
}

// lockedElsewhere takes in the time from a chunk's proposal to its lock at another member, by two
// clocks.
func (s *State) lockedElsewhere(from, to *source, took time.Duration, at int64) {
	way := [2]int{from.index, to.index}
	offset, within, known := s.offsets.between(from, to, at)
	if !known {
		s.leftOut[way] = true
		return
	}
	took += time.Duration(offset * float64(time.Millisecond))
	s.elsewhere.Record(took)
	s.worst = max(s.worst, within)
	if len(s.network.Members) > mostPairs {
		return
	}
	p := s.pairs[way]
	if p == nil {
		p = &pair{latencies: measure.NewLatencies()}
		s.pairs[way] = p
	}
	p.latencies.Record(took)
	p.offset += offset
	p.worst = max(p.worst, within)
	p.samples++
}

func (s *State) source(index int) *source {
	for _, r := range s.sources {
		if r.index == index {
			return r
		}
	}
	return nil
}

// Ready returns the time at which a process of a member was last connected to a quorum, 0 if none
// was.
func (s *State) Ready(member int) int64 {
	if r := s.source(member); r != nil {
		return r.ready
	}
	return 0
}

// Counted returns the time of a member's last counters, 0 if it has none.
func (s *State) Counted(member int) int64 {
	if r := s.source(member); r != nil && r.lastAt > 0 {
		return r.lastAt - r.ahead
	}
	return 0
}

// Interval is the time between two points of the series.
const Interval = 250 * time.Millisecond

// Tick advances to a time by the first member's clock, and returns the point of the series for that
// time with the moment that it is made from; false outside of a run.
func (s *State) Tick(now int64) (point measure.Point, at measure.Moment, inRun bool, err error) {
	if err := s.AdvanceTo(now); err != nil {
		return point, at, false, err
	}
	if s.run.ID == 0 || now <= s.run.Begin || now > s.run.End+int64(Interval) {
		return point, at, false, nil
	}
	if s.progress == nil {
		before := measure.Moment{At: time.Unix(0, s.run.Begin)}
		if s.network.Payload != nil {
			before.Bodies = new(measure.BodyTotals)
		}
		if s.progress = measure.NewProgress(before, Interval, s.latencies); before.Bodies != nil {
			s.progress.Deliveries = s.delivered
		}
	}
	at = s.moment(time.Unix(0, now))
	s.sampleBehind(&at)
	return s.progress.Add(at), at, true, nil
}

// Run returns the current or last run; its ID is 0 before one was agreed on.
func (s *State) Run() proc.Agreed { return s.run }

// moment returns the sums over all members, as if their engines were in one process.
func (s *State) moment(at time.Time) measure.Moment {
	var sum proc.Counters
	m := measure.Moment{At: at, Metrics: &measure.EngineMetrics{}}
	for _, r := range s.sources {
		c := r.total()
		inbox, statements, suspects := sum.Inbox+c.Inbox, sum.Statements+c.Statements, sum.Suspects+c.Suspects
		sum = sum.Plus(c)
		sum.Inbox, sum.Statements, sum.Suspects = inbox, statements, suspects
	}
	s.countBodies(&m)
	m.CPU, m.Generator, m.Sent, m.BytesIn, m.BytesOut, m.Dropped = time.Duration(sum.CPU), time.Duration(sum.Generator), sum.Sent, sum.BytesIn, sum.BytesOut, sum.Dropped
	m.Engine = engine.Status{Inbox: sum.Inbox, Statements: sum.Statements, Suspects: sum.Suspects, Counters: engine.Counters{
		AcksReceived: sum.AcksReceived, AcksInvalid: sum.AcksInvalid, NodesReceived: sum.NodesReceived, NodesInvalid: sum.NodesInvalid,
		CertificatesReceived: sum.CertificatesReceived, CertificatesInvalid: sum.CertificatesInvalid, Faults: sum.Faults,
	}}
	for id, l := range s.lanes {
		m.Certificates += l.count
		height := max(l.certified, l.recovered)
		m.Engine.Lanes = append(m.Engine.Lanes, engine.Lane{Sequencer: id, Certified: uint64(max(height, 0)), HasCertified: height >= 0})
	}
	return m
}
