package merge

import (
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/record"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
	"github.com/lanecast/lanecast/wire"
)

// certifiedBody takes in the certification of a member's own chunk whose body it made in this run.
func (s *State) certifiedBody(r *source, c *wire.Chunk, took time.Duration, at int64) {
	l := s.lanes[c.Sequencer]
	if l == nil || l.owner != r.index || at < r.begin || int64(c.Height) <= l.certified {
		return // from another run, or reported again
	}
	l.certified, l.lastAt = int64(c.Height), max(l.lastAt, at-r.ahead)
	l.count++
	s.latencies.Record(took)
	r.latencies.Record(took)
}

// deliveredBody takes in the delivery of a chunk to a member.
func (s *State) deliveredBody(r *source, c *wire.Chunk, took time.Duration, at int64) {
	s.audit.Delivered(*c)
	s.compared++
	l := s.lanes[c.Sequencer]
	if took == record.Unknown || l == nil || at < r.begin {
		return
	}
	owner := s.source(l.owner)
	if owner == nil {
		return
	}
	if owner != r {
		offset, within, known := s.offsets.between(owner, r, at)
		if !known {
			s.leftOut[[2]int{owner.index, r.index}] = true
			return
		}
		took += time.Duration(offset * float64(time.Millisecond))
		s.worst = max(s.worst, within)
	}
	if s.network.Members[r.index].Follower {
		s.followed.Record(took)
		return
	}
	s.delivered.Record(took)
	if r.index != s.away {
		s.phases[s.phase].Record(took)
	}
}

// countBodies adds the counts of members and followers to a moment.
func (s *State) countBodies(m *measure.Moment) {
	if s.network.Payload == nil {
		return
	}
	m.Bodies = new(measure.BodyTotals)
	for _, r := range s.sources {
		b := r.total().Bodies
		if b == nil {
			b = new(measure.Bodies)
		}
		if s.network.Members[r.index].Follower {
			m.Followers = append(m.Followers, *b)
			continue
		}
		m.Members = append(m.Members, *b)
		m.Bodies.Certified += b.CertifiedBytes
	}
	m.Bodies.Delivered = report.LeastDelivered(m.Members)
}

// sampleBehind notes by how much followers, and a member that was away, are behind.
func (s *State) sampleBehind(m *measure.Moment) {
	for i := range m.Followers {
		n := m.Followers[i].Behind(m.Members)
		s.behind.most, s.behind.sum, s.behind.samples = max(s.behind.most, n), s.behind.sum+n, s.behind.samples+1
		m.Bodies.Behind = max(m.Bodies.Behind, n)
	}
	if s.phase != BeforeAway {
		own, others := s.Progress(s.away)
		m.Bodies.Behind = max(m.Bodies.Behind, own.Behind(others))
	}
}

// Away sets the member that leaves, and the phase of its absence from now on.
func (s *State) Away(member, phase int) { s.away, s.phase = member, phase }

// Progress returns the counts of a member, and those of the other members that are no followers.
func (s *State) Progress(member int) (own measure.Bodies, others []measure.Bodies) {
	for _, r := range s.sources {
		b := r.total().Bodies
		switch {
		case b == nil:
		case r.index == member:
			own = *b
		case !s.network.Members[r.index].Follower:
			others = append(others, *b)
		}
	}
	return own, others
}

// AddPhases adds the latencies of deliveries at the others, by phase, to an absence.
func (s *State) AddPhases(a *report.Away) {
	a.Before, a.During, a.After = s.phases[BeforeAway].All(), s.phases[DuringAway].All(), s.phases[AfterAway].All()
}

// bodies returns the figures about bodies; nil if there are none.
func (s *State) bodies(after *measure.Moment, seconds float64) *report.Bodies {
	p := s.network.Payload
	if p == nil {
		return nil
	}
	b := report.NewBodies(report.BodiesOf{
		PayloadBytes: p.Size, Rate: p.Rate, Seconds: seconds, CPU: after.CPU.Seconds(),
		Members: after.Members, Followers: after.Followers, Delivered: s.delivered, Followed: s.followed,
	})
	if b.Followers != nil {
		b.Followers.MostBehind, b.Followers.MeanBehind = s.behind.most, float64(s.behind.sum)/float64(max(1, s.behind.samples))
	}
	b.Compared = s.compared
	return b
}

// settled reports whether everything made was delivered to all members, by their last counts.
func (s *State) settled() bool {
	var last []measure.Bodies
	for _, r := range s.sources {
		if s.excused[r.index] {
			continue
		}
		if r.ended == nil || r.ended.Bodies == nil {
			return false
		}
		last = append(last, *r.ended.Bodies)
	}
	return measure.Settled(last)
}
