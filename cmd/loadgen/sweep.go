package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// axis is a flag that a sweep has several values for.
type axis struct {
	Flag   string   `json:"flag"`
	Values []string `json:"values"`
}

// sweepResult is what a sweep came to. Its JSON form is what --json writes; keys are only ever added.
type sweepResult struct {
	Mode        string     `json:"mode"`
	Axes        []axis     `json:"axes"`
	Fixed       string     `json:"fixed"` // the flags given that have one value
	Bound       float64    `json:"p99_bound_ms"`
	Runs        []sweepRun `json:"runs"`
	Fastest     int        `json:"best_throughput"`   // index into runs, −1 for none
	BestInBound int        `json:"best_within_bound"` // likewise
	Advice      string     `json:"advice"`            // flags of the best within the bound, else of the fastest
	Machine     machine    `json:"machine"`
	Interrupted bool       `json:"interrupted"`
}

// sweepRun is one combination.
type sweepRun struct {
	Flags  []string    `json:"flags"` // one value per axis, in order
	Result *nodeResult `json:"result,omitempty"`
	Error  string      `json:"error,omitempty"`
}

// sweptFlags are those that bindSwept defines.
var sweptFlags = strings.Fields("validators sequencers scheme variant signatures workers batch-size batch-delay " +
	"rate load in-flight invalid colluding silent late")

// maxCombinations bounds a sweep: more take hours.
const maxCombinations = 256

// newSweepCommand returns the command that runs node mode over lists of settings.
func newSweepCommand() *cobra.Command {
	s := defaultNodeSettings()
	s.duration = 5 * time.Second
	bound := 100 * time.Millisecond
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Run node mode over lists of settings and say which are best",
		Long: "Runs node mode for every combination of the values given, as in\n\n" +
			"  loadgen sweep --workers 1,2 --batch-size 1,8,32,128 --signatures compressed,uncompressed\n\n" +
			"prints a line for each as it goes, and says which takes the most acks, which does with a p99 latency within\n" +
			"--p99, and the flags to use.",
		Args: noArguments,
	}
	swept := &cobra.Command{}
	s.bindSwept(swept)
	lists := make(map[string]*string)
	cmd.Flags().SortFlags = false
	for _, name := range sweptFlags {
		lists[name] = cmd.Flags().String(name, "", swept.Flags().Lookup(name).Usage+"; one value or several, with commas")
	}
	s.bindShape(cmd)
	cmd.Flags().DurationVar(&bound, "p99", bound, "latency bound that the second advice is for")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if bound <= 0 {
			return usagef("--p99 must be above 0, got %v", bound)
		}
		r := &sweepResult{Mode: "sweep", Bound: float64(bound) / float64(time.Millisecond), Machine: thisMachine(), Fastest: -1, BestInBound: -1}
		var fixed []string
		for _, name := range sweptFlags {
			if !cmd.Flags().Changed(name) {
				continue
			}
			values, err := splitList(name, *lists[name])
			if err != nil {
				return err
			}
			if len(values) > 1 {
				r.Axes = append(r.Axes, axis{name, values})
				continue
			}
			fixed = append(fixed, "--"+name+"="+values[0])
		}
		r.Fixed = strings.Join(fixed, " ")
		return runSweep(cmd, s, r)
	}
	return cmd
}

func splitList(flag, text string) ([]string, error) {
	values, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return nil, usagef("--%s %q is no list of values", flag, text)
	}
	seen := make(map[string]bool)
	for i, v := range values {
		if values[i] = strings.TrimSpace(v); values[i] == "" {
			return nil, usagef("--%s has an empty value in %q", flag, text)
		}
		if seen[values[i]] {
			return nil, usagef("--%s has %s twice", flag, values[i])
		}
		seen[values[i]] = true
	}
	return values, nil
}

// combinations returns all choices of one value per axis, the last axis fastest.
func combinations(axes []axis) [][]string {
	all := [][]string{nil}
	for _, a := range axes {
		var next [][]string
		for _, c := range all {
			for _, v := range a.Values {
				next = append(next, append(append([]string(nil), c...), v))
			}
		}
		all = next
	}
	return all
}

