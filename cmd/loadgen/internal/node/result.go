package node

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
	"github.com/lanecast/lanecast/engine"
)

// Result is the result of a run of node mode.
type Result struct {
	report.Summary
	Stage      string  `json:"stage"`                 // the stage that was measured; see the constants
	Schedule   string  `json:"schedule"`              // closed, constant, step or ramp
	Rate       float64 `json:"rate_acks_per_s"`       // asked for, at the begin; 0 for closed
	RateTo     float64 `json:"rate_to_acks_per_s"`    // at the end of a step or ramp schedule; 0 for others
	Load       float64 `json:"load"`                  // part of saturation asked for; 0: none
	FindMax    float64 `json:"find_max_p99_ms"`       // bound asked for; 0: none
	Saturation float64 `json:"saturation_acks_per_s"` // measured for --load and --find-max
	InFlight   int     `json:"in_flight"`
	Feeders    int     `json:"feeders"`
	PeerQuota  int     `json:"peer_quota"`
	Invalid    float64 `json:"invalid"`
	Colluding  bool    `json:"colluding"`
	Silent     float64 `json:"silent"`
	Late       float64 `json:"late"`
	Warmup     float64 `json:"warmup_s"`

	// Certificates are Assembled ones, of acks, and CertificatesReceived ones, of certificate
	// messages. AcksVerified are those in them all: acks above a quorum are not verified.
	Assembled         uint64  `json:"certificates_assembled"`
	AcksVerified      uint64  `json:"acks_verified"`
	VerifiedPerSecond float64 `json:"acks_verified_per_s"`
	VerifiedPerCore   float64 `json:"acks_verified_per_core"` // and second of the engine's CPU time
	SendsDropped      uint64  `json:"sends_dropped"`          // by the engine, for their peer's quota was used up
	Behind            float64 `json:"generator_behind_ms"`    // the most that it sent an ack late, open loop only
	RanDry            bool    `json:"ran_dry"`                // the run ended early: all that was signed beforehand was sent

	// In a closed run, the offered acks are those that the engine took. In an open one, chunks
	// count that were due in the measured time; those not certified here count with the time until
	// its end.
	OfferedAcks   float64 `json:"offered_acks_per_s"`
	TakenAcks     float64 `json:"taken_in_acks_per_s"` // of those offered; certificate messages count as the acks that they stand for
	Due           uint64  `json:"chunks_due"`
	CertifiedHere uint64  `json:"chunks_certified_here"` // from their acks or from certificate messages
	Learned       uint64  `json:"chunks_learned"`        // known to be certified from the next node only
	Unfinished    uint64  `json:"unfinished"`            // not known to be certified at the end
	Offered       float64 `json:"offered_per_s"`         // chunks due
	Served        float64 `json:"served_per_s"`          // chunks certified here, whenever they were due

	GeneratorCPU float64 `json:"generator_cpu_s"` // not in cpu_s
	Crypto       crypto  `json:"crypto"`
	Splits       uint64  `json:"splits"` // batch checks that failed, since the engine started, as the two below
	Suspects     int     `json:"suspects"`
	Faults       uint64  `json:"faults_reported"`

	Phases []phase     `json:"phases"`
	Tried  []rateTried `json:"trials,omitempty"` // of --find-max
}

// Stages of node mode. A result is of the last stage, unless the run was interrupted before it or
// --find-max found no rate.
const (
	stageSaturation = "saturation" // feeding it as fast as it takes, for --load and --find-max
	stageSearch     = "search"     // trying rates, for --find-max
	StageRun        = "run"
)

// Title implements report.Result.
func (r *Result) Title() string {
	return fmt.Sprintf("loadgen node, %d validators, %d sequencers", r.Validators, r.Sequencers)
}

// Measures implements report.Result.
func (r *Result) Measures() map[string]float64 {
	m := r.Summary.Measures()
	maps.Copy(m, map[string]float64{
		"acks_verified_per_s": r.VerifiedPerSecond, "acks_verified_per_core": r.VerifiedPerCore,
		"sends_dropped": float64(r.SendsDropped),
		"unfinished":    float64(r.Unfinished), "share_of_crypto": r.Crypto.Share,
		"offered_per_s": r.Offered, "served_per_s": r.Served, "offered_acks_per_s": r.OfferedAcks, "taken_in_acks_per_s": r.TakenAcks,
	})
	return m
}

