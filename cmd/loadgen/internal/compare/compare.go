package compare

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
)

// Result compares results with the first of them. --json prints its JSON form; keys are added and
// never removed.
type Result struct {
	Mode string `json:"mode"`
	// The comparison of the second file with the first, as in comparisons.
	Differ      []string         `json:"settings_differ"`
	Changes     []change         `json:"changes"`
	Base        file             `json:"base"`
	Comparisons []comparison     `json:"comparisons"`
	Failed      []string         `json:"failed"` // conditions of --fail-if that hold
	Time        string           `json:"time"`   // RFC 3339
	Environment host.Environment `json:"environment"`
}

// file is one of the results compared.
type file struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Time    string `json:"time"`
	Repeats int    `json:"repeats"`
	OK      bool   `json:"ok"`
	Busy    bool   `json:"busy"` // the machine was busy
}

// comparison lists the differences between a result and the first.
type comparison struct {
	File    file     `json:"file"`
	Differ  []string `json:"settings_differ"`
	Changes []change `json:"changes"`
}

// change is the difference in one measure. Beyond reports whether it is larger than the noise of
// both sides' repeats; it is nil if a side was not repeated often enough.
type change struct {
	Measure string         `json:"measure"`
	A       float64        `json:"a"`
	B       float64        `json:"b"`
	Ratio   *float64       `json:"ratio"` // b/a; null if a is 0
	P       *float64       `json:"p"`     // of the rank test; null without enough repeats
	Beyond  *bool          `json:"beyond_noise"`
	SpreadA *report.Spread `json:"spread_a,omitempty"`
	SpreadB *report.Spread `json:"spread_b,omitempty"`
}

// named is a result with the name of its file.
type named struct {
	name   string
	result report.Result
}

func (n named) file() file {
	c := n.result.Basics()
	f := file{Name: n.name, Title: n.result.Title(), Time: c.Time, Repeats: 1, OK: c.OK, Busy: c.Environment.Busy}
	if c.Repeats != nil {
		f.Repeats = c.Repeats.N
	}
	return f
}

// compareAll compares all results, at least two, with the first.
func compareAll(all []named, conditions []condition) *Result {
	r := &Result{
		Mode: "compare", Base: all[0].file(), Failed: []string{}, Time: time.Now().UTC().Format(time.RFC3339), Environment: host.Here(cli.CommandLine()),
	}
	for _, n := range all[1:] {
		c := compare(all[0].result, n.result)
		c.File = n.file()
		r.Comparisons = append(r.Comparisons, c)
		for _, condition := range conditions {
			if text := condition.holds(c); text != "" {
				r.Failed = append(r.Failed, text)
			}
		}
	}
	r.Differ, r.Changes = r.Comparisons[0].Differ, r.Comparisons[0].Changes
	return r
}

// compare lists every measure of both results, and the parameters in which they differ.
func compare(a, b report.Result) comparison {
	c := comparison{Differ: []string{}}
	others := b.Parameters()
	for i, s := range a.Parameters() {
		if other := others[i].Value; s.Value != other {
			c.Differ = append(c.Differ, fmt.Sprintf("%s: %v → %v", s.Name, s.Value, other))
		}
	}
	first, second := a.Measures(), b.Measures()
	p, q := a.Basics().Repeats, b.Basics().Repeats
	for _, name := range slices.Sorted(maps.Keys(first)) {
		ch := change{Measure: name, A: first[name], B: second[name]}
		if p != nil && q != nil {
			x, y := p.Of[name], q.Of[name]
			ch.A, ch.B, ch.SpreadA, ch.SpreadB = x.Median, y.Median, &x, &y
			if d := x.Compare(y); d.Enough {
				ch.P, ch.Beyond = &d.P, &d.Beyond
			}
		}
		if ch.A != 0 {
			if ratio := ch.B / ch.A; !math.IsInf(ratio, 0) {
				ch.Ratio = &ratio
			}
		}
		c.Changes = append(c.Changes, ch)
	}
	return c
}

// print writes tables to be read by people.
func (r *Result) print(w io.Writer) {
	for i, c := range r.Comparisons {
		if len(r.Comparisons) > 1 {
			if i > 0 {
				cli.Say(w, "")
			}
			cli.Say(w, "B is %s, A is %s", c.File.Name, r.Base.Name)
		}
		c.print(w)
	}
	for _, f := range append([]file{r.Base}, filesOf(r.Comparisons)...) {
		if f.Busy {
			cli.Say(w, "busy     the machine of %s did other things during its run", f.Name)
		}
		if !f.OK {
			cli.Say(w, "not good %s", f.Name)
		}
	}
	for _, f := range r.Failed {
		cli.Say(w, "failed   %s", f)
	}
}

func filesOf(all []comparison) (files []file) {
	for _, c := range all {
		files = append(files, c.File)
	}
	return files
}

func (c comparison) print(w io.Writer) {
	for _, d := range c.Differ {
		cli.Say(w, "differs  %s", d)
	}
	cli.Say(w, "%-24s %14s %14s %8s  %s", "", "A", "B", "B/A", "")
	for _, ch := range c.Changes {
		ratio, note := "–", "too few repeats to tell: may be noise"
		if ch.Ratio != nil {
			ratio = fmt.Sprintf("%.3f", *ch.Ratio)
		}
		if ch.Beyond != nil {
			note = map[bool]string{true: "beyond the noise", false: "within the noise"}[*ch.Beyond]
		}
		if ch.A == ch.B {
			note = ""
		}
		cli.Say(w, "%s", strings.TrimRight(fmt.Sprintf("%-24s %14.6g %14.6g %8s  %s", ch.Measure, ch.A, ch.B, ratio, note), " "))
	}
}
