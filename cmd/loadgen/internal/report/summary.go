package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/audit"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/profile"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/verify"
)

// Result is the result of a run of either mode. --json writes its JSON form; keys are added and
// never removed.
type Result interface {
	Basics() *Summary
	Title() string
	// Measures returns the values that requirements and comparisons can name: latencies in
	// milliseconds, others in the unit of their names.
	Measures() map[string]float64
	// Parameters returns the configuration. Results with different parameters are hardly
	// comparable.
	Parameters() []Parameter
	Print(w io.Writer, whole time.Duration)
	// SetMeasures replaces the values that Measures returns by those given: the medians of repeated
	// runs.
	SetMeasures(values map[string]float64)
	// Verdict returns an error unless the exit status may be 0.
	Verdict() error
}

// Parameter is a value of the configuration.
type Parameter struct {
	Name  string
	Value any
}

// Summary holds the fields common to the results of both modes.
type Summary struct {
	Mode        string           `json:"mode"`
	Scheme      string           `json:"scheme"`
	Variant     string           `json:"variant"` // "" for schemes that have none
	Signatures  string           `json:"signatures"`
	Acks        string           `json:"acks"`    // recipients: all or sequencer
	Weights     string           `json:"weights"` // equal, zipf or the name of a file
	Validators  int              `json:"validators"`
	Sequencers  int              `json:"sequencers"`
	Workers     int              `json:"workers"` // of each engine
	BatchSize   int              `json:"batch_size"`
	BatchDelay  float64          `json:"batch_delay_ms"`
	Seed        uint64           `json:"seed"`
	Backend     string           `json:"backend"` // blst, blst with AVX-512 IFMA, or gnark-crypto
	Machine     host.Machine     `json:"machine"`
	Environment host.Environment `json:"environment"`
	Time        string           `json:"time"` // when measuring began, RFC 3339
	Duration    float64          `json:"duration_s"`

	// In a cluster: chunks certified, each counted once, at its sequencer. Of a node: certificates
	// that it assembled or received in certificate messages.
	Certificates          uint64  `json:"certificates"`
	CertificatesPerSecond float64 `json:"certificates_per_s"`
	CertificatesPerCore   float64 `json:"certificates_per_core"` // per second of cpu_s
	// Sums over all engines.
	AcksReceived  uint64  `json:"acks_received"`
	AcksPerSecond float64 `json:"acks_per_s"`
	AcksInvalid   uint64  `json:"acks_invalid"` // since the start: attackers become suspects in the warm-up
	NodesReceived uint64  `json:"nodes_received"`
	// Certificate messages: those found valid, and those that were not.
	CertificatesReceived uint64 `json:"certificates_received"`
	CertificatesInvalid  uint64 `json:"certificates_invalid"` // since the start, as AcksInvalid

	// Sent by all engines of a cluster, or by the node, per certificate. A message counts as often
	// as it has recipients.
	Messages measure.MessagesPer `json:"messages_per_certificate"`

	// Per engine, the mean of a cluster; messages without a transport's overhead.
	BytesIn  float64 `json:"bytes_in_per_node"`
	BytesOut float64 `json:"bytes_out_per_node"`

	// In a cluster: from the payload's proposal to its certificate, both at the sequencer. Of a
	// node: from when a quorum was due to the certificate.
	LatencyMS    measure.Quantiles    `json:"latency_ms"`
	P999         float64              `json:"latency_p999_ms"`
	Distribution []measure.Percentile `json:"latency_distribution"`
	Samples      int64                `json:"latency_samples"` // number of chunks with a latency

	// In a cluster: of the whole process, which is all engines, the simulated network and this
	// tool, without the audit. Of a node: also without the generator.
	CPU               float64        `json:"cpu_s"`
	CPUPerCertificate float64        `json:"cpu_us_per_certificate"`
	MaxRSS            int64          `json:"max_rss_bytes"`
	Parts             []profile.Part `json:"cpu_parts"`

	*Bodies // nil if chunks have none

	BatchSizes []measure.Bucket `json:"batch_sizes"`
	MeanBatch  float64          `json:"batch_mean"`
	Series     []measure.Point  `json:"series"`

	Verified    uint64   `json:"certificates_verified"` // by the audit; in node mode a sample
	Conflicts   uint64   `json:"conflicts"`
	Errors      int      `json:"errors"` // other problems
	Problems    []string `json:"problems"`
	Unmet       []string `json:"unmet"`     // requirements
	Shortfall   string   `json:"shortfall"` // how a node stayed below its offered load, or ""
	Interrupted bool     `json:"interrupted"`
	Outcome     string   `json:"outcome"` // first of: failed, overload, unmet, interrupted, good
	OK          bool     `json:"ok"`

	Repeats *repeats `json:"repeats,omitempty"`
}

