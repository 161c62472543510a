package merge

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/output"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/proc"
)

// NewCommand returns the command that merges the results of a network's members.
func NewCommand() *cobra.Command {
	outputs := output.DefaultConfig(&cluster.Result{Processes: &cluster.Processes{}})
	cmd := &cobra.Command{
		Use:   "merge RESULT.json …",
		Short: "Make the result of a network of the results of its members",
		Long: "Reads the results that «loadgen member» wrote on each machine, with the record beside each, audits them, and makes the\n" +
			"network's result. A folder stands for the member results in it. Exit status 0: every certificate verified, nothing\n" +
			"conflicted, no member sent two payloads for one place, every lane grew, all members measured to the end.",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runCommand(cmd, args, &outputs)
		},
	}
	cmd.Flags().SortFlags = false
	outputs.BindResult(cmd)
	outputs.BindRequire(cmd)
	return cmd
}

func runCommand(cmd *cobra.Command, args []string, outputs *output.Config) error {
	names, err := resultsOf(args)
	if err != nil {
		return err
	}
	if err := outputs.Check(cmd.Flags().Changed); err != nil {
		return err
	}
	out, err := output.New(cmd, outputs)
	if err != nil {
		return err
	}
	defer out.Close()
	began := time.Now()
	r, err := Files(names)
	if err != nil {
		return err
	}
	return out.Conclude(r, outputs, began)
}

// resultsOf returns the names of the results that the arguments denote.
func resultsOf(args []string) (names []string, err error) {
	for _, a := range args {
		info, err := os.Stat(a)
		if err != nil {
			return nil, cli.Usagef("%v", err)
		}
		if !info.IsDir() {
			names = append(names, a)
			continue
		}
		in, err := filepath.Glob(filepath.Join(escape(a), "member-*", proc.ResultName))
		if err != nil {
			return nil, cli.Usagef("%v", err)
		}
		if len(in) == 0 {
			return nil, cli.Usagef("%s holds no result of a member: %s", a, filepath.Join("member-*", proc.ResultName))
		}
		names = append(names, in...)
	}
	if len(names) == 0 {
		return nil, cli.Usagef("want the results of a network's members; see --help")
	}
	return names, nil
}

// escape returns a pattern that matches only this name.
func escape(name string) string {
	pattern := ""
	for _, c := range name {
		if c == '*' || c == '?' || c == '[' || c == '\\' {
			pattern += `\`
		}
		pattern += fmt.Sprintf("%c", c)
	}
	return pattern
}
