package merge

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/proc"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/profile"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
)

// Kills are the kills by the program that runs the members.
type Kills struct {
	Count    int
	Restarts *measure.Latencies // time from a kill until a process is connected to a quorum again
	Last     int64              // last return, by the first member's clock; 0: no kill
}

// leastSeconds is the length of an interrupted run from which a lane without a certificate counts
// as a fault.
const leastSeconds = 1.0

// Result audits the remaining entries and returns the network's result. members are the members'
// own results, nil for a missing one.
func (s *State) Result(members []*proc.Result, kills *Kills) *cluster.Result {
	s.audit.Finish()
	n := s.network
	before, after := measure.Moment{At: time.Unix(0, s.run.Begin), Metrics: &measure.EngineMetrics{}}, s.moment(time.Unix(0, s.lastMoment()))
	cfg := n.Setup()
	if i := slices.IndexFunc(members, func(m *proc.Result) bool { return m != nil }); i >= 0 {
		cfg.Workers = members[i].Workers
	}
	res := &cluster.Result{
		Summary: report.NewSummary("cluster", &cfg, len(n.Members), host.Disk{}, before, after),
		Latency: measure.Milliseconds(time.Duration(n.Link.Latency)), Loss: n.Link.Loss, Dropped: after.Dropped,
		Processes: s.processes(kills),
	}
	res.AddLatencies(s.latencies)
	if res.Bodies = s.bodies(&after, res.Duration); res.Bodies != nil {
		res.Shortfall = res.BelowRate(len(s.lanes), res.Duration)
		if !s.settled() {
			s.Problems.Fault("not every body that was made was delivered to all members")
		}
	}
	if s.progress != nil {
		res.Series = s.progress.Series
	}
	res.MaxRSS = 0
	for _, r := range s.sources {
		res.MaxRSS += r.total().RSS
		if r.ended != nil && r.ended.Interrupted {
			res.Interrupted = true
		}
	}
	addMembers(res, members)
	s.recordFaults(res, members, kills)
	res.Verified = s.audit.Verified.Load()
	res.AddProblems(&s.Problems)
	return res
}

// lastMoment returns the latest time at which any member measured, by the first member's clock.
func (s *State) lastMoment() (at int64) {
	at = s.run.Begin
	for _, r := range s.sources {
		if r.inRun {
			at = max(at, r.lastAt-r.ahead)
		}
	}
	return at
}

// recordFaults records the faults of the run.
func (s *State) recordFaults(res *cluster.Result, members []*proc.Result, kills *Kills) {
	n := s.network
	for i := range n.Members {
		p := &n.Members[i]
		r := s.source(i)
		switch {
		case s.excused[i]:
		case r == nil:
			s.Problems.Fault("member %d: its result is missing", i+1)
		case s.run.ID == 0 || r.run.ID != s.run.ID || !r.inRun:
			s.Problems.Fault("member %d took no part in the run", i+1)
		case r.ended == nil || r.ended.Run != s.run.ID:
			s.Problems.Fault("member %d did not measure to the end", i+1)
		}
		if !p.Sequencer {
			continue
		}
		l := s.lanes[p.Identity]
		res.Lanes = append(res.Lanes, cluster.LaneResult{Sequencer: p.Identity.String(), Recovered: l.recovered, Certified: l.certified})
		switch {
		case l.certified <= l.recovered && !(res.Interrupted && res.Duration < leastSeconds):
			s.Problems.Fault("lane %v certified nothing in the run", p.Identity)
		case kills != nil && kills.Last > 0 && l.lastAt <= kills.Last && !res.Interrupted:
			s.Problems.Fault("lane %v certified nothing after the last of %d kills", p.Identity, kills.Count)
		}
	}
	for _, r := range s.sources {
		c := r.total()
		if c.AcksInvalid+c.NodesInvalid+c.CertificatesInvalid > 0 {
			s.Problems.Fault("member %d called %d acks, %d nodes and %d certificates invalid, although all members are honest",
				r.index+1, c.AcksInvalid, c.NodesInvalid, c.CertificatesInvalid)
		}
	}
}

