package sweep

import (
	"fmt"
	"io"
	"strings"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
)

// printSettings prints what is the same in all runs.
func (r *Result) printSettings(w io.Writer) {
	text := "  all with     "
	for _, s := range r.Settings {
		if s.Value != "" && s.Value != "0" && s.Value != "false" {
			text += " --" + s.Flag + "=" + cli.Quoted(s.Value)
		}
	}
	cli.Field(w, "%s", text)
}

// printHead prints the head of the table.
func (r *Result) printHead(w io.Writer) {
	var b strings.Builder
	for _, a := range r.Axes {
		fmt.Fprintf(&b, "%-*s  ", a.width(), a.Flag)
	}
	cli.Say(w, "%sacks verified/s   per core  certificates/s   batch   p50 ms   p99 ms  dropped", b.String())
}

func (a axis) width() int {
	n := max(len(a.Flag), len(a.unset))
	for _, v := range a.Values {
		n = max(n, len(v))
	}
	return n
}

// print prints a line of the table.
func (run combination) print(w io.Writer, r *Result) {
	var b strings.Builder
	for i, v := range run.Flags {
		fmt.Fprintf(&b, "%-*s  ", r.Axes[i].width(), v)
	}
	if run.Result == nil {
		cli.Say(w, "%s%s", b.String(), run.Error)
		return
	}
	n := run.Result
	var notes []string
	if run.Defaults {
		notes = append(notes, "defaults")
	}
	if n.Interrupted {
		notes = append(notes, "interrupted")
	}
	if !n.OK {
		notes = append(notes, n.Verdict().Error())
	}
	cli.Say(w, "%s%15.0f %10.0f %15.1f %7.1f %8.1f %8.1f %8d  %s", b.String(), n.VerifiedPerSecond, n.VerifiedPerCore, n.CertificatesPerSecond,
		n.MeanBatch, n.LatencyMS.P50, n.LatencyMS.P99, n.SendsDropped, strings.Join(notes, ", "))
}

// print prints the findings.
func (r *Result) print(w io.Writer) {
	cli.Say(w, "")
	if r.Interrupted {
		cli.Say(w, "interrupted: the lines below are about the runs above")
	}
	if r.Fastest < 0 {
		cli.Say(w, "no run was good, so there is nothing to advise")
	}
	for _, f := range r.Findings {
		n := r.Runs[f.Run].Result
		cli.Say(w, "%s: %.0f acks verified/s, p99 %.1f ms, by", f.Goal, n.VerifiedPerSecond, n.LatencyMS.P99)
		if most := r.most(f); most > n.VerifiedPerSecond {
			cli.Say(w, "    (another run verified %.0f/s, which is within %.0f %%, at a higher p99)", most, 100*alike)
		}
		cli.Say(w, "    %s", strings.TrimSpace("loadgen node "+f.Flags))
		if f.Verdict != "" {
			cli.Say(w, "    %s", f.Verdict)
		}
		if f.Advice != f.Flags {
			cli.Say(w, "    %s", strings.TrimSpace("loadgen node "+f.Advice))
		}
	}
	if r.Fastest >= 0 && r.BestInBound < 0 {
		cli.Say(w, "within p99 %g ms: none; allow more with --p99, or send less with --load", r.Bound)
	}
}
