package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/verify"
)

// runResult is the result of a run of either mode. --json writes its JSON form; keys are added and
// never removed.
type runResult interface {
	basics() *summary
	title() string
	// measures returns the values that requirements and comparisons can name: latencies in
	// milliseconds, others in the unit of their names.
	measures() map[string]float64
	// parameters returns what was configured. Results with different parameters are hardly
	// comparable.
	parameters() []parameter
	print(w io.Writer, whole time.Duration)
	// verdict returns an error unless the exit status may be 0.
	verdict() error
}

type parameter struct {
	name  string
	value any
}

// summary holds what the results of both modes have.
type summary struct {
	Mode       string  `json:"mode"`
	Scheme     string  `json:"scheme"`
	Variant    string  `json:"variant"` // "" for schemes that have none
	Signatures string  `json:"signatures"`
	Acks       string  `json:"acks"`    // to whom they go: all or sequencer
	Weights    string  `json:"weights"` // equal, zipf or the name of a file
	Validators int     `json:"validators"`
	Sequencers int     `json:"sequencers"`
	Workers    int     `json:"workers"` // of each engine
	BatchSize  int     `json:"batch_size"`
	BatchDelay float64 `json:"batch_delay_ms"`
	Seed       uint64  `json:"seed"`
	Backend    string  `json:"backend"` // curve arithmetic: blst, blst with AVX-512 IFMA, or gnark-crypto
	Machine    machine `json:"machine"`
	Time       string  `json:"time"` // when measuring began, RFC 3339
	Duration   float64 `json:"duration_s"`

	// In a cluster: chunks certified, each counted once, at its sequencer. Of a node: certificates
	// that it assembled or that certificate messages brought it.
	Certificates          uint64  `json:"certificates"`
	CertificatesPerSecond float64 `json:"certificates_per_s"`
	// Sums over all engines.
	AcksReceived  uint64  `json:"acks_received"`
	AcksPerSecond float64 `json:"acks_per_s"`
	AcksInvalid   uint64  `json:"acks_invalid"` // since the engines started: attackers become suspects in the warm-up
	NodesReceived uint64  `json:"nodes_received"`
	// Certificate messages: those found valid, and those that were not.
	CertificatesReceived uint64 `json:"certificates_received"`
	CertificatesInvalid  uint64 `json:"certificates_invalid"` // since the engines started, as AcksInvalid

	// Sent by all engines of a cluster, or by the node, per certificate. A message counts as often
	// as it has recipients.
	Messages messagesPer `json:"messages_per_certificate"`

	// In a cluster: from the payload's proposal to its certificate, both at the sequencer. Of a
	// node: from when a quorum was due to the certificate.
	LatencyMS    quantiles    `json:"latency_ms"`
	P999         float64      `json:"latency_p999_ms"`
	Distribution []percentile `json:"latency_distribution"`

	// In a cluster: of the whole process, which is all engines, the simulated network and this
	// tool, but not the audit. Of a node: without the generator, too.
	CPU               float64 `json:"cpu_s"`
	CPUPerCertificate float64 `json:"cpu_us_per_certificate"`
	MaxRSS            int64   `json:"max_rss_bytes"`
	Parts             []part  `json:"cpu_parts"`

	BatchSizes []bucket `json:"batch_sizes"`
	MeanBatch  float64  `json:"batch_mean"`
	Series     []point  `json:"series"`

	Verified    uint64   `json:"certificates_verified"` // by the audit; in node mode a sample
	Conflicts   uint64   `json:"conflicts"`
	Errors      int      `json:"errors"` // other things that went wrong
	Problems    []string `json:"problems"`
	Unmet       []string `json:"unmet"` // requirements
	Interrupted bool     `json:"interrupted"`
	OK          bool     `json:"ok"`

	Repeats *repeats `json:"repeats,omitempty"`
}

// percentile is a point of the latency distribution.
type percentile struct {
	Percent float64 `json:"percent"`
	MS      float64 `json:"ms"`
}

// bucket counts the batches with at most UpTo statements and more than the bucket before.
type bucket struct {
	UpTo  float64 `json:"up_to"`
	Count uint64  `json:"count"`
}

