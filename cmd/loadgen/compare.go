package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/spf13/cobra"
)

// comparison is what changed from one result to another.
type comparison struct {
	Differ  []string `json:"settings_differ"`
	Changes []change `json:"changes"`
}

// change is of one measure. Beyond says that it is more than the repeats of each side differ among themselves, and is nil
// where a side was not repeated.
type change struct {
	Measure string   `json:"measure"`
	A       float64  `json:"a"`
	B       float64  `json:"b"`
	Ratio   *float64 `json:"ratio"` // b/a; null if a is 0
	Beyond  *bool    `json:"beyond_noise"`
}

// newCompareCommand returns the command that compares two results of node mode.
func newCompareCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "compare A.json B.json",
		Short: "Say what changed between two results of loadgen node",
		Long: "Compares two files that loadgen node --json wrote. A change counts as beyond the noise when the ranges of the two\n" +
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

func readResult(name string) (*nodeResult, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, usagef("%v", err)
	}
	var r nodeResult
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, usagef("%s is no result: %s", name, oneLine(err))
	}
	if r.Mode != "node" {
		return nil, usagef("%s is a result of mode %q; only those of loadgen node can be compared", name, r.Mode)
	}
	return &r, nil
}

// compare lists every measure of both, and the settings in which they differ.
func compare(a, b *nodeResult) comparison {
	c := comparison{Differ: []string{}}
	for _, s := range []struct {
		name string
		a, b any
	}{
		{"scheme", a.Scheme, b.Scheme}, {"variant", a.Variant, b.Variant}, {"signatures", a.Signatures, b.Signatures},
		{"validators", a.Validators, b.Validators}, {"sequencers", a.Sequencers, b.Sequencers}, {"workers", a.Workers, b.Workers},
		{"batch_size", a.BatchSize, b.BatchSize}, {"batch_delay_ms", a.BatchDelay, b.BatchDelay}, {"backend", a.Backend, b.Backend},
		{"schedule", a.Schedule, b.Schedule}, {"rate_acks_per_s", a.Rate, b.Rate}, {"in_flight", a.InFlight, b.InFlight},
		{"invalid", a.Invalid, b.Invalid}, {"colluding", a.Colluding, b.Colluding}, {"silent", a.Silent, b.Silent}, {"late", a.Late, b.Late},
		{"machine", a.Machine, b.Machine},
	} {
		if s.a != s.b {
			c.Differ = append(c.Differ, fmt.Sprintf("%s: %v → %v", s.name, s.a, s.b))
		}
	}
	for _, name := range sortedKeys(measures) {
		x, y := measures[name](a), measures[name](b)
		ch := change{Measure: name, A: x, B: y}
		if a.Repeats != nil && b.Repeats != nil {
			p, q := a.Repeats.Of[name], b.Repeats.Of[name]
			ch.A, ch.B = p.Median, q.Median
			beyond := p.Max < q.Min || q.Max < p.Min
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
