package main

import (
	"fmt"
	"io"
	"time"
)

// result is the result of a cluster's run.
type result struct {
	summary
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

func (r *result) title() string {
	return fmt.Sprintf("loadgen, a cluster of %d validators and %d sequencers", r.Validators, r.Sequencers)
}

func (r *result) measures() map[string]float64 {
	m := r.summary.measures()
	m["dropped"] = float64(r.Dropped)
	return m
}

func (r *result) parameters() []parameter {
	return append(r.summary.parameters(), parameter{"link_latency_ms", r.Latency}, parameter{"link_loss", r.Loss})
}

// print writes the summary for people.
func (r *result) print(w io.Writer, whole time.Duration) {
	say(w, "")
	say(w, "%d validators, %d sequencers, %s, %s acks%s, seed %d", r.Validators, r.Sequencers, r.algorithm(), r.Signatures, r.network(), r.Seed)
	say(w, "  ran           %.1f s%s (%.1f s with start and audit)", r.Duration, interruptedNote(r.Interrupted), whole.Seconds())
	say(w, "  certificates  %d (%.1f/s), lanes at %s", r.Certificates, r.CertificatesPerSecond, r.heights())
	say(w, "  latency       p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, max %.1f ms", r.LatencyMS.P50, r.LatencyMS.P90, r.LatencyMS.P99, r.LatencyMS.Max)
	say(w, "  received      %d acks (%.0f/s), %d invalid; %d nodes; %d messages dropped", r.AcksReceived, r.AcksPerSecond, r.AcksInvalid, r.NodesReceived, r.Dropped)
	r.printMessages(w)
	say(w, "  used          %.2f s CPU, %.0f µs per certificate; %.0f MiB at most", r.CPU, r.CPUPerCertificate, float64(r.MaxRSS)/(1<<20))
	r.printEnd(w)
}

// heights returns the range of the lanes' heights.
func (r *result) heights() string {
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