// NewSummary returns a summary of the configuration and of two moments.
func NewSummary(mode string, cfg *setup.Config, engines int, disk host.Disk, before, after measure.Moment) Summary {
	a, b := &after.Engine.Counters, &before.Engine.Counters
	seconds := after.At.Sub(before.At).Seconds()
	c := Summary{
		Mode: mode, Scheme: cfg.Scheme, Variant: cfg.Variant, Signatures: cfg.Signatures, Acks: cfg.Acks, Weights: cfg.Weights,
		Validators: cfg.Validators, Sequencers: cfg.Sequencers,
		Workers: cfg.Workers, BatchSize: cfg.BatchSize, BatchDelay: measure.Milliseconds(cfg.BatchDelay), Seed: cfg.Seed,
		Backend: backendName(), Machine: host.Describe(), Time: before.At.UTC().Format(time.RFC3339), Duration: seconds,
		Certificates: after.Certificates - before.Certificates, AcksReceived: a.AcksReceived - b.AcksReceived,
		AcksInvalid: a.AcksInvalid, NodesReceived: a.NodesReceived - b.NodesReceived,
		CertificatesReceived: a.CertificatesReceived - b.CertificatesReceived, CertificatesInvalid: a.CertificatesInvalid,
		CPU: max(0, (after.CPU - before.CPU).Seconds()), MaxRSS: host.PeakMemory(),
		Problems: []string{}, Unmet: []string{},
	}
	if !cfg.BLS() {
		c.Variant = ""
	}
	c.Environment = host.Here(cli.CommandLine())
	c.Environment.Between(before.Host, after.Host)
	c.Environment.Disk = disk
	c.BytesIn = float64(after.BytesIn-before.BytesIn) / float64(max(1, engines))
	c.BytesOut = float64(after.BytesOut-before.BytesOut) / float64(max(1, engines))
	if seconds > 0 {
		c.CertificatesPerSecond = float64(c.Certificates) / seconds
		c.AcksPerSecond = float64(c.AcksReceived) / seconds
	}
	if c.CPU > 0 {
		c.CertificatesPerCore = float64(c.Certificates) / c.CPU
	}
	if c.Certificates > 0 {
		c.CPUPerCertificate = c.CPU * 1e6 / float64(c.Certificates)
		c.Messages = after.Sent.Per(before.Sent, c.Certificates)
	}
	c.BatchSizes, c.MeanBatch = after.Metrics.Batches(before.Metrics)
	return c
}

// AddLatencies adds everything recorded.
func (c *Summary) AddLatencies(l *measure.Latencies) {
	c.LatencyMS = l.All()
	c.P999, c.Distribution = l.Distribution()
	c.Samples = l.Count()
}

// AddProblems adds the problems of a run.
func (c *Summary) AddProblems(t *audit.Problems) {
	conflicts, faults, texts := t.All()
	c.Conflicts, c.Errors = conflicts, faults
	c.Problems = append(c.Problems, texts...)
	c.OK = c.Conflicts == 0 && c.Errors == 0 && c.Shortfall == ""
}

// Basics implements Result.
func (c *Summary) Basics() *Summary { return c }

// Measures implements Result.
func (c *Summary) Measures() map[string]float64 {
	m := map[string]float64{
		"p50": c.LatencyMS.P50, "p90": c.LatencyMS.P90, "p99": c.LatencyMS.P99, "p999": c.P999, "max": c.LatencyMS.Max,
		"acks_per_s": c.AcksPerSecond, "certificates_per_s": c.CertificatesPerSecond, "certificates_per_core": c.CertificatesPerCore, "cpu_us_per_certificate": c.CPUPerCertificate,
		"messages_per_certificate": c.Messages.Total(), "errors": float64(c.Errors),
	}
	if c.Bodies != nil {
		maps.Copy(m, c.Bodies.measures())
	}
	return m
}

// SetMeasures implements Result.
func (c *Summary) SetMeasures(values map[string]float64) {
	c.LatencyMS.P50, c.LatencyMS.P90, c.LatencyMS.P99, c.P999, c.LatencyMS.Max = values["p50"], values["p90"], values["p99"], values["p999"], values["max"]
	c.AcksPerSecond, c.CertificatesPerSecond, c.CPUPerCertificate = values["acks_per_s"], values["certificates_per_s"], values["cpu_us_per_certificate"]
	c.CertificatesPerCore = values["certificates_per_core"]
	if c.Bodies != nil {
		c.Bodies.setMeasures(values)
	}
}

// Parameters implements Result.
func (c *Summary) Parameters() []Parameter {
	p := []Parameter{
		{"scheme", c.Scheme}, {"variant", c.Variant}, {"signatures", c.Signatures},
		{"acks", cmp.Or(c.Acks, engine.AcksToAll.String())}, {"weights", cmp.Or(c.Weights, setup.EqualWeights)}, // which old results lack
		{"validators", c.Validators},
		{"sequencers", c.Sequencers}, {"workers", c.Workers}, {"batch_size", c.BatchSize}, {"batch_delay_ms", c.BatchDelay},
		{"backend", c.Backend}, {"machine", c.Machine},
	}
	if b := c.Bodies; b != nil {
		p = append(p, Parameter{"payload_bytes", b.PayloadBytes}, Parameter{"bodies_rate_per_lane", b.Rate})
	}
	return p
}

