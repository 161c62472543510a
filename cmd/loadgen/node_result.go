package main

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// nodeResult is what node mode came to. Its JSON form is what --json writes; keys are only ever added. Keys that cluster
// mode has too mean the same there.
type nodeResult struct {
	Mode       string  `json:"mode"`
	Scheme     string  `json:"scheme"`
	Variant    string  `json:"variant"`
	Signatures string  `json:"signatures"`
	Validators int     `json:"validators"`
	Sequencers int     `json:"sequencers"`
	Workers    int     `json:"workers"`
	BatchSize  int     `json:"batch_size"`
	BatchDelay float64 `json:"batch_delay_ms"`
	Seed       uint64  `json:"seed"`
	Backend    string  `json:"backend"`
	Schedule   string  `json:"schedule"`              // closed, constant, step or ramp
	Rate       float64 `json:"rate_acks_per_s"`       // asked for, at the begin; 0 for closed
	Load       float64 `json:"load"`                  // part of saturation asked for; 0: none
	Saturation float64 `json:"saturation_acks_per_s"` // measured for --load and --find-max
	InFlight   int     `json:"in_flight"`
	Feeders    int     `json:"feeders"`
	PeerQuota  int     `json:"peer_quota"`
	Invalid    float64 `json:"invalid"`
	Colluding  bool    `json:"colluding"`
	Silent     float64 `json:"silent"`
	Late       float64 `json:"late"`
	Machine    machine `json:"machine"`
	Duration   float64 `json:"duration_s"`
	Warmup     float64 `json:"warmup_s"`

	Certificates          uint64  `json:"certificates"` // assembled by the engine
	CertificatesPerSecond float64 `json:"certificates_per_s"`
	CertificatesPerCore   float64 `json:"certificates_per_core"` // and second of the engine's CPU time
	AcksReceived          uint64  `json:"acks_received"`
	AcksPerSecond         float64 `json:"acks_per_s"`
	AcksVerified          uint64  `json:"acks_verified"` // those in certificates: acks past a quorum cost no verification
	VerifiedPerSecond     float64 `json:"acks_verified_per_s"`
	VerifiedPerCore       float64 `json:"acks_verified_per_core"` // and second of the engine's CPU time
	AcksInvalid           uint64  `json:"acks_invalid"`           // since the engine started: attackers are found out in the warm-up
	NodesReceived         uint64  `json:"nodes_received"`
	SendsDropped          uint64  `json:"sends_dropped"`       // by the engine, for their peer's quota was used up
	Behind                float64 `json:"generator_behind_ms"` // the most that it sent an ack late, open loop only
	RanDry                bool    `json:"ran_dry"`             // the run ended early: all that was signed beforehand was sent

	// From when a quorum was due to its certificate; see latencyOf.
	LatencyMS    quantiles    `json:"latency_ms"`
	P999         float64      `json:"latency_p999_ms"`
	Unfinished   uint64       `json:"unfinished"` // chunks due and not certified at the end; they count with the time until then
	Distribution []percentile `json:"latency_distribution"`

	CPU               float64 `json:"cpu_s"`           // the engine's
	GeneratorCPU      float64 `json:"generator_cpu_s"` // not in cpu_s
	CPUPerCertificate float64 `json:"cpu_us_per_certificate"`
	MaxRSS            int64   `json:"max_rss_bytes"`
	Crypto            crypto  `json:"crypto"`
	Parts             []part  `json:"cpu_parts"`

	BatchSizes  []bucket `json:"batch_sizes"`
	MeanBatch   float64  `json:"batch_mean"`
	Splits      uint64   `json:"splits"` // likewise since the start, and the two below
	Suspects    int      `json:"suspects"`
	Faults      uint64   `json:"faults_reported"`
	Phases      []phase  `json:"phases"`
	Series      []point  `json:"series"`
	Verified    uint64   `json:"certificates_verified"` // by the audit, a sample
	Conflicts   uint64   `json:"conflicts"`
	Errors      int      `json:"errors"`
	Problems    []string `json:"problems"`
	Unmet       []string `json:"unmet"` // requirements
	Interrupted bool     `json:"interrupted"`
	OK          bool     `json:"ok"`

	Repeats *repeats     `json:"repeats,omitempty"`
	Trials  []trialPoint `json:"trials,omitempty"` // of --find-max
}

// crypto compares the engine with the cryptography alone, measured right before and after in CPU time.
type crypto struct {
	PerAck   float64 `json:"us_per_ack"`
	PerChunk float64 `json:"us_per_chunk"` // with the node and the engine's own ack
	// AcksShare is perAck's time for the verified acks as a part of the engine's CPU time; Share is perChunk's for the
	// certified chunks.
	AcksShare float64 `json:"share_acks_only"`
	Share     float64 `json:"share"`
}

// percentile is a point of the latency distribution.
type percentile struct {
	Percent float64 `json:"percent"`
	MS      float64 `json:"ms"`
}

// bucket counts batches of more statements than the bucket before and at most so many.
type bucket struct {
	UpTo  float64 `json:"up_to"`
	Count uint64  `json:"count"`
}

