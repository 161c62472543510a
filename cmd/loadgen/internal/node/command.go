package node

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/output"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
)

// NewCommand returns node mode.
func NewCommand() *cobra.Command {
	cfg := DefaultConfig()
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Measure one engine, with all other validators and sequencers played by a generator",
		Long: "Runs one real engine, validator and sequencer, and plays all others: their nodes and acks are signed beforehand\n" +
			"and delivered from many goroutines, as fast as the engine takes them, or at a fixed --rate that does not depend on it.\n" +
			"CPU time of the generator is not the engine's in the result (on Linux; elsewhere it is).\n\n" +
			"Latency is from when a quorum of acks was due to the certificate. At a fixed rate a chunk that was due and not\n" +
			"certified counts with its wait, and a run is not good if it takes less than 99 % of the offered acks, or\n" +
			"certifies less than that of the due chunks. The node's own lane proposes one chunk at a time; its due chunks count too.\n\n" +
			"Exit status 0: the run was good and all --require are met. 1: otherwise, or it was interrupted before the requested\n" +
			"run, during --find-max or the measuring of saturation. 2: the command line asks for something impossible.\n" +
			"If interrupted, it writes the measurements until then.",
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Explicit = cmd.Flags().Changed
			return runCommand(cmd, cfg)
		},
	}
	cmd.Flags().SortFlags = false
	cfg.bindSwept(cmd)
	cmd.Flags().DurationVar(&cfg.findMax, "find-max", cfg.findMax, "search the highest rate with a p99 latency within this bound, and hold it for --duration")
	cfg.BindShape(cmd)
	cfg.Output.BindRequire(cmd)
	return cmd
}

// runCommand runs node mode: it checks the flags, measures and writes the result.
func runCommand(cmd *cobra.Command, cfg *Config) error {
	if err := cfg.Check(); err != nil {
		return err
	}
	out, err := output.New(cmd, &cfg.Output)
	if err != nil {
		return err
	}
	defer out.Close()
	began := time.Now()
	r, err := Measure(cmd.Context(), cfg, out, make(Saturations))
	if err != nil {
		return err
	}
	return out.Conclude(r, &cfg.Output, began)
}

// Measure searches the rate, if a search is configured, runs as often as configured and returns the
// median run. If ctx ends it returns the results so far, and an error only if there are none.
func Measure(ctx context.Context, cfg *Config, out *output.Output, known Saturations) (*Result, error) {
	h, err := newHarness(ctx, cfg, out)
	if err != nil {
		return nil, cli.Interrupted(ctx, err)
	}
	found := search{rate: cfg.rate}
	switch {
	case cfg.load > 0:
		found, err = h.partOfSaturation(ctx, known)
	case cfg.findMax > 0:
		found, err = h.findMax(ctx, cfg.findMax)
	}
	if err != nil {
		return nil, err
	}
	if found.problem != "" || found.soFar != nil && ctx.Err() != nil {
		return found.unfinished(ctx.Err() != nil), nil
	}
	r, err := report.Repeat(ctx, cfg.Output.Repeat, out.Screen.Note, func() (*Result, error) {
		duration := cfg.Duration
		if cfg.findMax > 0 {
			duration = h.lasting(duration, found.rate)
		}
		r, err := h.run(ctx, StageRun, found.rate, duration)
		if err == nil {
			r.Saturation, r.Tried = found.saturation, found.tried
		}
		return r, err
	})
	if err != nil && found.soFar != nil && ctx.Err() != nil {
		return found.unfinished(true), nil
	}
	return r, err
}