// Algorithm names the scheme for people.
func (c *Summary) Algorithm() string {
	if c.Variant == "" {
		return c.Scheme
	}
	return c.Scheme + " " + c.Variant
}

// Network describes the unusual settings of the network, or returns "".
func (c *Summary) Network() string {
	text := ""
	if c.Acks == engine.AcksToSequencer.String() {
		text += ", acks to the " + c.Acks
	}
	if c.Weights != setup.EqualWeights {
		text += ", weights " + c.Weights
	}
	return text
}

// LeastSamples is the number of chunks that a p99 should be of: with fewer, less than ten decide
// it.
const LeastSamples = 1000

// PrintLatency writes the line about latencies, and whether it rests on enough chunks.
func (c *Summary) PrintLatency(w io.Writer) {
	cli.Field(w, "  latency       p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, p99.9 %.1f ms, max %.1f ms", c.LatencyMS.P50, c.LatencyMS.P90, c.LatencyMS.P99, c.P999, c.LatencyMS.Max)
	if c.Samples < LeastSamples {
		cli.Field(w, "  few samples   p99 is of %s; from %s on, one slow chunk does not decide it: run longer",
			cli.Counted(int(c.Samples), "chunk"), cli.Thousands(LeastSamples))
	}
}

// PrintMessages writes the lines about messages sent.
func (c *Summary) PrintMessages(w io.Writer) {
	cli.Field(w, "  sent          %.2f nodes, %.2f acks, %.2f certificates per certificate", c.Messages.Nodes, c.Messages.Acks, c.Messages.Certificates)
}

// PrintMachine writes the lines about traffic, the machine and its disk.
func (c *Summary) PrintMachine(w io.Writer) {
	e := &c.Environment
	if c.Duration > 0 {
		cli.Field(w, "  traffic       %.2f MB/s in and %.2f MB/s out at each node", c.BytesIn/c.Duration/1e6, c.BytesOut/c.Duration/1e6)
		cli.Field(w, "  machine       %s; the engines got %.2f of them, others %.2f, and %.2f were stolen; load average %.1f, then %.1f",
			cli.Counted(c.Machine.Cores, "processor"), c.CPU/c.Duration, e.Others, e.Stolen, e.LoadBefore, e.LoadAfter)
	}
	if e.Disk.Syncs > 0 {
		cli.Field(w, "  disk          %s; a write was durable after p50 %.2f ms, p99 %.2f ms", cmp.Or(e.Disk.FileSystem, "unknown file system"), e.Disk.SyncP50, e.Disk.SyncP99)
	}
	if e.Busy {
		cli.Field(w, "  BUSY          the machine did other things: figures of a quiet one may differ much")
	}
}

// PrintEnd writes the last lines of a summary.
func (c *Summary) PrintEnd(w io.Writer) {
	if q := c.Repeats; q != nil {
		cli.Field(w, "  repeats       %d; certificates/s from %.1f to %.1f, p99 from %.1f to %.1f ms", q.N,
			q.Of["certificates_per_s"].Min, q.Of["certificates_per_s"].Max, q.Of["p99"].Min, q.Of["p99"].Max)
	}
	cli.Field(w, "  audit         %d certificates verified, %d conflicts, %d errors", c.Verified, c.Conflicts, c.Errors)
	if c.Bodies != nil {
		cli.Field(w, "                %d deliveries compared, each in its order and with the body that was made", c.Bodies.Compared)
	}
	for _, p := range c.Problems {
		cli.Field(w, "  problem       %s", p)
	}
	for _, u := range c.Unmet {
		cli.Field(w, "  required      %s", u)
	}
}

// InterruptedNote says that a run was interrupted, in a line of its summary.
func InterruptedNote(interrupted bool) string {
	if interrupted {
		return ", interrupted"
	}
	return ""
}

// Verdict returns an error unless the run was good, see the package comment, and met every
// requirement.
func (c *Summary) Verdict() error {
	switch {
	case c.Shortfall != "" && c.Conflicts == 0 && c.Errors == 0:
		return errors.New("overload: " + c.Shortfall)
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

// backendName names the curve arithmetic in use.
func backendName() string {
	if verify.SIMD() {
		return verify.BackendName + " with AVX-512 IFMA"
	}
	return verify.BackendName
}

// outcome returns the outcome of a run in a word, given its verdict.
func (c *Summary) outcome(verdict error) string {
	switch {
	case verdict == nil:
		return "good"
	case c.Conflicts > 0 || c.Errors > 0:
		return "failed"
	case c.Shortfall != "":
		return "overload"
	case len(c.Unmet) > 0:
		return "unmet"
	case c.Interrupted:
		return "interrupted"
	}
	return "failed"
}

// Conclude records the requirements that a result does not meet, and the outcome.
func Conclude(r Result, all []Requirement) {
	c := r.Basics()
	c.Unmet = append([]string{}, unmet(all, r)...)
	c.Outcome = c.outcome(r.Verdict())
}
