package measure

import (
	"slices"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// Bodies are the counters of a member whose chunks have bodies. Those of CPU time are 0 where the
// system does not tell that of a thread.
type Bodies struct {
	Made           uint64        `json:"made"`            // bodies of its own lane
	Due            uint64        `json:"due"`             // bodies due; 0 without a rate
	Certified      uint64        `json:"certified"`       // of those that it made
	CertifiedBytes uint64        `json:"certified_bytes"` // likewise
	Delivered      uint64        `json:"delivered"`       // chunks of all lanes
	DeliveredBytes uint64        `json:"delivered_bytes"` // likewise
	Repeated       uint64        `json:"repeated"`        // chunks delivered more than once
	Making         time.Duration `json:"making_cpu_ns"`   // CPU time of the generator
	Checking       time.Duration `json:"checking_cpu_ns"` // CPU time of checking bodies
	HeapPeak       uint64        `json:"heap_peak_bytes"` // sampled; 0 if members share the process

	// Read from the replica's metrics, by a full reading only.
	Fetched       uint64 `json:"fetched_bodies"`
	PushesDropped uint64 `json:"pushes_dropped"`
	Disk          int64  `json:"archive_disk_bytes"`
	Archived      int64  `json:"archive_body_bytes"`
	BytesIn       uint64 `json:"bytes_in"`  // of messages, without the overhead of TLS and TCP
	BytesOut      uint64 `json:"bytes_out"` // likewise
	Nodes         uint64 `json:"nodes_sent"`
	Acks          uint64 `json:"acks_sent"`
	Certificates  uint64 `json:"certificates_sent"`

	Lanes []LaneHeights `json:"lanes"` // by ascending sequencer
}

// LaneHeights holds the heights that a member has reached in a lane.
type LaneHeights struct {
	Sequencer wire.PublicKey `json:"sequencer"`
	Next      uint64         `json:"next"` // the first height that was not delivered to it
	Made      uint64         `json:"made"` // height after its last body; 0 if it makes none
}

// Since returns the counts since an earlier reading. Fields that are no counters stay.
func (b Bodies) Since(before Bodies) Bodies {
	b.Lanes = slices.Clone(b.Lanes)
	for _, c := range []struct {
		now  *uint64
		then uint64
	}{
		{&b.Made, before.Made}, {&b.Due, before.Due}, {&b.Certified, before.Certified}, {&b.CertifiedBytes, before.CertifiedBytes},
		{&b.Delivered, before.Delivered}, {&b.DeliveredBytes, before.DeliveredBytes}, {&b.Repeated, before.Repeated},
		{&b.Fetched, before.Fetched}, {&b.PushesDropped, before.PushesDropped}, {&b.BytesIn, before.BytesIn}, {&b.BytesOut, before.BytesOut},
		{&b.Nodes, before.Nodes}, {&b.Acks, before.Acks}, {&b.Certificates, before.Certificates},
	} {
		*c.now -= c.then
	}
	b.Making -= before.Making
	b.Checking -= before.Checking
	return b
}

// Plus returns the sums of the counters of two processes of a member. Fields that are no counters
// are those of the later one, o.
func (b Bodies) Plus(o Bodies) Bodies {
	zero := Bodies{
		Made: -b.Made, Due: -b.Due, Certified: -b.Certified, CertifiedBytes: -b.CertifiedBytes, Delivered: -b.Delivered,
		DeliveredBytes: -b.DeliveredBytes, Repeated: -b.Repeated, Making: -b.Making, Checking: -b.Checking, Fetched: -b.Fetched,
		PushesDropped: -b.PushesDropped, BytesIn: -b.BytesIn, BytesOut: -b.BytesOut, Nodes: -b.Nodes, Acks: -b.Acks, Certificates: -b.Certificates,
	}
	o = o.Since(zero)
	o.HeapPeak = max(o.HeapPeak, b.HeapPeak)
	return o
}

// Between returns the counts of each of several members between two readings.
func Between(before, after []Bodies) []Bodies {
	counted := make([]Bodies, len(after))
	for i := range after {
		counted[i] = after[i].Since(before[i])
	}
	return counted
}

// Count adds a member's counts to a moment. The CPU time of making and checking bodies is the
// generator's, not the members'.
func (m *Moment) Count(b *Bodies) {
	m.CPU -= b.Making + b.Checking
	m.Generator += b.Making + b.Checking
	m.BytesIn += b.BytesIn
	m.BytesOut += b.BytesOut
	m.Sent.Nodes += b.Nodes
	m.Sent.Acks += b.Acks
	m.Sent.Certificates += b.Certificates
}

// Next returns the first height of a lane that was not delivered to the member.
func (b *Bodies) Next(lane wire.PublicKey) uint64 {
	i, ok := slices.BinarySearchFunc(b.Lanes, lane, func(l LaneHeights, id wire.PublicKey) int { return l.Sequencer.Compare(id) })
	if !ok {
		return 0
	}
	return b.Lanes[i].Next
}

// Level reports whether a member has come as far in each lane as the slowest of the others.
func (b *Bodies) Level(others []Bodies) bool {
	for _, l := range b.Lanes {
		least, first := uint64(0), true
		for i := range others {
			if n := others[i].Next(l.Sequencer); first || n < least {
				least, first = n, false
			}
		}
		if l.Next < least {
			return false
		}
	}
	return true
}

// Behind returns how many chunks a member lacks that one of the others was delivered, of all lanes.
func (b *Bodies) Behind(others []Bodies) (chunks uint64) {
	for _, l := range b.Lanes {
		most := l.Next
		for i := range others {
			most = max(most, others[i].Next(l.Sequencer))
		}
		chunks += most - l.Next
	}
	return chunks
}

// Settled reports whether every body that any of the members has made was delivered to all of them.
func Settled(members []Bodies) bool {
	made := make(map[wire.PublicKey]uint64)
	for i := range members {
		for _, l := range members[i].Lanes {
			made[l.Sequencer] = max(made[l.Sequencer], l.Made)
		}
	}
	for i := range members {
		for lane, end := range made {
			if members[i].Next(lane) < end {
				return false
			}
		}
	}
	return true
}
