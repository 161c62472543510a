package node

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/output"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/engine"
)

// maxNodeValidators is the largest number of validators in node mode.
const maxNodeValidators = 1000

// Config holds the flags of node mode.
type Config struct {
	setup.Config
	Output    output.Config
	rate      float64 // acks/s; 0: as fast as the engine takes them
	load      float64 // part of saturation; 0: rate counts
	schedule  string
	rateTo    float64
	steps     int
	warmup    time.Duration
	inFlight  int
	feeders   int
	peerQuota int
	invalid   float64
	colluding bool
	silent    float64
	late      float64
	findMax   time.Duration
}

// DefaultConfig returns the defaults of node mode.
func DefaultConfig() *Config {
	cfg := &Config{
		Config: *setup.Default(), schedule: constantRate, steps: 5, warmup: time.Second, feeders: 4,
		peerQuota: engine.DefaultPeerQuota,
	}
	cfg.Output = output.DefaultConfig(&Result{})
	cfg.MostValidators = maxNodeValidators
	cfg.Validators, cfg.Sequencers = 100, 100
	return cfg
}

// BindShape defines the flags that node mode and its sweeps have in common and that a sweep cannot
// list.
func (cfg *Config) BindShape(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&cfg.schedule, "schedule", cfg.schedule, "course of the rate: constant, or step or ramp from --rate to --rate-to")
	f.Float64Var(&cfg.rateTo, "rate-to", cfg.rateTo, "acks/s at the end of a step or ramp schedule")
	f.IntVar(&cfg.steps, "steps", cfg.steps, "levels of a step schedule")
	f.DurationVar(&cfg.Duration, "duration", cfg.Duration, "time to measure")
	f.DurationVar(&cfg.warmup, "warmup", cfg.warmup, "time to run before that; longer if a round of acks takes longer")
	f.IntVar(&cfg.feeders, "feeders", cfg.feeders, "goroutines that deliver messages, each on a thread of its own")
	f.IntVar(&cfg.peerQuota, "peer-quota", cfg.peerQuota, "messages of one peer that may wait in the engine")
	f.StringVar(&cfg.Data, "data", cfg.Data, "folder to make the journal in, hence the disk to measure with (default: for temporary files)")
	f.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "number that determines keys, roles and quorums (default: random)")
	cfg.Output.Bind(cmd)
}

// bindSwept defines the flags that a sweep lists values of.
func (cfg *Config) bindSwept(cmd *cobra.Command) {
	f := cmd.Flags()
	cfg.Config.Bind(f, "validators, the engine under test among them", "sequencers, hence lanes; the engine under test is the first")
	f.Float64Var(&cfg.rate, "rate", cfg.rate, "acks/s to send, independent of the engine (default: as fast as it takes them)")
	f.Var(cli.Percent(&cfg.load), "load", "rate as a part of saturation, which is measured first: 80% or 0.8")
	f.IntVar(&cfg.inFlight, "in-flight", cfg.inFlight, "chunks under way at once without --rate (default: one of every lane)")
	f.Var(cli.Percent(&cfg.invalid), "invalid", "part of the validators whose acks are invalid, such as 0.3 or 30%, or, with acks to the sequencer, certificates")
	f.BoolVar(&cfg.colluding, "colluding", cfg.colluding, "the errors of --invalid cancel, two by two")
	f.Var(cli.Percent(&cfg.silent), "silent", "part of the validators that never ack")
	f.Var(cli.Percent(&cfg.late), "late", "part of the validators whose acks come a chunk late")
}