// SetMeasures implements report.Result.
func (r *Result) SetMeasures(values map[string]float64) {
	r.Summary.SetMeasures(values)
	r.VerifiedPerSecond, r.VerifiedPerCore = values["acks_verified_per_s"], values["acks_verified_per_core"]
	r.Offered, r.Served, r.OfferedAcks, r.TakenAcks = values["offered_per_s"], values["served_per_s"], values["offered_acks_per_s"], values["taken_in_acks_per_s"]
	r.Crypto.Share = values["share_of_crypto"]
}

// Parameters implements report.Result.
func (r *Result) Parameters() []report.Parameter {
	return append(r.Summary.Parameters(), []report.Parameter{
		{Name: "stage", Value: r.Stage},
		{Name: "schedule", Value: r.Schedule},
		{Name: "rate_acks_per_s", Value: r.Rate},
		{Name: "rate_to_acks_per_s", Value: r.RateTo},
		{Name: "in_flight", Value: r.InFlight},
		{Name: "invalid", Value: r.Invalid},
		{Name: "colluding", Value: r.Colluding},
		{Name: "silent", Value: r.Silent},
		{Name: "late", Value: r.Late},
	}...)
}

// crypto compares the engine with the cryptography alone, measured right before and after in CPU
// time.
type crypto struct {
	PerAck   float64 `json:"us_per_ack"`
	PerChunk float64 `json:"us_per_chunk"` // on average over all lanes; see calibration
	// AcksShare is PerAck's time for the acks of certificates assembled as a part of the engine's
	// CPU time; Share is PerChunk's for all chunks certified.
	AcksShare float64 `json:"share_acks_only"`
	Share     float64 `json:"share"`
}

// phase is a part of a schedule.
type phase struct {
	Offered   float64           `json:"offered_acks_per_s"`
	Acks      float64           `json:"acks_per_s"` // sent for the chunks that were certified
	Due       uint64            `json:"chunks_due"`
	Finished  uint64            `json:"certificates"` // of the chunks due
	LatencyMS measure.Quantiles `json:"latency_ms"`
	Seconds   float64           `json:"seconds"`
}

// Print writes the summary to be read by people.
func (r *Result) Print(w io.Writer, whole time.Duration) {
	cli.Say(w, "")
	cli.Field(w, "one node of %d validators, %d sequencers, %s, %s acks%s, %s, batches of up to %d, seed %d",
		r.Validators, r.Sequencers, r.Algorithm(), r.Signatures, r.Network(), cli.Counted(r.Workers, "worker"), r.BatchSize, r.Seed)
	if r.Interrupted && r.Stage != StageRun {
		cli.Field(w, "  interrupted   before the requested run; the figures below are of the %s before it", r.Stage)
	}
	cli.Field(w, "  ran           %.1f s%s%s (%.1f s with signing, warm-up and audit), %s", r.Duration, report.InterruptedNote(r.Interrupted), dryNote(r.RanDry),
		whole.Seconds(), r.pace())
	cli.Field(w, "  acks          %.0f/s taken in, %.0f/s verified in certificates, %.0f/s per core", r.AcksPerSecond, r.VerifiedPerSecond, r.VerifiedPerCore)
	cli.Field(w, "  certificates  %d (%.1f/s, %.1f/s per core), %d from acks and %d from certificate messages; batches of %.1f on average",
		r.Certificates, r.CertificatesPerSecond, r.CertificatesPerCore, r.Assembled, r.CertificatesReceived, r.MeanBatch)
	r.PrintLatency(w)
	r.printSearch(w)
	r.printServed(w)
	r.PrintMessages(w)
	cli.Field(w, "  used          %.2f s CPU by the engine, %.0f µs per certificate; %.2f s by the generator; %.0f MiB at most",
		r.CPU, r.CPUPerCertificate, r.GeneratorCPU, float64(r.MaxRSS)/(1<<20))
	if r.Acks == engine.AcksToSequencer.String() {
		cli.Field(w, "  cryptography  %.0f µs per chunk by itself; the engine keeps %.2f of that speed", r.Crypto.PerChunk, r.Crypto.Share)
	} else {
		cli.Field(w, "  cryptography  %.1f µs per ack by itself; the engine keeps %.2f of that speed, %.2f with nodes and own acks counted in", r.Crypto.PerAck, r.Crypto.AcksShare, r.Crypto.Share)
	}
	if len(r.Phases) > 1 {
		for _, p := range r.Phases {
			cli.Field(w, "  at %8.0f/s  %8.0f acks/s served, p50 %.1f ms, p99 %.1f ms", p.Offered, p.Acks, p.LatencyMS.P50, p.LatencyMS.P99)
		}
	}
	if r.AcksInvalid+r.CertificatesInvalid+r.Splits+r.Faults+uint64(r.Suspects) > 0 {
		cli.Field(w, "  attack        %d acks and %d certificates proven invalid, %d splits, %d suspects, %d faults reported",
			r.AcksInvalid, r.CertificatesInvalid, r.Splits, r.Suspects, r.Faults)
	}
	r.PrintMachine(w)
	r.PrintEnd(w)
}