// phase is a part of a schedule.
type phase struct {
	Offered   float64   `json:"offered_acks_per_s"`
	Acks      float64   `json:"acks_per_s"` // that the engine took in
	Finished  uint64    `json:"certificates"`
	LatencyMS quantiles `json:"latency_ms"`
	Seconds   float64   `json:"seconds"`
}

// point is a moment of the run; rates are since the last one.
type point struct {
	T            float64 `json:"t_s"`
	Acks         float64 `json:"acks_per_s"`
	Certificates float64 `json:"certificates_per_s"`
	Inbox        int     `json:"inbox"`
	Statements   int     `json:"statements_waiting"`
	P50          float64 `json:"p50_ms"`
	P99          float64 `json:"p99_ms"`
	EngineCPU    float64 `json:"engine_cores"`
	GeneratorCPU float64 `json:"generator_cores"`
	Dropped      uint64  `json:"sends_dropped"`
}

// part is a kind of work and the engine's CPU time that went there, from a profile.
type part struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"cpu_s"`
}

// print writes the summary for people.
func (r *nodeResult) print(w io.Writer, whole time.Duration) {
	scheme := r.Scheme
	if r.Variant != "" {
		scheme += " " + r.Variant
	}
	say(w, "")
	say(w, "one node of %d validators, %d sequencers, %s, %s acks, %d workers, batches of up to %d, seed %d",
		r.Validators, r.Sequencers, scheme, r.Signatures, r.Workers, r.BatchSize, r.Seed)
	say(w, "  ran           %.1f s%s%s (%.1f s with signing, warm-up and audit), %s", r.Duration, interruptedNote(r.Interrupted), dryNote(r.RanDry),
		whole.Seconds(), r.pace())
	say(w, "  acks          %.0f/s taken in, %.0f/s verified in certificates, %.0f/s per core", r.AcksPerSecond, r.VerifiedPerSecond, r.VerifiedPerCore)
	say(w, "  certificates  %d (%.1f/s, %.1f/s per core), batches of %.1f on average", r.Certificates, r.CertificatesPerSecond, r.CertificatesPerCore, r.MeanBatch)
	say(w, "  latency       p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, p99.9 %.1f ms, max %.1f ms", r.LatencyMS.P50, r.LatencyMS.P90, r.LatencyMS.P99, r.P999, r.LatencyMS.Max)
	say(w, "  not served    %d sends dropped, %d chunks unfinished at the end", r.SendsDropped, r.Unfinished)
	say(w, "  used          %.2f s CPU by the engine, %.0f µs per certificate; %.2f s by the generator; %.0f MiB at most",
		r.CPU, r.CPUPerCertificate, r.GeneratorCPU, float64(r.MaxRSS)/(1<<20))
	say(w, "  cryptography  %.1f µs per ack by itself; the engine keeps %.2f of that speed, %.2f with nodes and own acks counted in", r.Crypto.PerAck, r.Crypto.AcksShare, r.Crypto.Share)
	if len(r.Phases) > 1 {
		for _, p := range r.Phases {
			say(w, "  at %8.0f/s  %8.0f acks/s taken in, p50 %.1f ms, p99 %.1f ms", p.Offered, p.Acks, p.LatencyMS.P50, p.LatencyMS.P99)
		}
	}
	if r.AcksInvalid+r.Splits+r.Faults+uint64(r.Suspects) > 0 {
		say(w, "  attack        %d acks proven invalid, %d splits, %d suspects, %d faults reported", r.AcksInvalid, r.Splits, r.Suspects, r.Faults)
	}
	if r.Repeats != nil {
		say(w, "  repeats       %d; acks/s verified from %.0f to %.0f, p99 from %.1f to %.1f ms", r.Repeats.N,
			r.Repeats.Of["acks_verified_per_s"].Min, r.Repeats.Of["acks_verified_per_s"].Max, r.Repeats.Of["p99"].Min, r.Repeats.Of["p99"].Max)
	}
	say(w, "  audit         %d certificates verified, %d conflicts, %d errors", r.Verified, r.Conflicts, r.Errors)
	for _, p := range r.Problems {
		say(w, "  problem       %s", p)
	}
	for _, u := range r.Unmet {
		say(w, "  required      %s", u)
	}
}

func (r *nodeResult) pace() string {
	if r.Rate == 0 {
		return fmt.Sprintf("as fast as it takes them, %d chunks in flight", r.InFlight)
	}
	return fmt.Sprintf("%s rate from %.0f acks/s", r.Schedule, r.Rate)
}

func dryNote(dry bool) string {
	if dry {
		return ", until all that was signed beforehand was sent"
	}
	return ""
}

// verdict returns an error unless the run was good and met what was required.
func (r *nodeResult) verdict() error {
	switch {
	case !r.OK:
		reason := fmt.Sprintf("%d conflicts and %d errors", r.Conflicts, r.Errors)
		if len(r.Problems) > 0 {
			reason += "; first: " + r.Problems[0]
		}
		return errors.New("the run failed: " + reason)
	case len(r.Unmet) > 0:
		return errors.New("required: " + r.Unmet[0])
	}
	return nil
}