// Check returns a cli.usageError for the first flag that is out of range or does not go with
// another.
func (cfg *Config) Check() error {
	if err := cfg.Config.Check(); err != nil {
		return err
	}
	if err := cfg.Output.Check(cfg.Explicit); err != nil {
		return err
	}
	cfg.lighten()
	part := func(flag string, v float64) error {
		if !(v >= 0 && v < 1) {
			return cli.Usagef("--%s must be from 0 to less than 1, got %v", flag, v)
		}
		return nil
	}
	for _, err := range []error{part("invalid", cfg.invalid), part("silent", cfg.silent), part("late", cfg.late)} {
		if err != nil {
			return err
		}
	}
	const maxRate = 1e8
	switch {
	case cfg.Validators < 4:
		return cli.Usagef("--validators must be from 4 to %d here: the generator plays the others, which must be a quorum; got %d",
			maxNodeValidators, cfg.Validators)
	case !(cfg.rate >= 0 && cfg.rate <= maxRate):
		return cli.Usagef("--rate must be from 0 to %.0f acks/s, got %v", maxRate, cfg.rate)
	case !(cfg.load >= 0 && cfg.load <= 2) || cfg.load == 0 && cfg.Explicit("load"):
		return cli.Usagef("--load must be above 0 and at most 200%%, got %v", cfg.load)
	case cfg.load > 0 && cfg.rate > 0:
		return cli.Usagef("--load and --rate both set the rate; leave one out")
	case cfg.schedule != constantRate && cfg.schedule != stepRate && cfg.schedule != rampRate:
		return cli.Usagef("--schedule must be constant, step or ramp, got %q", cfg.schedule)
	case cfg.schedule != constantRate && (cfg.rate <= 0 || !(cfg.rateTo > 0 && cfg.rateTo <= maxRate)):
		return cli.Usagef("--schedule %s goes from --rate to --rate-to; give both, in acks/s", cfg.schedule)
	case cfg.schedule == constantRate && cfg.rateTo != 0:
		return cli.Usagef("--rate-to goes with --schedule step or ramp")
	case cfg.steps < 2 || cfg.steps > 100:
		return cli.Usagef("--steps must be from 2 to 100, got %d", cfg.steps)
	case cfg.Explicit("steps") && cfg.schedule != stepRate:
		return cli.Usagef("--steps goes with --schedule step")
	case cfg.warmup < 0 || cfg.warmup > time.Minute:
		return cli.Usagef("--warmup must be from 0 to 1m, got %v", cfg.warmup)
	case cfg.Duration < 100*time.Millisecond || cfg.Duration > time.Hour:
		return cli.Usagef("--duration must be from 100ms to 1h here, got %v", cfg.Duration)
	case cfg.feeders < 1 || cfg.feeders > 64:
		return cli.Usagef("--feeders must be from 1 to 64, got %d", cfg.feeders)
	case cfg.inFlight < 0 || cfg.inFlight > cfg.Sequencers:
		return cli.Usagef("--in-flight must be from 1 to the number of lanes, %d, got %d", cfg.Sequencers, cfg.inFlight)
	case cfg.inFlight > 0 && (cfg.rate > 0 || cfg.load > 0 || cfg.findMax > 0):
		return cli.Usagef("--in-flight goes without --rate, --load and --find-max: a fixed rate waits for nothing")
	case cfg.peerQuota < 8 || cfg.peerQuota > 1<<20:
		return cli.Usagef("--peer-quota must be from 8 to %d, got %d", 1<<20, cfg.peerQuota)
	case cfg.findMax < 0 || cfg.findMax > time.Minute || cfg.findMax == 0 && cfg.Explicit("find-max"):
		return cli.Usagef("--find-max must be above 0 and at most 1m, got %v", cfg.findMax)
	case cfg.findMax > 0 && (cfg.rate > 0 || cfg.load > 0 || cfg.schedule != constantRate):
		return cli.Usagef("--find-max looks for the rate itself; leave --rate, --load and --schedule out")
	}
	if cfg.Data != "" {
		if info, err := os.Stat(cfg.Data); err != nil {
			return cli.Usagef("--data: %v; make the folder first", err)
		} else if !info.IsDir() {
			return cli.Usagef("--data: %s is no folder", cfg.Data)
		}
	}
	_, err := newPopulation(cfg)
	return err
}

// lighten exchanges the weight of the engine under test for another validator's if --weights zipf
// gave it the first rank: in a small set that rank has more than a third of the weight, and the
// others could certify nothing without it.
func (cfg *Config) lighten() {
	if w := cfg.Voting; cfg.Weights == setup.ZipfWeights && len(w) > 1 && w[self] == setup.ZipfScale {
		w[self], w[self+1] = w[self+1], w[self]
	}
}

// SweptFlags returns the flags whose values a sweep may list; they set s.
func (cfg *Config) SweptFlags() *pflag.FlagSet {
	c := &cobra.Command{}
	c.Flags().SortFlags = false
	cfg.bindSwept(c)
	return c.Flags()
}