// settingsOf returns checked settings with the flags of one combination.
func settingsOf(base *nodeSettings, r *sweepResult, values []string, explicit func(string) bool) (*nodeSettings, error) {
	s := *base
	c := &cobra.Command{}
	s.bindSwept(c)
	set := func(flag, value string) error {
		if err := c.Flags().Set(flag, value); err != nil {
			return usagef("--%s: %s", flag, oneLine(err))
		}
		return nil
	}
	for _, f := range strings.Fields(r.Fixed) {
		name, value, _ := strings.Cut(strings.TrimPrefix(f, "--"), "=")
		if err := set(name, value); err != nil {
			return nil, err
		}
	}
	for i, v := range values {
		if err := set(r.Axes[i].Flag, v); err != nil {
			return nil, err
		}
	}
	s.explicit = explicit
	return &s, s.check()
}

// runSweep is the sweep, from its lists to the written result.
func runSweep(cmd *cobra.Command, base *nodeSettings, r *sweepResult) error {
	all := combinations(r.Axes)
	if len(all) > maxCombinations {
		return usagef("these lists have %d combinations; a sweep takes at most %d", len(all), maxCombinations)
	}
	explicit := cmd.Flags().Changed
	if !explicit("seed") {
		base.seed = uint64(time.Now().UnixNano()) & 0xffffffff
	}
	withSeed := func(flag string) bool { return flag == "seed" || explicit(flag) } // the same for all runs
	runs := make([]*nodeSettings, len(all))
	for i, values := range all {
		var err error
		if runs[i], err = settingsOf(base, r, values, withSeed); err != nil {
			return err
		}
	}
	base.explicit = explicit
	if base.outputs.live == "auto" { // the table is what to watch
		base.outputs.live = "none"
	}
	d, err := newDesk(cmd, base)
	if err != nil {
		return err
	}
	defer d.close()
	sweepTable(d.human, r)
	for i, values := range all {
		result, err := measureNode(cmd.Context(), runs[i], d)
		d.screen.end()
		run := sweepRun{Flags: values, Result: result}
		if err != nil {
			run.Error = oneLine(err)
		}
		if cmd.Context().Err() != nil && err != nil {
			break
		}
		r.Runs = append(r.Runs, run)
		run.line(d.human, r)
		if cmd.Context().Err() != nil {
			break
		}
	}
	r.Interrupted = cmd.Context().Err() != nil
	r.judge()
	r.print(d.human)
	err = d.sink.writeAny(r)
	if d.serving.report != nil {
		err = errors.Join(err, writeSweepReport(d.serving.report, r))
	}
	if err != nil {
		return err
	}
	return r.verdict(cmd.Context())
}

// judge finds the best runs.
func (r *sweepResult) judge() {
	for i, run := range r.Runs {
		if run.Result == nil || !run.Result.OK {
			continue
		}
		v := run.Result.VerifiedPerSecond
		if r.Fastest < 0 || v > r.Runs[r.Fastest].Result.VerifiedPerSecond {
			r.Fastest = i
		}
		if run.Result.LatencyMS.P99 <= r.Bound && (r.BestInBound < 0 || v > r.Runs[r.BestInBound].Result.VerifiedPerSecond) {
			r.BestInBound = i
		}
	}
	switch {
	case r.BestInBound >= 0:
		r.Advice = r.flags(r.BestInBound)
	case r.Fastest >= 0:
		r.Advice = r.flags(r.Fastest)
	}
}

// flags are those of a run, as to be given to loadgen node.
func (r *sweepResult) flags(run int) string {
	var parts []string
	if r.Fixed != "" {
		parts = append(parts, r.Fixed)
	}
	for i, v := range r.Runs[run].Flags {
		parts = append(parts, "--"+r.Axes[i].Flag+"="+v)
	}
	return strings.Join(parts, " ")
}

// verdict returns an error unless every run was good.
func (r *sweepResult) verdict(ctx context.Context) error {
	bad := 0
	for _, run := range r.Runs {
		if run.Result == nil || !run.Result.OK {
			bad++
		}
	}
	switch {
	case len(r.Runs) == 0 && ctx.Err() != nil:
		return errors.New("interrupted before the first run was over")
	case bad > 0:
		return fmt.Errorf("%d of %d runs failed", bad, len(r.Runs))
	}
	return nil
}
