package report

import (
	"fmt"
	"io"
	"strconv"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
)

// Bodies has the figures of a result about bodies. MB are 10^6 bytes. Members are the validators
// and sequencers; followers have figures of their own.
type Bodies struct {
	PayloadBytes int     `json:"payload_bytes"`
	Rate         float64 `json:"bodies_rate_per_lane"` // per second; 0: without a rate
	Due          uint64  `json:"bodies_due"`           // by that rate
	Made         uint64  `json:"bodies_made"`

	CertifiedMB    float64 `json:"certified_mb_per_s"`     // each body once, at its sequencer
	DeliveredMB    float64 `json:"delivered_mb_per_s"`     // at the member that got the fewest
	DeliveredSumMB float64 `json:"delivered_sum_mb_per_s"` // at all members together
	CPUPerMB       float64 `json:"cpu_s_per_mb"`           // cpu_s for each MB delivered everywhere

	// The time from the making of a body or, at a rate, from when it was due, to its delivery: one
	// sample for each body and member. It has no sample for a body that a member catches up with
	// after its absence, nor for a body that the member made before it left and that was certified
	// after its return.
	Delivery        measure.Quantiles    `json:"delivery_ms"`
	DeliveryP999    float64              `json:"delivery_p999_ms"`
	DeliverySpread  []measure.Percentile `json:"delivery_distribution"`
	DeliverySamples int64                `json:"delivery_samples"`

	MakingCPU   float64 `json:"making_cpu_s"`   // of the generator; not in cpu_s
	CheckingCPU float64 `json:"checking_cpu_s"` // of checking bodies; not in cpu_s

	ArchiveDisk   int64  `json:"archive_disk_bytes"` // files of all members at the end
	ArchiveBodies int64  `json:"archive_body_bytes"` // bodies in them
	Fetched       uint64 `json:"fetched_bodies"`     // that members had to ask for
	PushesDropped uint64 `json:"pushes_dropped"`
	Repeated      uint64 `json:"deliveries_repeated"` // after a restart
	Compared      uint64 `json:"deliveries_compared"` // with deliveries of others at the same place

	Followers *Followers `json:"followers,omitempty"`
	Away      *Away      `json:"away,omitempty"`
}

// Followers has the figures of the processes without weight.
type Followers struct {
	Count       int               `json:"count"`
	DeliveredMB float64           `json:"delivered_mb_per_s"` // at the one that got the fewest
	Delivery    measure.Quantiles `json:"delivery_ms"`
	Samples     int64             `json:"delivery_samples"`
	MostBehind  uint64            `json:"most_chunks_behind"` // of any follower behind the fastest member, all lanes together
	MeanBehind  float64           `json:"mean_chunks_behind"`
}

// Away has the figures of the absence of a member.
type Away struct {
	Member    int     `json:"member"`
	Left      float64 `json:"left_after_s"` // of the run
	Seconds   float64 `json:"away_s"`
	Killed    bool    `json:"killed"`           // else it was ended cleanly
	Returned  bool    `json:"returned"`         // before the run ended
	Level     float64 `json:"level_s"`          // after its return; 0 if it never was
	Missed    uint64  `json:"missed"`           // chunks that it lacked when it returned
	FetchedMB float64 `json:"fetched_mb_per_s"` // until it was level
	// HeapPeak is the largest heap of its process until it was level, 0 where others share the
	// process.
	HeapPeak uint64 `json:"heap_peak_bytes"`
	// Deliveries at the others before it left, while it was away, and from its return on.
	Before measure.Quantiles `json:"others_before_ms"`
	During measure.Quantiles `json:"others_during_ms"`
	After  measure.Quantiles `json:"others_after_ms"`
}

// BodiesOf is the input of NewBodies.
type BodiesOf struct {
	PayloadBytes int
	Rate         float64
	Seconds      float64
	CPU          float64 // s, without making and checking
	// Members and Followers are the counts of each in these seconds.
	Members, Followers []measure.Bodies
	// Delivered are the latencies of deliveries at members, Followed those at followers.
	Delivered, Followed *measure.Latencies
}

// NewBodies returns the figures about bodies, except those about followers that were behind and
// about an absence.
func NewBodies(of BodiesOf) *Bodies {
	b := &Bodies{PayloadBytes: of.PayloadBytes, Rate: of.Rate, Delivery: of.Delivered.All(), DeliverySamples: of.Delivered.Count()}
	b.DeliveryP999, b.DeliverySpread = of.Delivered.Distribution()
	seconds := max(1e-9, of.Seconds)
	rate := func(bytes uint64) float64 { return float64(bytes) / 1e6 / seconds }
	var certified, delivered uint64
	for i, m := range of.Members {
		b.add(&of.Members[i])
		certified += m.CertifiedBytes
		delivered += m.DeliveredBytes
	}
	b.CertifiedMB, b.DeliveredMB, b.DeliveredSumMB = rate(certified), rate(LeastDelivered(of.Members)), rate(delivered)
	if b.DeliveredMB > 0 {
		b.CPUPerMB = of.CPU / (b.DeliveredMB * seconds)
	}
	if len(of.Followers) > 0 {
		for i := range of.Followers {
			b.add(&of.Followers[i])
		}
		b.Followers = &Followers{
			Count: len(of.Followers), DeliveredMB: rate(LeastDelivered(of.Followers)), Delivery: of.Followed.All(), Samples: of.Followed.Count(),
		}
	}
	return b
}

