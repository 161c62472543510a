package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/node"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/output"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
)

// flags are the flags of the command.
type flags struct {
	json   bool
	page   string
	failIf []string
}

// NewCommand returns the command that compares results.
func NewCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "compare A.json B.json...",
		Short: "Show the differences between results",
		Long: "Compares files that loadgen --json or loadgen node --json wrote with the first of them. A change counts as beyond\n" +
			"the noise when a rank test of the two sides' repeats says so at the 5 % level: run both with --repeat 5 or so, and\n" +
			"at least 4. Exit status 0 unless a --fail-if holds; a change within the noise does not make it hold.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return cli.Usagef("loadgen compare needs the names of two files or more, got %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object instead of a table")
	cmd.Flags().StringVar(&f.page, "report", "", "file to write the comparison to as a page for a browser")
	cmd.Flags().StringArrayVar(&f.failIf, "fail-if", nil, "change for exit status 1, such as 'p99>+10%' or 'certificates_per_s<-5%'; may be repeated")
	return cmd
}

func (f *flags) run(cmd *cobra.Command, args []string) error {
	if cmd.Flags().Changed("report") && f.page == "" {
		return cli.Usagef("--report needs the name of a file")
	}
	conditions, err := parseConditions(f.failIf, measurable(&cluster.Result{}, &node.Result{}))
	if err != nil {
		return err
	}
	var all []named
	for _, name := range args {
		r, err := readResult(name)
		if err != nil {
			return err
		}
		all = append(all, named{name, r})
		if x, y := all[0].result.Basics().Mode, r.Basics().Mode; x != y {
			return cli.Usagef("%s is of mode %s and %s of mode %s; compare results of one mode", args[0], x, name, y)
		}
	}
	for _, c := range conditions {
		if names := measurable(all[0].result); !slices.Contains(names, c.measure) {
			return cli.Usagef("--fail-if %q: there is no %q in these results; there are %s", c.text, c.measure, strings.Join(names, ", "))
		}
	}
	page, err := output.OpenFile("report", f.page)
	if err != nil {
		return err
	}
	defer page.Close()
	r := compareAll(all, conditions)
	if f.json {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return fmt.Errorf("encoding the comparison: %w", err)
		}
		cli.Say(cmd.OutOrStdout(), "%s", text)
	} else {
		r.print(cmd.OutOrStdout())
	}
	if page != nil {
		b, err := report.Page(fmt.Sprintf("loadgen compare, %d results", len(all)), r)
		if err == nil {
			err = page.Write(b)
		}
		if err != nil {
			return err
		}
	}
	if len(r.Failed) > 0 {
		return errors.New("--fail-if " + r.Failed[0])
	}
	return nil
}

// measurable returns the measures of results, ascending.
func measurable(results ...report.Result) (names []string) {
	for _, r := range results {
		names = slices.AppendSeq(names, maps.Keys(r.Measures()))
	}
	slices.Sort(names)
	return slices.Compact(names)
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
