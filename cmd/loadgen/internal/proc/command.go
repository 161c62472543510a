package proc

import (
	"context"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/config"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/output"
)

// ResultName is the name of the result in a member's folder.
const ResultName = "result.json"

// UntilFlag is the flag that ends a member with its standard input: with it, members end when the
// program that started them does.
const UntilFlag = "until-input-ends"

// NewCommand returns the command that runs one member.
func NewCommand() *cobra.Command {
	outputs := output.DefaultConfig(&Result{})
	var at string
	var tied bool
	cmd := &cobra.Command{
		Use:   "member DIR",
		Short: "Run one member of a network whose others run elsewhere, and measure it",
		Long: "Runs the member whose folder «loadgen init» made: it waits for the others, measures when all do, and writes its result\n" +
			"into its folder. It may be killed and started again at any time; it then goes on in the same run. Exit status 0: it\n" +
			"measured to the end and knows of no conflict; whether the network did well, «loadgen merge» says.",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usagef("want one folder of a member, got %d; %s --help says more", len(args), cmd.CommandPath())
			}
			ctx := cmd.Context()
			if tied {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				go func() {
					_, _ = io.Copy(io.Discard, cmd.InOrStdin()) // until it ends, for any reason
					cancel()
				}()
			}
			return runCommand(ctx, cmd, args[0], at, &outputs)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&tied, UntilFlag, false, "end when standard input does")
	if err := f.MarkHidden(UntilFlag); err != nil { // it was defined a line above
		panic(err)
	}
	f.StringVar(&at, "start", "", "when to begin to measure, as 2026-01-31T18:00:00Z (default: as the network's file says, or when all are connected)")
	outputs.Bind(cmd)
	outputs.BindRequire(cmd)
	return cmd
}

func runCommand(ctx context.Context, cmd *cobra.Command, dir, at string, outputs *output.Config) error {
	var o Options
	if cmd.Flags().Changed("start") {
		var err error
		if o.Start, err = time.Parse(time.RFC3339, at); err != nil {
			return cli.Usagef("--start must be a time such as 2026-01-31T18:00:00Z, got %q", at)
		}
	}
	if outputs.Repeat != 1 {
		return cli.Usagef("--repeat is not for a member; a run of a network is one run")
	}
	if cmd.Flags().Changed("report") {
		return cli.Usagef("--report is not for a member; «loadgen merge» makes the page of the network")
	}
	outputs.WriteTo(filepath.Join(dir, ResultName))
	if err := outputs.Check(cmd.Flags().Changed); err != nil {
		return err
	}
	folder, err := config.Open(dir)
	if err != nil {
		return cli.Usagef("%v", err)
	}
	out, err := output.New(cmd, outputs)
	if err != nil {
		return err
	}
	defer out.Close()
	began := time.Now()
	r, err := Run(ctx, folder, o, out)
	if err != nil {
		return err
	}
	return out.Conclude(r, outputs, began)
}
