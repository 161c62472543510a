package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/spf13/cobra"
)

// comparison lists the differences between two results.
type comparison struct {
	Differ  []string `json:"settings_differ"`
	Changes []change `json:"changes"`
}

// change is the difference in one measure. Beyond says that it is larger than the spread of each
// side's repeats; it is nil where a side was not repeated.
type change struct {
	Measure string   `json:"measure"`
	A       float64  `json:"a"`
	B       float64  `json:"b"`
	Ratio   *float64 `json:"ratio"` // b/a; null if a is 0
	Beyond  *bool    `json:"beyond_noise"`
}

// newCompareCommand returns the command that compares two results.
func newCompareCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "compare A.json B.json",
		Short: "Say what changed between two results",
		Long: "Compares two files that loadgen --json or loadgen node --json wrote. A change counts as beyond the noise when the ranges of the two\n" +
			"sides' repeats do not touch: run both with --repeat 5 or so. Exit status 0 whatever changed.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("loadgen compare needs the names of two files, got %d", len(args))
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
			if x, y := a.basics().Mode, b.basics().Mode; x != y {
				return usagef("%s is of mode %s and %s of mode %s; compare results of one mode", args[0], x, args[1], y)
			}
			c := compare(a, b)
			if asJSON {
				text, err := json.MarshalIndent(c, "", "  ")
				if err != nil {
					return fmt.Errorf("encoding the comparison: %w", err)
				}
				say(cmd.OutOrStdout(), "%s", text)
				return nil
			}
			c.print(cmd.OutOrStdout())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object instead of a table")
	return cmd
}

func readResult(name string) (runResult, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, usagef("%v", err)
	}
	var head struct {
		Mode string `json:"mode"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, usagef("%s is no result: %s; name files that --json wrote", name, oneLine(err))
	}
	var r runResult
	switch head.Mode {
	case "node":
		r = &nodeResult{}
	case "cluster":
		r = &result{}
	default:
		return nil, usagef("%s is a result of mode %q; only those of loadgen and loadgen node can be compared", name, head.Mode)
	}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, usagef("%s is no result: %s; name files that --json wrote", name, oneLine(err))
	}
	return r, nil
}

// compare lists every measure of both results, and the parameters in which they differ.
func compare(a, b runResult) comparison {
	c := comparison{Differ: []string{}}
	others := b.parameters()
	for i, s := range a.parameters() {
		if other := others[i].value; s.value != other {
			c.Differ = append(c.Differ, fmt.Sprintf("%s: %v → %v", s.name, s.value, other))
		}
	}
	first, second := a.measures(), b.measures()
	p, q := a.basics().Repeats, b.basics().Repeats
	for _, name := range sortedKeys(first) {
		ch := change{Measure: name, A: first[name], B: second[name]}
		if p != nil && q != nil {
			ch.A, ch.B = p.Of[name].Median, q.Of[name].Median
			beyond := p.Of[name].apart(q.Of[name])
			ch.Beyond = &beyond
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
		say(w, "differs  %s", d)
	}
	say(w, "%-24s %14s %14s %8s  %s", "", "A", "B", "B/A", "")
	for _, ch := range c.Changes {
		ratio, note := "–", "not repeated: may be noise"
		if ch.Ratio != nil {
			ratio = fmt.Sprintf("%.3f", *ch.Ratio)
		}
		if ch.Beyond != nil {
			note = map[bool]string{true: "beyond the noise", false: "within the noise"}[*ch.Beyond]
		}
		if ch.A == ch.B {
			note = ""
		}
		say(w, "%-24s %14.6g %14.6g %8s  %s", ch.Measure, ch.A, ch.B, ratio, note)
	}
}
