package cluster

import (
	"fmt"
	"io"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
)

// Result is the result of a cluster's run.
type Result struct {
	report.Summary
	Latency float64      `json:"link_latency_ms"`
	Loss    float64      `json:"link_loss"`
	Dropped uint64       `json:"dropped"` // by inboxes and outboxes that were full
	Lanes   []laneResult `json:"lanes"`
}

// laneResult holds the heights of a lane; −1 for none.
type laneResult struct {
	Sequencer string `json:"sequencer"`
	Recovered int64  `json:"recovered"` // highest height that any member had when the run began
	Certified int64  `json:"certified"` // highest height certified in this run
}

// Title implements report.Result.
func (r *Result) Title() string {
	return fmt.Sprintf("loadgen, a cluster of %d validators and %d sequencers", r.Validators, r.Sequencers)
}

// Measures implements report.Result.
func (r *Result) Measures() map[string]float64 {
	m := r.Summary.Measures()
	m["dropped"] = float64(r.Dropped)
	return m
}

// Parameters implements report.Result.
func (r *Result) Parameters() []report.Parameter {
	return append(r.Summary.Parameters(), report.Parameter{Name: "link_latency_ms", Value: r.Latency}, report.Parameter{Name: "link_loss", Value: r.Loss})
}

// Print writes the summary for people.
func (r *Result) Print(w io.Writer, whole time.Duration) {
	cli.Say(w, "")
	cli.Field(w, "%d validators, %d sequencers, %s, %s acks%s, seed %d", r.Validators, r.Sequencers, r.Algorithm(), r.Signatures, r.Network(), r.Seed)
	cli.Field(w, "  ran           %.1f s%s (%.1f s with start and audit)", r.Duration, report.InterruptedNote(r.Interrupted), whole.Seconds())
	cli.Field(w, "  certificates  %d (%.1f/s), lanes at %s", r.Certificates, r.CertificatesPerSecond, r.heights())
	r.PrintLatency(w)
	r.PrintBodies(w)
	cli.Field(w, "  received      %d acks (%.0f/s), %d invalid; %d nodes; %d messages dropped", r.AcksReceived, r.AcksPerSecond, r.AcksInvalid, r.NodesReceived, r.Dropped)
	r.PrintMessages(w)
	cli.Field(w, "  used          %.2f s CPU, %.0f µs per certificate; %.0f MiB at most", r.CPU, r.CPUPerCertificate, float64(r.MaxRSS)/(1<<20))
	r.PrintMachine(w)
	r.PrintEnd(w)
}

// heights returns the range of the lanes' heights.
func (r *Result) heights() string {
	if len(r.Lanes) == 0 {
		return "none"
	}
	low, high := r.Lanes[0].Certified, r.Lanes[0].Certified
	for _, l := range r.Lanes {
		low, high = min(low, l.Certified), max(high, l.Certified)
	}
	if low == high {
		return fmt.Sprintf("height %d", low)
	}
	return fmt.Sprintf("heights %d to %d", low, high)
}