// LeastDelivered returns the bytes of bodies that the member got which got the fewest.
func LeastDelivered(members []measure.Bodies) (least uint64) {
	for i, m := range members {
		if i == 0 || m.DeliveredBytes < least {
			least = m.DeliveredBytes
		}
	}
	return least
}

func (b *Bodies) add(m *measure.Bodies) {
	b.Due += m.Due
	b.Made += m.Made
	b.MakingCPU += m.Making.Seconds()
	b.CheckingCPU += m.Checking.Seconds()
	b.ArchiveDisk += m.Disk
	b.ArchiveBodies += m.Archived
	b.Fetched += m.Fetched
	b.PushesDropped += m.PushesDropped
	b.Repeated += m.Repeated
}

// leastMade is the part of the bodies that are due which must have been made.
const leastMade = 0.99

// BelowRate returns a text about lanes that stayed below their rate, "" without any. A lane that is a
// tenth of the run behind at its end, and no more than a second, may be catching up.
func (b *Bodies) BelowRate(lanes int, seconds float64) string {
	slack := float64(lanes) * (1 + b.Rate*min(1, seconds/10))
	if b.Rate == 0 || float64(b.Made)+slack >= leastMade*float64(b.Due) {
		return ""
	}
	return fmt.Sprintf("lanes took %d of %d bodies that were due", b.Made, b.Due)
}

func (b *Bodies) measures() map[string]float64 {
	return map[string]float64{
		"certified_mb_per_s": b.CertifiedMB, "delivered_mb_per_s": b.DeliveredMB, "cpu_s_per_mb": b.CPUPerMB,
		"delivery_p50": b.Delivery.P50, "delivery_p90": b.Delivery.P90, "delivery_p99": b.Delivery.P99, "delivery_max": b.Delivery.Max,
	}
}

func (b *Bodies) setMeasures(values map[string]float64) {
	b.CertifiedMB, b.DeliveredMB, b.CPUPerMB = values["certified_mb_per_s"], values["delivered_mb_per_s"], values["cpu_s_per_mb"]
	b.Delivery = measure.Quantiles{P50: values["delivery_p50"], P90: values["delivery_p90"], P99: values["delivery_p99"], Max: values["delivery_max"]}
}

// PrintBodies writes the lines about bodies, if there are any.
func (c *Summary) PrintBodies(w io.Writer) {
	b := c.Bodies
	if b == nil {
		return
	}
	pace := "as fast as lanes took them"
	if b.Rate > 0 {
		pace = fmt.Sprintf("%g a second and lane, %d of %d due", b.Rate, b.Made, b.Due)
	}
	cli.Field(w, "  bodies        of %s, %s", cli.SizeText(b.PayloadBytes), pace)
	cli.Field(w, "  throughput    %s MB/s certified, %s MB/s delivered everywhere, %s MB/s at all members together", few(b.CertifiedMB), few(b.DeliveredMB), few(b.DeliveredSumMB))
	cli.Field(w, "  delivery      %s; of %s at all members", quantiles(b.Delivery), cli.Thousands(float64(b.DeliverySamples)))
	cli.Field(w, "  per MB        %.4f s CPU; making took %.2f s more, checking %.2f s", b.CPUPerMB, b.MakingCPU, b.CheckingCPU)
	cli.Field(w, "  archives      %.0f MB on disk, %.0f MB of bodies; %d bodies fetched, %d pushes dropped", float64(b.ArchiveDisk)/1e6, float64(b.ArchiveBodies)/1e6, b.Fetched, b.PushesDropped)
	if f := b.Followers; f != nil {
		cli.Field(w, "  followers     %d, delivered %.1f MB/s each; %s; %.1f chunks behind on average, %d at most", f.Count, f.DeliveredMB, quantiles(f.Delivery), f.MeanBehind, f.MostBehind)
	}
	if b.Away != nil {
		b.Away.print(w)
	}
}

func (a *Away) print(w io.Writer) {
	became := "did not return before the run ended"
	switch {
	case a.Level > 0:
		became = fmt.Sprintf("returned %d chunks behind, fetched %.1f MB/s and was level after %.1f s", a.Missed, a.FetchedMB, a.Level)
	case a.Returned:
		became = fmt.Sprintf("returned %d chunks behind and was never level", a.Missed)
	}
	heap := "heap peak unknown: others share its process"
	if a.HeapPeak > 0 {
		heap = fmt.Sprintf("heap peak %d MiB", a.HeapPeak>>20)
	}
	cli.Field(w, "  away          member %d, for %.1f s; it %s; %s", a.Member, a.Seconds, became, heap)
	cli.Field(w, "  the others    delivery p99 %.1f ms before it left, %.1f ms while it was away, %.1f ms after its return", a.Before.P99, a.During.P99, a.After.P99)
}

// few writes a number with a decimal, and a small one with more of them.
func few(v float64) string {
	if v < 1 {
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

func quantiles(q measure.Quantiles) string {
	return fmt.Sprintf("p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, max %.1f ms", q.P50, q.P90, q.P99, q.Max)
}
