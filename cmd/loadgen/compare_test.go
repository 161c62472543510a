package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestComparingSaysWhatIsBeyondTheNoise(t *testing.T) {
	result := func(values ...float64) *nodeResult {
		var runs []*nodeResult
		for _, v := range values {
			r := &nodeResult{VerifiedPerSecond: v}
			r.CertificatesPerSecond = v
			runs = append(runs, r)
		}
		return summarize(runs)
	}
	find := func(c comparison) change {
		for _, ch := range c.Changes {
			if ch.Measure == "acks_verified_per_s" {
				return ch
			}
		}
		return change{}
	}
	if ch := find(compare(result(9, 11, 10), result(19, 20, 21))); !*ch.Beyond || *ch.Ratio != 2 {
		t.Errorf("%+v", ch)
	}
	if ch := find(compare(result(9, 10, 11), result(10, 12, 13))); *ch.Beyond {
		t.Errorf("%+v", ch)
	}
	if ch := find(compare(result(9), result(10, 12, 13))); ch.Beyond != nil || ch.A != 9 || ch.B != 12 {
		t.Errorf("%+v", ch)
	}
}

func TestCompareReadsWhatRunsWrite(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, r any) string {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	node := &nodeResult{summary: summary{Mode: "node", Validators: 4, AcksPerSecond: 5}}
	a := write("a.json", node)
	node.Late = 0.25
	b := write("b.json", node)
	cluster := write("cluster.json", &result{summary: summary{Mode: "cluster", Validators: 4}})
	sweep := write("sweep.json", &sweepResult{Mode: "sweep"})
	o := loadgen(t.Context(), "compare", a, b)
	if o.status != exitGood || !strings.Contains(o.stdout, "acks_per_s") || !strings.Contains(o.stdout, "differs  late: 0 → 0.25") || strings.Count(o.stdout, "differs") != 1 {
		t.Errorf("status %d: %s%s", o.status, o.stdout, o.stderr)
	}
	for _, files := range [][]string{{a, a}, {cluster, cluster}} {
		if o := loadgen(t.Context(), "compare", "--json", files[0], files[1]); o.status != exitGood || !json.Valid([]byte(o.stdout)) {
			t.Errorf("status %d, no JSON: %s%s", o.status, o.stdout, o.stderr)
		}
	}
	oneLineError(t, loadgen(t.Context(), "compare", a, cluster), exitUsage, "compare results of one mode")
	oneLineError(t, loadgen(t.Context(), "compare", sweep, a), exitUsage, "only those of loadgen and loadgen node")
}

func TestRepeatsAreSummarizedByTheMedianRun(t *testing.T) {
	var runs []*result
	for i, v := range []float64{30, 10, 20} {
		r := &result{}
		r.CertificatesPerSecond, r.OK, r.Validators = v, i != 1, i
		if i == 1 {
			r.Errors, r.Problems = 1, []string{"the second"}
		}
		runs = append(runs, r)
	}
	r := summarize(runs)
	s := r.Repeats.Of["certificates_per_s"]
	if r.Validators != 2 || r.Repeats.N != 3 || s.Min != 10 || s.Median != 20 || s.Max != 30 || s.Values[0] != 30 {
		t.Errorf("%+v", r)
	}
	if r.OK || r.Errors != 1 || len(r.Problems) != 1 || runs[2].Repeats != nil {
		t.Errorf("one bad run does not make it bad: %+v", r)
	}
}