// printSearch writes the result of --find-max, and the rates that it tried.
func (r *Result) printSearch(w io.Writer) {
	if len(r.Tried) == 0 {
		return
	}
	found := slices.ContainsFunc(r.Tried, func(p rateTried) bool { return p.Held })
	if found && r.Stage == StageRun {
		cli.Field(w, "  found         %s acks/s is the highest rate tried with p99 within %g ms; saturation is %s acks/s",
			cli.Thousands(r.Rate), r.FindMax, cli.Thousands(r.Saturation))
		if r.LatencyMS.P99 > r.FindMax {
			cli.Field(w, "  not held      for %.1f s: then p99 was %.1f ms", r.Duration, r.LatencyMS.P99)
		}
	} else if !found {
		cli.Field(w, "  found         no rate with p99 within %g ms; saturation is %s acks/s", r.FindMax, cli.Thousands(r.Saturation))
	}
	for _, p := range r.Tried {
		cli.Field(w, "  tried         %s acks/s: %s", cli.Thousands(p.Rate), p.outcome())
	}
}

// printServed writes the outcomes of the offered chunks.
func (r *Result) printServed(w io.Writer) {
	if r.Schedule == "closed" {
		cli.Field(w, "  not served    %d sends dropped", r.SendsDropped)
		return
	}
	part := func(n, of float64) string { return fmt.Sprintf("%s (%.1f %%)", cli.Thousands(n), 100*n/max(1e-9, of)) }
	cli.Field(w, "  offered       %s acks/s; %s taken in; %d sends dropped", cli.Thousands(r.OfferedAcks), part(r.TakenAcks, r.OfferedAcks), r.SendsDropped)
	cli.Field(w, "  chunks        %s/s due, %s/s certified here; of %s due, %s were certified here, %s learned from the next node, %s not certified",
		cli.Thousands(r.Offered), cli.Thousands(r.Served), cli.Thousands(float64(r.Due)), part(float64(r.CertifiedHere), float64(r.Due)),
		cli.Thousands(float64(r.Learned)), cli.Thousands(float64(r.Unfinished)))
	if r.Shortfall != "" {
		cli.Field(w, "  OVERLOAD      %s; below %.0f %%", r.Shortfall, 100*leastServed)
	}
}

func (r *Result) pace() string {
	if r.Rate == 0 {
		return fmt.Sprintf("as fast as it takes them, %s in flight", cli.Counted(r.InFlight, "chunk"))
	}
	if r.RateTo == 0 {
		return fmt.Sprintf("constant rate of %.0f acks/s", r.Rate)
	}
	return fmt.Sprintf("%s from %.0f to %.0f acks/s", r.Schedule, r.Rate, r.RateTo)
}

// Verdict returns an error unless the requested run was made, and was good.
func (r *Result) Verdict() error {
	if r.Interrupted && r.Stage != StageRun {
		return fmt.Errorf("interrupted before the requested run; the result is of the %s before it", r.Stage)
	}
	return r.Summary.Verdict()
}

func dryNote(dry bool) string {
	if dry {
		return ", until all that was signed beforehand was sent"
	}
	return ""
}
