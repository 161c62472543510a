package sweep

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/node"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
)

// finding is the best run of a sweep for a goal, compared with the defaults.
type finding struct {
	Goal     string         `json:"goal"`
	Run      int            `json:"run"`      // index into runs
	Flags    string         `json:"flags"`    // of that run
	Advice   string         `json:"advice"`   // flags for loadgen node; none if the defaults do as well
	Defaults int            `json:"defaults"` // index of the run with the defaults under the same load, −1 if it was not good
	Times    int            `json:"times"`    // number of repeated runs of each of the two
	Best     *report.Spread `json:"best_acks_verified_per_s,omitempty"`
	Unset    *report.Spread `json:"defaults_acks_verified_per_s,omitempty"`
	BestP99  *report.Spread `json:"best_p99_ms,omitempty"`
	UnsetP99 *report.Spread `json:"defaults_p99_ms,omitempty"`
	Verdict  string         `json:"verdict"` // whether to use them; "" if only loads varied, or time ran out
}

// alike is the relative difference up to which throughputs count as the same when the best run is
// chosen; then latency decides. At a fixed rate all runs that keep up are alike.
const alike = 0.01

// findBest finds the best runs.
func (r *Result) findBest() {
	r.Fastest = r.best(func(*node.Result) bool { return true })
	r.BestInBound = r.best(func(n *node.Result) bool { return n.LatencyMS.P99 <= r.Bound })
	within := fmt.Sprintf("within p99 %g ms", r.Bound)
	switch {
	case r.Fastest < 0:
		return
	case r.Fastest == r.BestInBound:
		r.Findings = append(r.Findings, r.finding("most throughput, and "+within, r.Fastest))
	case r.BestInBound < 0:
		r.Findings = append(r.Findings, r.finding("most throughput", r.Fastest))
	default:
		r.Findings = append(r.Findings, r.finding("most throughput", r.Fastest), r.finding(within, r.BestInBound))
	}
	r.Advice = r.Findings[len(r.Findings)-1].Advice
}

// best returns the good run with the most acks verified of those that qualify; among runs alike,
// the one with the lowest p99. It returns −1 for none.
func (r *Result) best(qualifies func(*node.Result) bool) int {
	most := 0.0
	for _, run := range r.Runs {
		if run.good() && qualifies(run.Result) {
			most = max(most, run.Result.VerifiedPerSecond)
		}
	}
	best := -1
	for i, run := range r.Runs {
		if !run.good() || !qualifies(run.Result) || run.Result.VerifiedPerSecond < (1-alike)*most {
			continue
		}
		if best < 0 || run.Result.LatencyMS.P99 < r.Runs[best].Result.LatencyMS.P99 {
			best = i
		}
	}
	return best
}

// most returns the most acks verified by a run that qualifies for a finding's goal.
func (r *Result) most(f finding) (most float64) {
	for _, run := range r.Runs {
		if run.good() && (f.Run != r.BestInBound || f.Run == r.Fastest || run.Result.LatencyMS.P99 <= r.Bound) {
			most = max(most, run.Result.VerifiedPerSecond)
		}
	}
	return most
}

func (r *Result) finding(goal string, run int) finding {
	f := finding{Goal: goal, Run: run, Flags: r.flags(r.Runs[run].Flags, false), Defaults: -1}
	f.Advice = f.Flags
	if r.advises() {
		unset := r.defaultsFor(r.Runs[run].Flags)
		f.Defaults = slices.IndexFunc(r.Runs, func(o combination) bool { return o.good() && slices.Equal(o.Flags, unset) })
	}
	return f
}

// flags returns the flags of a combination for loadgen node: those of its loads only, or all.
func (r *Result) flags(values []string, loadsOnly bool) string {
	var parts []string
	if r.Fixed != "" {
		parts = append(parts, r.Fixed)
	}
	for i, v := range values {
		if a := r.Axes[i]; v == a.unset && a.load || loadsOnly && !a.load {
			continue
		}
		parts = append(parts, "--"+r.Axes[i].Flag+"="+cli.Quoted(v))
	}
	return strings.Join(parts, " ")
}

