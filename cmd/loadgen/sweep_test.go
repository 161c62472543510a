package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASweepRunsEveryCombinationAndNamesTheBest(t *testing.T) {
	report := filepath.Join(t.TempDir(), "r.html")
	o := loadgen(t.Context(), strings.Fields("sweep --validators 4 --sequencers 4 --scheme ed25519 --batch-size 1,64 --in-flight 1,4 "+
		"--duration 200ms --warmup 0s --json - --report "+report)...)
	if o.status != exitGood {
		t.Fatalf("status %d: %s", o.status, o.stderr)
	}
	var r sweepResult
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Runs) != 4 || r.Fastest < 0 || !strings.Contains(r.Advice, "--batch-size=") || !strings.Contains(r.Advice, "--scheme=ed25519") {
		t.Errorf("%d runs, advice %q", len(r.Runs), r.Advice)
	}
	if strings.Count(o.stderr, "\n") < 6 || !strings.Contains(o.stderr, "most throughput") {
		t.Errorf("no table in:\n%s", o.stderr)
	}
	if b, err := os.ReadFile(report); err != nil || !strings.Contains(string(b), `"mode":"sweep"`) {
		t.Errorf("no report: %v", err)
	}
}

func TestTheBestWithinABoundMayNotBeTheFastest(t *testing.T) {
	run := func(verified, p99 float64) sweepRun {
		return sweepRun{Flags: []string{"x"}, Result: &nodeResult{OK: true, VerifiedPerSecond: verified, LatencyMS: quantiles{P99: p99}}}
	}
	r := &sweepResult{Bound: 20, Axes: []axis{{"workers", []string{"x"}}}, Fastest: -1, BestInBound: -1, Runs: []sweepRun{run(10, 5), run(30, 50), run(20, 15)}}
	r.judge()
	if r.Fastest != 1 || r.BestInBound != 2 {
		t.Errorf("fastest %d, best within the bound %d", r.Fastest, r.BestInBound)
	}
}

func TestComparingSaysWhatIsBeyondTheNoise(t *testing.T) {
	result := func(values ...float64) *nodeResult {
		r := &nodeResult{Mode: "node", VerifiedPerSecond: values[1], Repeats: &repeats{N: 3, Of: map[string]spread{}}}
		for name := range measures {
			r.Repeats.Of[name] = spread{values, values[0], values[1], values[2]}
		}
		return r
	}
	find := func(c comparison) change {
		for _, ch := range c.Changes {
			if ch.Measure == "acks_verified_per_s" {
				return ch
			}
		}
		return change{}
	}
	if ch := find(compare(result(9, 10, 11), result(19, 20, 21))); !*ch.Beyond || *ch.Ratio != 2 {
		t.Errorf("%+v", ch)
	}
	if ch := find(compare(result(9, 10, 11), result(10, 12, 13))); *ch.Beyond {
		t.Errorf("%+v", ch)
	}
}

func TestCompareReadsWhatNodeWrites(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.json")
	b, err := json.Marshal(&nodeResult{Mode: "node", Validators: 4, AcksPerSecond: 5})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
	o := loadgen(t.Context(), "compare", file, file)
	if o.status != exitGood || !strings.Contains(o.stdout, "acks_per_s") || strings.Contains(o.stdout, "differs") {
		t.Errorf("status %d: %s%s", o.status, o.stdout, o.stderr)
	}
	if o := loadgen(t.Context(), "compare", "--json", file, file); !json.Valid([]byte(o.stdout)) {
		t.Errorf("no JSON: %s", o.stdout)
	}
	if err := os.WriteFile(file, []byte(`{"mode":"cluster"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	oneLineError(t, loadgen(t.Context(), "compare", file, file), exitUsage, "only those of loadgen node")
}
