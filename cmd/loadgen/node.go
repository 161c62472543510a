package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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
			"Latency is from when a quorum of acks was due to the certificate. 1 as exit status says that the run failed or that\n" +
			"a --require was not met.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.explicit = cmd.Flags().Changed
			return runNode(cmd, s)
		},
	}
	cmd.Flags().SortFlags = false
	s.bindSwept(cmd)
	s.bindShape(cmd)
	cmd.Flags().DurationVar(&s.findMax, "find-max", s.findMax, "search the highest rate with a p99 latency within this bound, and hold it for --duration")
	cmd.Flags().StringArrayVar(&s.require, "require", nil, "condition for exit status 0, such as 'p99<20ms' or 'acks_per_s>50000'; may be repeated")
	return cmd
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q; loadgen --help lists the flags", args[0])
	}
	return nil
}

// desk is what node mode and sweeps write to.
type desk struct {
	sink    *sink
	serving *serving
	screen  screen
	human   io.Writer
	log     io.Writer

	saturations map[string]float64 // by what they depend on: runs of a sweep over --load share one
}

// newDesk opens all that a command is to write, so that what cannot be is found out before the first run.
func newDesk(cmd *cobra.Command, s *nodeSettings) (*desk, error) {
	d := &desk{human: cmd.OutOrStdout(), log: cmd.ErrOrStderr()}
	if s.json == "-" {
		d.human = cmd.ErrOrStderr()
	}
	var err error
	if d.sink, err = openSink(s.json, cmd.OutOrStdout()); err != nil {
		return nil, err
	}
	if d.serving, err = s.outputs.open(); err != nil {
		d.sink.close()
		return nil, err
	}
	d.screen = newScreen(s.outputs.live, d.human)
	for _, a := range d.serving.addresses {
		say(d.human, "%s", a)
	}
	return d, nil
}

func (d *desk) close() {
	d.serving.close()
	d.sink.close()
}

// runNode is node mode, from checked flags to the written result.
func runNode(cmd *cobra.Command, s *nodeSettings) error {
	if err := s.check(); err != nil {
		return err
	}
	d, err := newDesk(cmd, s)
	if err != nil {
		return err
	}
	defer d.close()
	started := time.Now()
	r, err := measureNode(cmd.Context(), s, d)
	d.screen.end()
	if err != nil {
		return err
	}
	r.Unmet = append([]string{}, unmet(s.requirements, r)...)
	r.print(d.human, time.Since(started))
	err = d.sink.writeAny(r)
	if d.serving.report != nil {
		err = errors.Join(err, writeNodeReport(d.serving.report, r))
	}
	if err != nil {
		return err
	}
	return r.verdict()
}

// measureNode runs as often as the settings say and returns the median run.
func measureNode(ctx context.Context, s *nodeSettings, d *desk) (*nodeResult, error) {
	b, err := newBench(ctx, s, d.screen, d.log, d.serving)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	rate, saturation, trials := s.rate, 0.0, []trialPoint(nil)
	switch {
	case s.load > 0:
		if saturation, err = d.saturation(ctx, b); err != nil {
			return nil, err
		}
		rate = s.load * saturation
	case s.findMax > 0:
		if rate, saturation, trials, err = b.findMax(ctx, s.findMax); err != nil {
			return nil, err
		}
	}
	var runs []*nodeResult
	for i := range s.repeat {
		if s.repeat > 1 {
			d.screen.note("run %d of %d", i+1, s.repeat)
		}
		r, err := b.run(ctx, rate, s.rateTo, s.duration)
		if err != nil {
			if len(runs) > 0 { // stopped while the next was being prepared: what was measured counts
				break
			}
			return nil, err
		}
		r.Saturation, r.Trials = saturation, trials
		runs = append(runs, r)
		if ctx.Err() != nil {
			break
		}
	}
	r := summarize(runs)
	r.Interrupted = r.Interrupted || ctx.Err() != nil
	return r, nil
}

// saturation returns that of a bench, measured once for all that differ in load only.
func (d *desk) saturation(ctx context.Context, b *bench) (float64, error) {
	s := b.settings
	key := fmt.Sprint(s.validators, s.sequencers, s.scheme, s.variant, s.signatures, s.workers, s.batchSize, s.batchDelay,
		s.invalid, s.colluding, s.silent, s.late)
	if known, ok := d.saturations[key]; ok {
		return known, nil
	}
	v, err := b.saturation(ctx)
	if err == nil {
		if d.saturations == nil {
			d.saturations = make(map[string]float64)
		}
		d.saturations[key] = v
	}
	return v, err
}

// saturation measures how many acks/s the engine takes when fed as fast as it can.
func (b *bench) saturation(ctx context.Context) (float64, error) {
	b.screen.note("measuring saturation")
	r, err := b.run(ctx, 0, 0, max(min(2*time.Second, b.settings.duration), b.settings.duration/3))
	if err != nil {
		return 0, err
	}
	if ctx.Err() != nil {
		return 0, interrupted(ctx, ctx.Err())
	}
	if r.AcksPerSecond <= 0 {
		return 0, errors.New("measuring saturation: nothing was taken in")
	}
	return r.AcksPerSecond, nil
}