// part is a kind of work and its CPU time, from a profile.
type part struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"cpu_s"`
}

// newSummary returns what follows from the configuration and two moments.
func newSummary(mode string, cfg *config, before, after moment) summary {
	a, b := &after.engine.Counters, &before.engine.Counters
	seconds := after.at.Sub(before.at).Seconds()
	c := summary{
		Mode: mode, Scheme: cfg.scheme, Variant: cfg.variant, Signatures: cfg.signatures, Acks: cfg.acks, Weights: cfg.weights,
		Validators: cfg.validators, Sequencers: cfg.sequencers,
		Workers: cfg.workers, BatchSize: cfg.batchSize, BatchDelay: milliseconds(cfg.batchDelay), Seed: cfg.seed,
		Backend: backendName(), Machine: thisMachine(), Time: before.at.UTC().Format(time.RFC3339), Duration: seconds,
		Certificates: after.certificates - before.certificates, AcksReceived: a.AcksReceived - b.AcksReceived,
		AcksInvalid: a.AcksInvalid, NodesReceived: a.NodesReceived - b.NodesReceived,
		CertificatesReceived: a.CertificatesReceived - b.CertificatesReceived, CertificatesInvalid: a.CertificatesInvalid,
		CPU: max(0, (after.cpu - before.cpu).Seconds()), MaxRSS: peakMemory(),
		Problems: []string{}, Unmet: []string{},
	}
	if !cfg.bls() {
		c.Variant = ""
	}
	if seconds > 0 {
		c.CertificatesPerSecond = float64(c.Certificates) / seconds
		c.AcksPerSecond = float64(c.AcksReceived) / seconds
	}
	if c.Certificates > 0 {
		c.CPUPerCertificate = c.CPU * 1e6 / float64(c.Certificates)
		c.Messages = after.sent.per(before.sent, c.Certificates)
	}
	c.BatchSizes, c.MeanBatch = after.metrics.batches(before.metrics)
	return c
}

// addProblems adds the problems of a run.
func (c *summary) addProblems(t *problems) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.Conflicts, c.Errors = t.conflicts, t.faults
	c.Problems = append(c.Problems, t.texts...)
	c.OK = c.Conflicts == 0 && c.Errors == 0
}

func (c *summary) basics() *summary { return c }

func (c *summary) measures() map[string]float64 {
	return map[string]float64{
		"p50": c.LatencyMS.P50, "p90": c.LatencyMS.P90, "p99": c.LatencyMS.P99, "p999": c.P999, "max": c.LatencyMS.Max,
		"acks_per_s": c.AcksPerSecond, "certificates_per_s": c.CertificatesPerSecond, "cpu_us_per_certificate": c.CPUPerCertificate,
		"messages_per_certificate": c.Messages.total(), "errors": float64(c.Errors),
	}
}

func (c *summary) parameters() []parameter {
	return []parameter{
		{"scheme", c.Scheme}, {"variant", c.Variant}, {"signatures", c.Signatures},
		{"acks", cmp.Or(c.Acks, engine.AcksToAll.String())}, {"weights", cmp.Or(c.Weights, equalWeights)}, // which old results lack
		{"validators", c.Validators},
		{"sequencers", c.Sequencers}, {"workers", c.Workers}, {"batch_size", c.BatchSize}, {"batch_delay_ms", c.BatchDelay},
		{"backend", c.Backend}, {"machine", c.Machine},
	}
}

// algorithm names the scheme for people.
func (c *summary) algorithm() string {
	if c.Variant == "" {
		return c.Scheme
	}
	return c.Scheme + " " + c.Variant
}

// network describes what is not usual about the network, for people; "" if nothing is.
func (c *summary) network() string {
	text := ""
	if c.Acks == engine.AcksToSequencer.String() {
		text += ", acks to the " + c.Acks
	}
	if c.Weights != equalWeights {
		text += ", weights " + c.Weights
	}
	return text
}

// printMessages writes the line about messages sent.
func (c *summary) printMessages(w io.Writer) {
	say(w, "  sent          %.2f nodes, %.2f acks, %.2f certificates per certificate", c.Messages.Nodes, c.Messages.Acks, c.Messages.Certificates)
}

// printEnd writes the last lines of a summary.
func (c *summary) printEnd(w io.Writer) {
	if q := c.Repeats; q != nil {
		say(w, "  repeats       %d; certificates/s from %.1f to %.1f, p99 from %.1f to %.1f ms", q.N,
			q.Of["certificates_per_s"].Min, q.Of["certificates_per_s"].Max, q.Of["p99"].Min, q.Of["p99"].Max)
	}
	say(w, "  audit         %d certificates verified, %d conflicts, %d errors", c.Verified, c.Conflicts, c.Errors)
	for _, p := range c.Problems {
		say(w, "  problem       %s", p)
	}
	for _, u := range c.Unmet {
		say(w, "  required      %s", u)
	}
}

func interruptedNote(interrupted bool) string {
	if interrupted {
		return ", interrupted"
	}
	return ""
}

// verdict returns an error unless the run was good, see the package comment, and met what was
// required.
func (c *summary) verdict() error {
	switch {
	case !c.OK:
		reason := fmt.Sprintf("%d conflicts and %d errors", c.Conflicts, c.Errors)
		if len(c.Problems) > 0 {
			reason += "; first: " + c.Problems[0]
		}
		return errors.New("the run failed: " + reason)
	case len(c.Unmet) > 0:
		return errors.New("required: " + c.Unmet[0])
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// backendName names the curve arithmetic in use.
func backendName() string {
	if verify.SIMD() {
		return verify.BackendName + " with AVX-512 IFMA"
	}
	return verify.BackendName
}
