package compare

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/node"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
)

// comparison lists the differences between two results.
type comparison struct {
	Differ  []string `json:"settings_differ"`
	Changes []change `json:"changes"`
}

// change is the difference in one measure. Beyond says that it is larger than the noise of both
// sides' repeats; it is nil where a side was not repeated often enough to tell.
type change struct {
	Measure string   `json:"measure"`
	A       float64  `json:"a"`
	B       float64  `json:"b"`
	Ratio   *float64 `json:"ratio"` // b/a; null if a is 0
	P       *float64 `json:"p"`     // of the rank test; null without enough repeats
	Beyond  *bool    `json:"beyond_noise"`
}

// NewCommand returns the command that compares two results.
func NewCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "compare A.json B.json",
		Short: "Say what changed between two results",
		Long: "Compares two files that loadgen --json or loadgen node --json wrote. A change counts as beyond the noise when\n" +
			"a rank test of the two sides' repeats says so at the 5 % level: run both with --repeat 5 or so, and at least 4.\n" +
			"Exit status 0 whatever changed.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return cli.Usagef("loadgen compare needs the names of two files, got %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := readResult(args[0])
			if err != nil {
				return err
			}
			b, err := readResult(args[1])
			if err != nil {
				return err
			}
			if x, y := a.Basics().Mode, b.Basics().Mode; x != y {
				return cli.Usagef("%s is of mode %s and %s of mode %s; compare results of one mode", args[0], x, args[1], y)
			}
			c := compare(a, b)
			if asJSON {
				text, err := json.MarshalIndent(c, "", "  ")
				if err != nil {
					return fmt.Errorf("encoding the comparison: %w", err)
				}
				cli.Say(cmd.OutOrStdout(), "%s", text)
				return nil
			}
			c.print(cmd.OutOrStdout())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object instead of a table")
	return cmd
}

func readResult(name string) (report.Result, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, cli.Usagef("%v", err)
	}
	var head struct {
		Mode string `json:"mode"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, cli.Usagef("%s is no result: %s; name files that --json wrote", name, cli.OneLine(err))
	}
	var r report.Result
	switch head.Mode {
	case "node":
		r = &node.Result{}
	case "cluster":
		r = &cluster.Result{}
	default:
		return nil, cli.Usagef("%s is a result of mode %q; only those of loadgen and loadgen node can be compared", name, head.Mode)
	}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, cli.Usagef("%s is no result: %s; name files that --json wrote", name, cli.OneLine(err))
	}
	return r, nil
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
			ch.A, ch.B = p.Of[name].Median, q.Of[name].Median
			if d := p.Of[name].Compare(q.Of[name]); d.Enough {
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
		cli.Say(w, "%-24s %14.6g %14.6g %8s  %s", ch.Measure, ch.A, ch.B, ratio, note)
	}
}
