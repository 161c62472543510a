package proc

import (
	"github.com/lanecast/lanecast/cmd/loadgen/internal/link"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
)

// The JSON bodies of a member's record, by kind of entry.

// Started is of kind record.Start.
type Started struct {
	PID     int    `json:"pid"`
	Version string `json:"version"`
	Clock   string `json:"clock"` // see host.Clock
}

// Agreed is of kind record.Run: the begin and end of a run, by the member's clock, in nanoseconds
// since 1970.
type Agreed struct {
	ID    uint64 `json:"id"`
	Begin int64  `json:"begin"`
	End   int64  `json:"end"`
}

// Counters is of kind record.Moment: the counts of a process since it started.
type Counters struct {
	Begins bool `json:"begins,omitempty"` // the first moment of a run

	CPU          int64            `json:"cpu_ns"`
	Generator    int64            `json:"generator_ns"` // of making and checking bodies; not in CPU
	RSS          int64            `json:"rss"`          // the peak so far
	Certificates uint64           `json:"certificates"`
	Sent         measure.Messages `json:"sent"`
	BytesIn      uint64           `json:"bytes_in"`
	BytesOut     uint64           `json:"bytes_out"`
	Traffic      link.Traffic     `json:"traffic"`

	AcksReceived         uint64 `json:"acks_received"`
	AcksInvalid          uint64 `json:"acks_invalid"`
	NodesReceived        uint64 `json:"nodes_received"`
	NodesInvalid         uint64 `json:"nodes_invalid"`
	CertificatesReceived uint64 `json:"certificates_received"`
	CertificatesInvalid  uint64 `json:"certificates_invalid"`
	Faults               uint64 `json:"faults"`
	Dropped              uint64 `json:"dropped"`

	Bodies *measure.Bodies `json:"bodies,omitempty"`

	// Gauges: the current values.
	Inbox      int `json:"inbox"`
	Statements int `json:"statements"`
	Suspects   int `json:"suspects"`
}

// Problem is of kind record.Fault.
type Problem struct {
	Conflicts uint64   `json:"conflicts"`
	Faults    int      `json:"faults"`
	Texts     []string `json:"texts"`
}

// Ended is of kind record.End.
type Ended struct {
	Run         uint64 `json:"run"`
	Interrupted bool   `json:"interrupted"`
	// Bodies are the counts when everything that was made was delivered; nil without bodies.
	Bodies *measure.Bodies `json:"bodies,omitempty"`
}

// Plus returns the sums of two processes' counts; gauges are those of o.
func (c Counters) Plus(o Counters) Counters {
	sum := c.with(o, func(a, b uint64) uint64 { return a + b })
	if sum.Bodies = c.Bodies; o.Bodies != nil {
		sum.Bodies = o.Bodies
		if c.Bodies != nil {
			both := c.Bodies.Plus(*o.Bodies)
			sum.Bodies = &both
		}
	}
	return sum
}

// Minus returns the counts since an earlier moment of the same process; gauges and peaks stay.
func (c Counters) Minus(before Counters) Counters {
	now := c
	c = c.with(before, func(a, b uint64) uint64 { return a - min(a, b) })
	if b := now.Bodies; b != nil {
		if before.Bodies != nil {
			since := b.Since(*before.Bodies)
			b = &since
		}
		c.Bodies = b
	}
	c.RSS, c.Inbox, c.Statements, c.Suspects = now.RSS, now.Inbox, now.Statements, now.Suspects
	return c
}

func (c Counters) with(o Counters, f func(a, b uint64) uint64) Counters {
	c.CPU = int64(f(uint64(c.CPU), uint64(o.CPU)))
	c.Generator = int64(f(uint64(c.Generator), uint64(o.Generator)))
	c.RSS = max(c.RSS, o.RSS)
	c.Inbox, c.Statements, c.Suspects = o.Inbox, o.Statements, o.Suspects
	c.Traffic.Known = c.Traffic.Known || o.Traffic.Known
	mine, others := c.counts(), o.counts()
	for i := range mine {
		*mine[i] = f(*mine[i], *others[i])
	}
	return c
}

// counts are the fields that only grow.
func (c *Counters) counts() []*uint64 {
	return []*uint64{
		&c.Certificates, &c.Sent.Nodes, &c.Sent.Acks, &c.Sent.Certificates, &c.BytesIn, &c.BytesOut,
		&c.Traffic.Sent, &c.Traffic.Received, &c.Traffic.Packets, &c.Traffic.Retransmitted,
		&c.AcksReceived, &c.AcksInvalid, &c.NodesReceived, &c.NodesInvalid, &c.CertificatesReceived, &c.CertificatesInvalid,
		&c.Faults, &c.Dropped,
	}
}
