package sweep

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/node"
)

func TestASweepRunsEveryCombinationAndTheDefaultsAndNamesTheBest(t *testing.T) {
	t.Parallel()
	report := filepath.Join(t.TempDir(), "r.html")
	o := loadgen(t.Context(), strings.Fields("sweep --validators 4 --sequencers 4 --scheme ed25519 --batch-size 1,8 --in-flight 1,4 "+
		"--feeders 2 --duration 100ms --warmup 0s --confirm 2 --json - --report "+report)...)
	if o.Status != cli.Good {
		t.Fatalf("status %d: %s", o.Status, o.Stderr)
	}
	var r Result
	if err := json.Unmarshal([]byte(o.Stdout), &r); err != nil {
		t.Fatal(err)
	}
	unset := 0
	for _, run := range r.Runs {
		if run.Defaults {
			unset++
			if run.Result.BatchSize != 64 {
				t.Errorf("the defaults have batches of %d", run.Result.BatchSize)
			}
		}
	}
	if len(r.Runs) != 6 || unset != 2 || r.Fastest < 0 || r.Interrupted {
		t.Errorf("%d runs, %d of them the defaults, fastest %d", len(r.Runs), unset, r.Fastest)
	}
	if strings.Count(o.Stderr, "\n") < 8 || !strings.Contains(o.Stderr, "most throughput") {
		t.Errorf("no table in:\n%s", o.Stderr)
	}
	if len(r.Findings) == 0 {
		t.Fatal("no findings")
	}
	for _, f := range r.Findings {
		if f.Verdict == "" || !strings.Contains(o.Stderr, f.Verdict) || !strings.Contains(o.Stderr, "    loadgen node "+f.Advice+"\n") {
			t.Errorf("%+v is not in:\n%s", f, o.Stderr)
		}
		if !strings.Contains(f.Flags, "--batch-size=") || !strings.Contains(f.Flags, "--scheme=ed25519") || !strings.Contains(f.Flags, "--feeders=2") {
			t.Errorf("flags %q", f.Flags)
		}
		for _, flags := range []string{f.Flags, f.Advice} {
			s := node.DefaultConfig()
			cmd := node.NewCommand()
			cmd.Flags().SetInterspersed(true)
			if err := cmd.ParseFlags(strings.Fields(flags)); err != nil {
				t.Errorf("%q: %v", flags, err)
			}
			s.Explicit = cmd.Flags().Changed
			if err := s.Check(); err != nil {
				t.Errorf("%q: %v", flags, err)
			}
		}
	}
	if b, err := os.ReadFile(report); err != nil || !strings.Contains(string(b), `"mode":"sweep"`) {
		t.Errorf("no report: %v", err)
	}
}

func TestASweepOverLoadsAdvisesNoSettings(t *testing.T) {
	t.Parallel()
	o := loadgen(t.Context(), strings.Fields("sweep --validators 4 --sequencers 4 --scheme ed25519 --load 10%,30% --duration 100ms --warmup 0s --json -")...)
	var r Result
	if err := json.Unmarshal([]byte(o.Stdout), &r); err != nil {
		t.Fatalf("%v: %s", err, o.Stderr)
	}
	if len(r.Runs) != 2 || r.Runs[0].Defaults || r.Runs[0].Result.Saturation != r.Runs[1].Result.Saturation {
		t.Errorf("%+v", r.Runs)
	}
	for _, f := range r.Findings {
		if f.Verdict != "" || f.Times != 0 {
			t.Errorf("%+v", f)
		}
	}
}

func TestASweepListsWhereAcksGoAndWeights(t *testing.T) {
	r := &Result{Axes: []axis{
		{Flag: "weights", Values: []string{"equal", "zipf"}, load: true, unset: "equal"},
		{Flag: "acks", Values: []string{"all", "sequencer"}, unset: "all"},
	}}
	runs := r.plan()
	if len(runs) != 4 {
		t.Fatalf("%d runs", len(runs))
	}
	for _, run := range runs {
		cfg, err := r.configOf(node.DefaultConfig(), run.Flags)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Weights != run.Flags[0] || (cfg.Voting == nil) != (cfg.Weights == "equal") || cfg.Acks != run.Flags[1] || run.Defaults != (cfg.Acks == "all") {
			t.Errorf("%+v: acks to %s, weights %s, %v", run, cfg.Acks, cfg.Weights, cfg.Voting)
		}
	}
}

// sweepOf returns a sweep over batch sizes, of runs with acks verified/s and p99 latency, the first
// with the defaults.
func sweepOf(bound float64, runs ...[2]float64) *Result {
	r := &Result{Bound: bound, Axes: []axis{{Flag: "batch-size", unset: "0"}}, Fastest: -1, BestInBound: -1}
	for i, run := range runs {
		n := &node.Result{VerifiedPerSecond: run[0]}
		n.OK, n.LatencyMS.P99 = true, run[1]
		r.Runs = append(r.Runs, combination{Flags: []string{string(rune('0' + i))}, Defaults: i == 0, Result: n})
	}
	return r
}

