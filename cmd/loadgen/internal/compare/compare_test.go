package compare

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/node"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/sweep"
)

func TestComparingMarksChangesBeyondTheNoise(t *testing.T) {
	result := func(values ...float64) *node.Result {
		var runs []*node.Result
		for _, v := range values {
			r := &node.Result{VerifiedPerSecond: v}
			r.CertificatesPerSecond = v
			runs = append(runs, r)
		}
		return report.Summarize(runs)
	}
	find := func(c comparison) change {
		for _, ch := range c.Changes {
			if ch.Measure == "acks_verified_per_s" {
				return ch
			}
		}
		return change{}
	}
	if ch := find(compare(result(9, 11, 10, 10), result(19, 20, 21, 20))); !*ch.Beyond || *ch.Ratio != 2 {
		t.Errorf("%+v", ch)
	}
	if ch := find(compare(result(9, 10, 11, 12), result(10, 12, 13, 11))); *ch.Beyond {
		t.Errorf("%+v", ch)
	}
	if ch := find(compare(result(9, 11, 10), result(19, 20, 21))); ch.Beyond != nil || ch.P != nil || *ch.Ratio != 2 {
		t.Errorf("three repeats are enough: %+v", ch)
	}
	if ch := find(compare(result(9), result(10, 12, 13))); ch.Beyond != nil || ch.A != 9 || ch.B != 12 {
		t.Errorf("%+v", ch)
	}
}

// writeResult writes a result as --json does, and returns the name of the file.
func writeResult(t *testing.T, dir, name string, r any) string {
	t.Helper()
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

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCompareReadsTheResultsOfRuns(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, r any) string { return writeResult(t, dir, name, r) }
	node := &node.Result{Summary: report.Summary{Mode: "node", Validators: 4, AcksPerSecond: 5}}
	a := write("a.json", node)
	node.Late = 0.25
	b := write("b.json", node)
	cluster := write("cluster.json", &cluster.Result{Summary: report.Summary{Mode: "cluster", Validators: 4}})
	sweep := write("sweep.json", &sweep.Result{Mode: "sweep"})
	o := loadgen(t.Context(), "compare", a, b)
	if o.Status != cli.Good || !strings.Contains(o.Stdout, "acks_per_s") || !strings.Contains(o.Stdout, "differs  late: 0 → 0.25") || strings.Count(o.Stdout, "differs") != 1 {
		t.Errorf("status %d: %s%s", o.Status, o.Stdout, o.Stderr)
	}
	for _, files := range [][]string{{a, a}, {cluster, cluster}} {
		if o := loadgen(t.Context(), "compare", "--json", files[0], files[1]); o.Status != cli.Good || !json.Valid([]byte(o.Stdout)) {
			t.Errorf("status %d, no JSON: %s%s", o.Status, o.Stdout, o.Stderr)
		}
	}
	clitest.OneLineError(t, loadgen(t.Context(), "compare", a, cluster), cli.Usage, "compare results of one mode")
	clitest.OneLineError(t, loadgen(t.Context(), "compare", sweep, a), cli.Usage, "only those of loadgen and loadgen node")
}
