package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// print writes the result of a run.
func (r *result) print(out io.Writer) {
	n := r.network
	fmt.Fprintf(out, "%s, %s, %v, proposals after %v, %v lost\n", string(n.goes.Mix), n.scheme, n.duration, n.pace, n.loss)
	for i, l := range r.Lanes {
		last := r.last[i]
		fmt.Fprintf(out, "  %d %c  lane to height %d, %.1f/s, longest gap %v, %d heights without a report; its own reports miss %d heights of all lanes; "+
			"own chunks certified in %.0f ms (p50), %.0f (p99); %d late messages, %d dropped\n",
			i, n.all[i][len(n.all[i])-1].library, l.Top, l.PerS, l.Gap.Round(time.Millisecond), l.Missing, r.Holes[i],
			last.Latency.P50, last.Latency.P99, sum(last.Late), last.Dropped)
	}
	fmt.Fprintf(out, "  %d different certificates, valid for Lanecast; %d for upstream\n", r.Certificates, r.checked.Valid)
	for _, p := range r.Problems {
		fmt.Fprintln(out, "  PROBLEM:", p)
	}
	if len(r.Problems) == 0 {
		fmt.Fprintln(out, "  sound: every lane grew to the end at every process, no conflict, no message refused")
	}
}

func sum(m map[string]uint64) (all uint64) {
	for _, n := range m {
		all += n
	}
	return all
}

// scenario is a row of the table.
type scenario struct {
	what   string
	change func(mix string, o *options)
}

// mixes are the mixes of the table.
var mixes = []string{"UULL", "UUUL", "ULLL"}

var scenarios = []scenario{
	{"undisturbed", func(_ string, o *options) { o.duration = 8 * time.Second }},
	{"one that joins late, a kill of each library", func(mix string, o *options) {
		o.duration = 26 * time.Second
		o.late = []string{fmt.Sprintf("%d@3s", strings.LastIndex(mix, "L"))}
		o.kill = []string{
			fmt.Sprintf("%d@7s-10s", strings.Index(mix, "L")), fmt.Sprintf("%d@13s-16s", strings.Index(mix, "U")),
		}
	}},
	{"half of all messages lost", func(_ string, o *options) {
		o.duration, o.loss, o.rebroadcast = 20*time.Second, 0.5, 150*time.Millisecond
	}},
}

// table runs each scheme with every mix in every scenario, and writes a line of Markdown for each.
func table(ctx context.Context, schemes []string, o options, out io.Writer) error {
	fmt.Fprintln(out, "| mix | scheme | scenario | heights of the lanes | longest gap, ms | certificates | result |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|")
	sound := true
	for _, scheme := range schemes {
		for _, mix := range mixes {
			for _, s := range scenarios {
				each := o
				each.scheme = scheme
				s.change(mix, &each)
				r, err := run(ctx, mix, each)
				if err != nil {
					return fmt.Errorf("%s, %s, %s: %w", mix, scheme, s.what, err)
				}
				var tops []string
				gap := time.Duration(0)
				for _, l := range r.Lanes {
					tops, gap = append(tops, fmt.Sprint(l.Top)), max(gap, l.Gap)
				}
				word := "sound"
				if len(r.Problems) > 0 {
					word, sound = strings.Join(r.Problems, "; "), false
				}
				fmt.Fprintf(out, "| %s | %s | %s | %s | %d | %d | %s |\n", mix, scheme, s.what, strings.Join(tops, " "),
					gap.Milliseconds(), r.Certificates, word)
			}
		}
	}
	if !sound {
		return errUnsound
	}
	return nil
}