func TestTheBestWithinABoundMayNotBeTheFastest(t *testing.T) {
	r := sweepOf(20, [2]float64{10, 5}, [2]float64{30, 50}, [2]float64{20, 15})
	r.findBest()
	if r.Fastest != 1 || r.BestInBound != 2 || len(r.Findings) != 2 || r.Advice != "--batch-size=2" {
		t.Errorf("fastest %d, best within the bound %d, advice %q", r.Fastest, r.BestInBound, r.Advice)
	}
}

func TestAmongRunsOfLikeThroughputTheQuickestIsBest(t *testing.T) {
	r := sweepOf(100, [2]float64{1000, 50}, [2]float64{1001, 60}, [2]float64{999, 40}, [2]float64{900, 10})
	r.Runs = append(r.Runs, combination{Flags: []string{"9"}, Result: &node.Result{VerifiedPerSecond: 5000}}) // was not good
	r.findBest()
	if r.Fastest != 2 || r.BestInBound != 2 || len(r.Findings) != 1 {
		t.Errorf("fastest %d, best within the bound %d", r.Fastest, r.BestInBound)
	}
}

func TestASweepSaysWhetherItsAdviceBeatsTheDefaults(t *testing.T) {
	const within, more = "the defaults are as good: keep the defaults", "more than the noise: use these flags"
	for _, c := range []struct {
		name        string
		best, unset [][2]float64 // acks verified/s and p99 of each run
		verdict     string
		advice      string
	}{
		{"a gain", [][2]float64{{20, 9}, {21, 9}, {22, 9}, {21, 9}}, [][2]float64{{10, 9}, {11, 9}, {12, 9}, {11, 9}}, more, "--batch-size=1"},
		{"noise", [][2]float64{{10, 9}, {20, 9}, {12, 9}, {12, 9}}, [][2]float64{{11, 9}, {13, 9}, {9, 9}, {12, 9}}, within, ""},
		{"luck", [][2]float64{{5, 9}, {5, 9}, {5, 9}, {5, 9}}, [][2]float64{{11, 9}, {13, 9}, {9, 9}, {13, 9}}, "slower, by more than the noise: keep the defaults", ""},
		{"quicker", [][2]float64{{10, 5}, {20, 5}, {12, 5}, {20, 5}}, [][2]float64{{11, 9}, {13, 9}, {9, 9}, {13, 9}}, "at a lower latency", "--batch-size=1"},
		{"out of bounds", [][2]float64{{20, 99}, {21, 99}, {22, 99}, {21, 99}}, [][2]float64{{10, 9}, {11, 9}, {12, 9}, {11, 9}}, "misses the bound and they hold it", ""},
		{"within bounds", [][2]float64{{10, 5}, {10, 5}, {10, 5}, {10, 5}}, [][2]float64{{20, 99}, {20, 99}, {20, 99}, {20, 99}}, "the defaults miss the bound", "--batch-size=1"},
		{"too rarely", [][2]float64{{20, 9}, {20, 9}, {20, 9}}, [][2]float64{{10, 9}, {10, 9}, {10, 9}}, "see --confirm", "--batch-size=1"},
	} {
		r := sweepOf(20, [2]float64{10, 5}, [2]float64{30, 5})
		r.findBest()
		var out strings.Builder
		next := [2]int{}
		r.confirm(t.Context(), len(c.best), func(run int) (*node.Result, error) {
			v := [][][2]float64{c.unset, c.best}[run][next[run]]
			next[run]++
			n := &node.Result{VerifiedPerSecond: v[0]}
			n.OK, n.LatencyMS.P99 = true, v[1]
			return n, nil
		}, &out)
		if r.print(&out); !strings.Contains(r.Findings[0].Verdict, c.verdict) || r.Advice != c.advice || !strings.Contains(out.String(), r.Findings[0].Verdict) {
			t.Errorf("%s: advice %q, verdict %q", c.name, r.Advice, r.Findings[0].Verdict)
		}
	}
	r := sweepOf(20, [2]float64{30, 5}, [2]float64{10, 5})
	r.findBest()
	r.confirm(t.Context(), 3, nil, &strings.Builder{}) // nothing to run again
	if !strings.Contains(r.Findings[0].Verdict, "the defaults are the best of these") || r.Advice != "" {
		t.Errorf("advice %q, verdict %q", r.Advice, r.Findings[0].Verdict)
	}
}

func TestAdviceCanBePastedIntoAShell(t *testing.T) {
	for value, want := range map[string]string{
		"80%": "80%", "/tmp/a-b": "/tmp/a-b", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$HOME": "'$HOME'",
	} {
		if got := cli.Quoted(value); got != want {
			t.Errorf("%q is quoted as %s", value, got)
		}
	}
}
