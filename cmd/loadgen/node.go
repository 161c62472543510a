package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// newNodeCommand returns node mode.
func newNodeCommand() *cobra.Command {
	s := defaultNodeSettings()
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Measure one engine, with all other validators and sequencers played by a generator",
		Long: "Runs one real engine, validator and sequencer, and plays everybody else: their nodes and acks are signed beforehand\n" +
			"and delivered from many goroutines, as fast as the engine takes them, or at a fixed --rate whatever it does.\n" +
			"CPU time of the generator is not the engine's in the result (on Linux; elsewhere it is).\n\n" +
			"Latency is from when a quorum of acks was due to the certificate.\n\n" +
			"Exit status 0: the run was good and all --require are met. 1: not so, or it was interrupted before the run that was\n" +
			"asked for, during --find-max or the measuring of saturation. 2: the command line asks for something impossible.\n" +
			"Once interrupted, it writes what it measured until then.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.explicit = cmd.Flags().Changed
			return runNode(cmd, s)
		},
	}
	cmd.Flags().SortFlags = false
	s.bindSwept(cmd)
	cmd.Flags().DurationVar(&s.findMax, "find-max", s.findMax, "search the highest rate with a p99 latency within this bound, and hold it for --duration")
	s.bindShape(cmd)
	s.outputs.bindRequire(cmd)
	return cmd
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q; loadgen --help lists the flags", args[0])
	}
	return nil
}

// runNode is node mode, from checked flags to the written result.
func runNode(cmd *cobra.Command, s *nodeSettings) error {
	if err := s.check(); err != nil {
		return err
	}
	d, err := newDesk(cmd, &s.outputs)
	if err != nil {
		return err
	}
	defer d.close()
	began := time.Now()
	r, err := measureNode(cmd.Context(), s, d, make(saturations))
	if err != nil {
		return err
	}
	return d.conclude(r, &s.outputs, began)
}

// measureNode finds the rate, if it is to be found, runs as often as the settings say and returns the median run. If
// ctx ends it returns what has been measured, and an error only if nothing has.
func measureNode(ctx context.Context, s *nodeSettings, d *desk, known saturations) (*nodeResult, error) {
	b, err := newBench(ctx, s, d)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	found := search{rate: s.rate}
	switch {
	case s.load > 0:
		found, err = b.partOfSaturation(ctx, known)
	case s.findMax > 0:
		found, err = b.findMax(ctx, s.findMax)
	}
	if err != nil {
		return nil, err
	}
	if found.problem != "" || found.soFar != nil && ctx.Err() != nil {
		return found.unfinished(ctx.Err() != nil), nil
	}
	r, err := repeatedly(ctx, s.outputs.repeat, d.screen, func() (*nodeResult, error) {
		r, err := b.run(ctx, stageRun, found.rate, s.duration)
		if err == nil {
			r.Saturation, r.Trials = found.saturation, found.trials
		}
		return r, err
	})
	if err != nil && found.soFar != nil && ctx.Err() != nil {
		return found.unfinished(true), nil
	}
	return r, err
}
