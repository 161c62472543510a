package main

import (
	"fmt"
	"io"
	"strings"
)

// sweepTable prints the head of the table.
func sweepTable(w io.Writer, r *sweepResult) {
	var b strings.Builder
	for _, a := range r.Axes {
		fmt.Fprintf(&b, "%-*s  ", a.width(), a.Flag)
	}
	say(w, "%sacks verified/s   per core  certificates/s   batch   p50 ms   p99 ms  dropped", b.String())
}

func (a axis) width() int {
	n := len(a.Flag)
	for _, v := range a.Values {
		n = max(n, len(v))
	}
	return n
}

func (run sweepRun) line(w io.Writer, r *sweepResult) {
	var b strings.Builder
	for i, v := range run.Flags {
		fmt.Fprintf(&b, "%-*s  ", r.Axes[i].width(), v)
	}
	if run.Result == nil {
		say(w, "%s%s", b.String(), run.Error)
		return
	}
	n := run.Result
	say(w, "%s%15.0f %10.0f %15.1f %7.1f %8.1f %8.1f %8d", b.String(), n.VerifiedPerSecond, n.VerifiedPerCore, n.CertificatesPerSecond,
		n.MeanBatch, n.LatencyMS.P50, n.LatencyMS.P99, n.SendsDropped)
}

func (r *sweepResult) print(w io.Writer) {
	say(w, "")
	if r.Fastest < 0 {
		say(w, "no run was good")
		return
	}
	say(w, "most throughput      %.0f acks verified/s, p99 %.1f ms: %s", r.Runs[r.Fastest].Result.VerifiedPerSecond,
		r.Runs[r.Fastest].Result.LatencyMS.P99, r.flags(r.Fastest))
	if r.BestInBound < 0 {
		say(w, "within p99 %.0f ms    none", r.Bound)
		return
	}
	say(w, "within p99 %.0f ms    %.0f acks verified/s, p99 %.1f ms: %s", r.Bound, r.Runs[r.BestInBound].Result.VerifiedPerSecond,
		r.Runs[r.BestInBound].Result.LatencyMS.P99, r.flags(r.BestInBound))
}
