package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// result is what a run came to. Its JSON form is what --json writes; keys are only ever added.
type result struct {
	Mode       string  `json:"mode"`
	Scheme     string  `json:"scheme"`
	Variant    string  `json:"variant"` // "" for ed25519, which has none
	Signatures string  `json:"signatures"`
	Validators int     `json:"validators"`
	Sequencers int     `json:"sequencers"`
	Workers    int     `json:"workers"` // of each engine
	BatchSize  int     `json:"batch_size"`
	BatchDelay float64 `json:"batch_delay_ms"`
	Latency    float64 `json:"link_latency_ms"`
	Loss       float64 `json:"link_loss"`
	Seed       uint64  `json:"seed"`
	Backend    string  `json:"backend"` // curve arithmetic: blst or gnark-crypto
	Duration   float64 `json:"duration_s"`

	// Chunks certified in this run, each counted once, at its sequencer.
	Certificates          uint64  `json:"certificates"`
	CertificatesPerSecond float64 `json:"certificates_per_s"`
	// Sums over all engines.
	AcksReceived  uint64  `json:"acks_received"`
	AcksPerSecond float64 `json:"acks_per_s"`
	AcksInvalid   uint64  `json:"acks_invalid"`
	NodesReceived uint64  `json:"nodes_received"`
	Dropped       uint64  `json:"dropped"` // by inboxes and outboxes that were full
	// From the payload's proposal to its certificate, both at the sequencer.
	LatencyMS quantiles `json:"latency_ms"`
	// Of the whole process: all engines, the simulated network, this tool, but not the audit.
	CPU               float64 `json:"cpu_s"`
	CPUPerCertificate float64 `json:"cpu_us_per_certificate"`
	MaxRSS            int64   `json:"max_rss_bytes"`

	Verified    uint64       `json:"certificates_verified"` // by the audit, of all members
	Conflicts   uint64       `json:"conflicts"`
	Errors      int          `json:"errors"` // other things that went wrong
	Problems    []string     `json:"problems"`
	Lanes       []laneResult `json:"lanes"`
	Interrupted bool         `json:"interrupted"`
	OK          bool         `json:"ok"`
}

// laneResult says where a lane stood. Heights are −1 for a lane that had nothing.
type laneResult struct {
	Sequencer string `json:"sequencer"`
	Recovered int64  `json:"recovered"` // highest height that any member had when the run began
	Certified int64  `json:"certified"` // highest height certified in this run
}

// print writes the summary for people.
func (r *result) print(w io.Writer, whole time.Duration) {
	scheme := r.Scheme
	if r.Variant != "" {
		scheme += " " + r.Variant
	}
	say(w, "")
	say(w, "%d validators, %d sequencers, %s, %s acks, seed %d", r.Validators, r.Sequencers, scheme, r.Signatures, r.Seed)
	say(w, "  ran           %.1f s%s (%.1f s with start and audit)", r.Duration, interruptedNote(r.Interrupted), whole.Seconds())
	say(w, "  certificates  %d (%.1f/s), lanes at %s", r.Certificates, r.CertificatesPerSecond, r.heights())
	say(w, "  latency       p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, max %.1f ms", r.LatencyMS.P50, r.LatencyMS.P90, r.LatencyMS.P99, r.LatencyMS.Max)
	say(w, "  received      %d acks (%.0f/s), %d invalid; %d nodes; %d messages dropped", r.AcksReceived, r.AcksPerSecond, r.AcksInvalid, r.NodesReceived, r.Dropped)
	say(w, "  used          %.2f s CPU, %.0f µs per certificate; %.0f MiB at most", r.CPU, r.CPUPerCertificate, float64(r.MaxRSS)/(1<<20))
	say(w, "  audit         %d certificates verified, %d conflicts, %d errors", r.Verified, r.Conflicts, r.Errors)
	for _, p := range r.Problems {
		say(w, "  problem       %s", p)
	}
}

func interruptedNote(interrupted bool) string {
	if interrupted {
		return ", interrupted"
	}
	return ""
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

// verdict returns an error unless the run was good; see the package comment.
func (r *result) verdict() error {
	if r.OK {
		return nil
	}
	reason := fmt.Sprintf("%d conflicts and %d errors", r.Conflicts, r.Errors)
	if len(r.Problems) > 0 {
		reason += "; first: " + r.Problems[0]
	}
	return errors.New("the run failed: " + reason)
}

// sink is where --json goes. It is opened before the run, so that a wrong name is found out at once.
type sink struct {
	out  io.Writer // nil: nowhere
	file *os.File  // nil for standard output
}

func openSink(name string, stdout io.Writer) (*sink, error) {
	switch name {
	case "":
		return &sink{}, nil
	case "-":
		return &sink{out: stdout}, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, usagef("--json: %v", err)
	}
	return &sink{out: f, file: f}, nil
}

func (s *sink) write(r *result) error { return s.writeAny(r) }

// writeAny writes one object. The name is free of its type: modes have results of their own.
func (s *sink) writeAny(r any) error {
	if s.out == nil {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the result: %w", err)
	}
	if s.file != nil {
		if info, err := s.file.Stat(); err == nil && info.Mode().IsRegular() {
			if err := s.file.Truncate(0); err != nil {
				return fmt.Errorf("writing the result: %w", err)
			}
		}
	}
	if _, err := s.out.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	if s.file != nil {
		f := s.file
		s.file = nil
		if err := f.Close(); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
	}
	return nil
}

// close gives up a sink that nothing was written to.
func (s *sink) close() {
	if s.file != nil {
		_ = s.file.Close() // nothing was written
	}
}
