package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lanecast/lanecast/interop/internal/record"
	"github.com/lanecast/lanecast/interop/internal/upstream"
)

// result is the result of one run.
type result struct {
	CertificatesPerS  float64        `json:"certificates_per_s"`
	CPUPerCertificate float64        `json:"cpu_us_per_certificate"`
	Latency           record.Latency `json:"latency_ms"`
	busyCores         float64
	bound             string // resource that limited the run
}

func (r result) String() string {
	return fmt.Sprintf("%8.1f certificates/s, %9.1f µs of CPU each, latency p50 %.1f ms, p99 %.1f ms; %s",
		r.CertificatesPerS, r.CPUPerCertificate, r.Latency.P50, r.Latency.P99, r.bound)
}

// theirs is the output of upstream's program.
type theirs struct {
	result
	Certificates float64 `json:"certificates"`
	BusyCores    float64 `json:"busy_cores"`
	AckUS        float64 `json:"ack_us"`
	AcksOfCPU    float64 `json:"acks_of_cpu"`
	RanDry       bool    `json:"ran_dry"`
	Conflicts    uint64  `json:"conflicts"`
}

func parseUpstream(text []byte, node bool) (result, error) {
	var t theirs
	if err := json.Unmarshal(text, &t); err != nil {
		return result{}, fmt.Errorf("output of upstream's program: %w", err)
	}
	if t.Certificates == 0 || t.Conflicts > 0 {
		return result{}, fmt.Errorf("upstream made %v certificates, with %d conflicts", t.Certificates, t.Conflicts)
	}
	r := t.result
	r.busyCores = t.BusyCores
	r.bound = fmt.Sprintf("%.2f cores busy", t.BusyCores)
	if node {
		r.bound += fmt.Sprintf(", %.0f %% of it verifying acks one by one, %.0f µs each", 100*t.AcksOfCPU, t.AckUS)
	}
	if t.RanDry {
		r.bound += " (it ran out of signed messages)"
	}
	return r, nil
}

// ours is the output of loadgen.
type ours struct {
	result
	Certificates uint64  `json:"certificates"`
	CPU          float64 `json:"cpu_s"`
	Duration     float64 `json:"duration_s"`
	Parts        []part  `json:"cpu_parts"`
	OK           bool    `json:"ok"`
}

type part struct {
	Name string  `json:"name"`
	CPU  float64 `json:"cpu_s"`
}

func parseLanecast(text []byte) (result, error) {
	var o ours
	if err := json.Unmarshal(text, &o); err != nil {
		return result{}, fmt.Errorf("output of loadgen: %w", err)
	}
	if o.Certificates == 0 || o.Duration <= 0 {
		return result{}, fmt.Errorf("loadgen made %d certificates in %v s", o.Certificates, o.Duration)
	}
	r := o.result
	r.busyCores = o.CPU / o.Duration
	r.bound = fmt.Sprintf("%.2f cores busy", r.busyCores)
	slices.SortStableFunc(o.Parts, func(a, b part) int { return cmp.Compare(b.CPU, a.CPU) })
	all := 0.0
	for _, p := range o.Parts {
		all += p.CPU
	}
	var most []string
	for _, p := range o.Parts[:min(3, len(o.Parts))] {
		most = append(most, fmt.Sprintf("%.0f %% of it in %s", 100*p.CPU/all, p.Name))
	}
	if all > 0 {
		r.bound += ", " + strings.Join(most, ", ")
	}
	return r, nil
}

// heights returns the maximum number of chunks of each lane that upstream's engine can certify in a
// run: it verifies the acks of each chunk, and one ack takes at least the given time.
func heights(scheme string, validators int, duration time.Duration) int {
	ack := 500 * time.Microsecond
	if scheme == "ed25519" || scheme == "secp256r1" {
		ack = 40 * time.Microsecond
	}
	const warmup = 2 * time.Second
	perChunk := time.Duration(validators) * ack
	return 2 + int((warmup+duration)*5/4/perChunk)/validators
}

// measureUpstream measures upstream's engine, or a cluster of them.
func measureUpstream(ctx context.Context, p upstream.Program, race string, o *options) (result, error) {
	args := []string{"--dir", o.dir, "--seconds", fmt.Sprint(int(o.duration.Seconds()))}
	if race == "node" {
		args = append(args, "--heights", fmt.Sprint(heights(p.Scheme, p.Validators, o.duration)))
	}
	text, err := run(p.Command(ctx, "race-"+race, args...))
	if err != nil {
		return result{}, err
	}
	return parseUpstream(text, race == "node")
}

// measureLanecast measures Lanecast's engine, or a cluster of them.
func measureLanecast(ctx context.Context, loadgen, race string, validators, seed int, o *options) (result, error) {
	scheme, variant, _ := strings.Cut(o.scheme, "-")
	data := filepath.Join(o.dir, fmt.Sprintf("lanecast-%s-%d", race, seed))
	if err := os.Mkdir(data, 0o755); err != nil {
		return result{}, err
	}
	args := []string{
		"--validators", fmt.Sprint(validators), "--sequencers", fmt.Sprint(validators), "--scheme", scheme,
		"--duration", o.duration.String(), "--seed", fmt.Sprint(seed), "--live", "none", "--json", "-",
		"--data", data,
	}
	if variant != "" {
		args = append(args, "--variant", variant)
	}
	if race == "node" {
		args = append([]string{"node"}, args...)
	}
	text, err := run(exec.CommandContext(ctx, loadgen, args...))
	if err != nil {
		return result{}, err
	}
	return parseLanecast(text)
}

func run(c *exec.Cmd) ([]byte, error) {
	var said bytes.Buffer
	c.Stderr = &said
	text, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(c.Path), err, bytes.TrimSpace(said.Bytes()))
	}
	return text, nil
}

// compare prints the medians and their ratios.
func compare(theirs, ours []result) string {
	median := func(rs []result, of func(r result) float64) float64 {
		var v []float64
		for _, r := range rs {
			v = append(v, of(r))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	line := func(name, unit string, of func(r result) float64) string {
		t, o := median(theirs, of), median(ours, of)
		ratio := "no ratio"
		if t > 0 && o > 0 {
			ratio = fmt.Sprintf("%.2f ×", max(t, o)/min(t, o))
		}
		return fmt.Sprintf("  median   %-22s upstream %10.1f %s, Lanecast %10.1f %s: %s\n", name, t, unit, o, unit, ratio)
	}
	return line("certificates a second", "/s", func(r result) float64 { return r.CertificatesPerS }) +
		line("CPU per certificate", "µs", func(r result) float64 { return r.CPUPerCertificate }) +
		line("latency, p50", "ms", func(r result) float64 { return r.Latency.P50 }) +
		line("latency, p99", "ms", func(r result) float64 { return r.Latency.P99 }) +
		line("cores busy", "", func(r result) float64 { return r.busyCores })
}
