package config

import (
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
)

// NewCommand returns the command that makes the folders of a network.
func NewCommand() *cobra.Command {
	plan := &Plan{Config: *setup.Default(), Run: Run{Wait: Duration(DefaultWait)}}
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make the keys and configuration of a network whose members run on several machines",
		Long: "Draws all keys and writes a folder for each member below DIR, which is new or empty. Copy each to its machine, and there\n" +
			"only, and run «loadgen member» with it. Of --scheme threshold this program is the trusted dealer: the keys are for load.",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usagef("want one folder, got %d; %s --help says more", len(args), cmd.CommandPath())
			}
			return initCommand(cmd, args[0], plan)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVar(&plan.Addresses, "address", nil, "HOST:PORT at which the others reach a member; once for each, or several with commas")
	plan.Bind(f, "validators in the network", "sequencers, hence lanes; members past the validators only sequence")
	f.DurationVar(&plan.Duration, "duration", plan.Duration, "how long to measure")
	f.DurationVar((*time.Duration)(&plan.Run.Wait), "wait", time.Duration(plan.Run.Wait), "how long members wait for all others; then a quorum is enough")
	f.StringVar(&plan.Run.Start, "start", "", "when to begin to measure, as 2026-01-31T18:00:00Z (default: as soon as all are connected)")
	plan.Link.Bind(f)
	plan.Bodies.BindOfNetwork(f)
	f.DurationVar(&plan.Keep, "keep", DefaultKeep, "how long a member keeps delivered bodies, for members that are behind or away")
	f.Uint64Var(&plan.Seed, "seed", plan.Seed, "seed of payloads and of the links' randomness (default: random); keys are always random")
	return cmd
}

// Bind defines the flags about the delays and losses of a member's outgoing traffic.
func (l *Link) Bind(f *pflag.FlagSet) {
	f.DurationVar((*time.Duration)(&l.Latency), "latency", time.Duration(l.Latency), "one-way latency of every link")
	f.Var(cli.Percent(&l.Loss), "loss", "part of the messages that is lost, from 0 to less than 1: 0.1 or 10%")
	l.BindMore(f)
}

// BindMore defines the flags that a simulated network does not have.
func (l *Link) BindMore(f *pflag.FlagSet) {
	f.DurationVar((*time.Duration)(&l.Jitter), "jitter", time.Duration(l.Jitter), "upper bound of a random delay in addition to --latency")
	f.Float64Var(&l.Bandwidth, "bandwidth", l.Bandwidth, "Mbit/s that a member can send to all others together; 0: unlimited")
}

func initCommand(cmd *cobra.Command, dir string, plan *Plan) error {
	plan.Explicit = cmd.Flags().Changed
	if err := plan.Check(); err != nil {
		return err
	}
	if err := plan.Bodies.Check(&plan.Config); err != nil {
		return err
	}
	plan.PerDisk = 1
	if plan.Explicit("workers") {
		plan.Own = plan.Workers
	}
	plan.Run.Duration = Duration(plan.Duration)
	if err := Init(dir, plan); err != nil {
		return err
	}
	n, _, err := ReadNetwork(filepath.Join(dir, NetworkName))
	if err != nil {
		return err
	}
	for _, line := range n.Summary(dir) {
		cli.Say(cmd.OutOrStdout(), "%s", line)
	}
	return nil
}