// confirm runs the best and the defaults again, alternately: the speed of machines drifts, and the
// best of many runs is partly luck.
func (r *Result) confirm(ctx context.Context, times int, measure func(run int) (*node.Result, error), w io.Writer) {
	verified, p99 := make(map[int][]float64), make(map[int][]float64)
	var again []int
	for _, f := range r.Findings {
		if f.Defaults >= 0 && f.Defaults != f.Run {
			again = append(again, f.Defaults, f.Run)
		}
	}
	slices.Sort(again)
	again = slices.Compact(again)
	if len(again) > 0 && times > 0 {
		cli.Say(w, "running the best and the defaults again, in turns, %d times each", times)
	}
	for range times {
		for _, run := range again {
			n, err := measure(run)
			if err != nil || ctx.Err() != nil || !n.OK {
				continue // fewer values, so the verdict is weaker, which its text states
			}
			verified[run], p99[run] = append(verified[run], n.VerifiedPerSecond), append(p99[run], n.LatencyMS.P99)
		}
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		if a, b := verified[f.Run], verified[f.Defaults]; len(a) > 0 && len(b) > 0 {
			f.Times = min(len(a), len(b))
			best, unset, bestP99, unsetP99 := report.NewSpread(a), report.NewSpread(b), report.NewSpread(p99[f.Run]), report.NewSpread(p99[f.Defaults])
			f.Best, f.Unset, f.BestP99, f.UnsetP99 = &best, &unset, &bestP99, &unsetP99
		}
		if !r.advises() {
			continue // the load alone was varied
		}
		bound := 0.0
		if f.Run == r.BestInBound {
			bound = r.Bound
		}
		keep, why := f.compare(bound)
		if f.Verdict = why; keep {
			f.Advice = r.flags(r.Runs[f.Run].Flags, true)
		}
	}
	if n := len(r.Findings); n > 0 {
		r.Advice = r.Findings[n-1].Advice
	}
}

// compare describes the best run relative to the defaults in words, and reports whether to keep the
// defaults. bound is the bound of the p99 latency in ms; 0 for none.
func (f *finding) compare(bound float64) (keep bool, why string) {
	switch {
	case f.Run == f.Defaults:
		return true, "the defaults are the best of these: keep the defaults"
	case f.Defaults < 0:
		return false, "the run with the defaults was not good, so there is nothing to compare with"
	case f.Times < report.LeastRepeats:
		return false, "not compared with the defaults often enough to tell a gain from noise: see --confirm"
	}
	rate, p99 := f.Best.Compare(*f.Unset), f.BestP99.Compare(*f.UnsetP99)
	measured := fmt.Sprintf("%.2f times the throughput of the defaults, p99 %.1f ms against %.1f ms (medians of %d runs each, in turns): ",
		f.Best.Median/f.Unset.Median, f.BestP99.Median, f.UnsetP99.Median, f.Times)
	switch {
	case bound > 0 && f.BestP99.Median > bound && f.UnsetP99.Median <= bound:
		return true, measured + "now it misses the bound and they hold it: keep the defaults"
	case bound > 0 && f.BestP99.Median <= bound && f.UnsetP99.Min > bound:
		return false, measured + "the defaults miss the bound: use these flags"
	case rate.Beyond && f.Best.Median > f.Unset.Median:
		return false, measured + "more than the noise: use these flags"
	case rate.Beyond:
		return true, measured + "slower, by more than the noise: keep the defaults"
	case p99.Beyond && f.BestP99.Median < f.UnsetP99.Median:
		return false, measured + "the same throughput within the noise, at a lower latency by more than that: use these flags"
	}
	return true, measured + "within the noise, the defaults are as good: keep the defaults"
}