// processes returns the figures about the members and their connections.
func (s *State) processes(kills *Kills) *cluster.Processes {
	p := &cluster.Processes{
		Count: len(s.network.Members), Jitter: measure.Milliseconds(time.Duration(s.network.Link.Jitter)), Bandwidth: s.network.Link.Bandwidth,
		Members: []cluster.MemberResult{}, Pairs: []cluster.Pair{}, Hosts: s.hosts(),
		Others: s.elsewhere.All(), OthersError: s.worst, OthersSamples: s.elsewhere.Count(), LeftOut: len(s.leftOut),
	}
	for _, r := range s.sources {
		c := r.total()
		sent := c.Traffic.Sent
		if !c.Traffic.Known {
			sent = c.BytesOut
		}
		received := c.Traffic.Received
		if !c.Traffic.Known {
			received = c.BytesIn
		}
		p.NetworkBytes += sent
		p.Packets += c.Traffic.Packets
		p.Retransmitted += c.Traffic.Retransmitted
		m := cluster.MemberResult{
			Number: r.index + 1, Starts: r.starts, LatencyMS: r.latencies.All(), CPU: time.Duration(c.CPU).Seconds(), MaxRSS: c.RSS,
			SentBytes: sent, Received: received,
		}
		if l := s.lanes[s.network.Members[r.index].Identity]; l != nil {
			m.Certificates = l.count
		}
		p.Members = append(p.Members, m)
	}
	for way, l := range s.pairs {
		q := l.latencies.All()
		p.Pairs = append(p.Pairs, cluster.Pair{
			From: way[0] + 1, To: way[1] + 1, P50: q.P50, P99: q.P99, Samples: l.samples, Offset: l.offset / float64(l.samples), Error: l.worst,
		})
	}
	slices.SortFunc(p.Pairs, func(a, b cluster.Pair) int { return cmp.Or(a.From-b.From, a.To-b.To) })
	if kills != nil {
		p.Kills, p.RestartMS = kills.Count, kills.Restarts.All()
	}
	return p
}

// hosts returns the number of machines, told apart by their clocks.
func (s *State) hosts() int {
	clocks, unknown := make(map[string]bool), 0
	for _, r := range s.sources {
		if r.clock == "" {
			unknown++
		} else {
			clocks[r.clock] = true
		}
	}
	return len(clocks) + unknown
}

// addMembers adds the figures from the members' own results.
func addMembers(res *cluster.Result, members []*proc.Result) {
	names := make(map[string]bool)
	cores := make(map[string]float64) // cores used by the members of a machine together
	parts := make(map[string]float64)
	sizes := make(map[float64]uint64)
	var statements, batches float64
	var first *proc.Result
	for _, m := range members {
		if m == nil {
			continue
		}
		if first == nil {
			first = m
			res.Machine, res.Environment, res.Backend = m.Machine, withCommand(m.Environment, res.Environment), m.Backend
		}
		if m.Duration > 0 {
			cores[machineOf(m)] += m.CPU / m.Duration
		}
		names[m.Environment.Hostname] = true
		for _, p := range m.Parts {
			parts[p.Name] += p.Seconds
		}
		for _, b := range m.BatchSizes {
			sizes[b.UpTo] += b.Count
			batches += float64(b.Count)
			statements += float64(b.Count) * m.MeanBatch
		}
		res.Interrupted = res.Interrupted || m.Interrupted
		for i := range res.Members {
			if res.Members[i].Number == m.Member {
				res.Members[i].Host = m.Environment.Hostname
			}
		}
	}
	if first == nil {
		return
	}
	e := &res.Environment
	e.Others, e.Busy = 0, false
	for _, m := range members {
		if m == nil || m.Duration <= 0 {
			continue
		}
		h := &m.Environment
		e.LoadBefore, e.LoadAfter, e.Stolen = max(e.LoadBefore, h.LoadBefore), max(e.LoadAfter, h.LoadAfter), max(e.Stolen, h.Stolen)
		// The CPU use by others that a member measured includes the members on the same machine.
		e.Others = max(e.Others, h.Others-(cores[machineOf(m)]-m.CPU/m.Duration))
	}
	e.Judge(res.Machine.Cores)
	e.Hostname = strings.Join(slices.Sorted(maps.Keys(names)), ", ")
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		res.Parts = append(res.Parts, profile.Part{Name: name, Seconds: parts[name]})
	}
	slices.SortStableFunc(res.Parts, func(a, b profile.Part) int { return cmp.Compare(b.Seconds, a.Seconds) })
	for _, upTo := range slices.Sorted(maps.Keys(sizes)) {
		res.BatchSizes = append(res.BatchSizes, measure.Bucket{UpTo: upTo, Count: sizes[upTo]})
	}
	if batches > 0 {
		res.MeanBatch = statements / batches
	}
}

// machineOf names the machine of a member.
func machineOf(m *proc.Result) string { return cmp.Or(m.Clock, m.Environment.Hostname) }

// withCommand returns the environment of a member with the fields about the program taken from our
// own.
func withCommand(member, own host.Environment) host.Environment {
	member.Version, member.Command, member.Tags = own.Version, own.Command, own.Tags
	return member
}
