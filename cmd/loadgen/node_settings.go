package main

import (
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanecast/lanecast/engine"
)

// maxNodeValidators is what node mode can play.
const maxNodeValidators = 1000

// nodeSettings are what the flags of node mode say.
type nodeSettings struct {
	settings
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

func defaultNodeSettings() *nodeSettings {
	s := &nodeSettings{
		settings: *defaultSettings(), schedule: constantRate, steps: 5, warmup: time.Second, feeders: 4,
		peerQuota: engine.DefaultPeerQuota,
	}
	s.outputs = defaultOutputs(&nodeResult{})
	s.mostValidators = maxNodeValidators
	s.validators, s.sequencers = 100, 100
	return s
}

// bindShape defines the flags that node mode and its sweeps have in common and that a sweep cannot list.
func (s *nodeSettings) bindShape(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.schedule, "schedule", s.schedule, "how the rate goes: constant, or step or ramp from --rate to --rate-to")
	f.Float64Var(&s.rateTo, "rate-to", s.rateTo, "acks/s at the end of a step or ramp schedule")
	f.IntVar(&s.steps, "steps", s.steps, "levels of a step schedule")
	f.DurationVar(&s.duration, "duration", s.duration, "how long to measure")
	f.DurationVar(&s.warmup, "warmup", s.warmup, "how long to run before that; longer if a round of acks takes longer")
	f.IntVar(&s.feeders, "feeders", s.feeders, "goroutines that deliver messages, each on a thread of its own")
	f.IntVar(&s.peerQuota, "peer-quota", s.peerQuota, "messages of one peer that may wait in the engine")
	f.StringVar(&s.data, "data", s.data, "folder to make the journal in, hence the disk to measure with (default: for temporary files)")
	f.Uint64Var(&s.seed, "seed", s.seed, "number that keys, roles and quorums follow from (default: random)")
	s.outputs.bind(cmd)
}

// bindSwept defines the flags that a sweep lists values of.
func (s *nodeSettings) bindSwept(cmd *cobra.Command) {
	f := cmd.Flags()
	s.settings.bind(f, "validators, the engine under test among them", "sequencers, hence lanes; the engine under test is the first")
	f.Float64Var(&s.rate, "rate", s.rate, "acks/s to send, whatever the engine does (default: as fast as it takes them)")
	f.Var(&percent{&s.load}, "load", "rate as a part of saturation, which is measured first: 80% or 0.8")
	f.IntVar(&s.inFlight, "in-flight", s.inFlight, "chunks under way at once without --rate (default: one of every lane)")
	f.Float64Var(&s.invalid, "invalid", s.invalid, "part of the validators whose acks are invalid, such as 0.3")
	f.BoolVar(&s.colluding, "colluding", s.colluding, "the errors of --invalid cancel, two by two")
	f.Float64Var(&s.silent, "silent", s.silent, "part of the validators that never ack")
	f.Float64Var(&s.late, "late", s.late, "part of the validators whose acks come a chunk late")
}

// check returns a usageError for the first flag that is out of range or does not go with another.
func (s *nodeSettings) check() error {
	if err := s.settings.check(); err != nil {
		return err
	}
	part := func(flag string, v float64) error {
		if !(v >= 0 && v < 1) {
			return usagef("--%s must be from 0 to less than 1, got %v", flag, v)
		}
		return nil
	}
	for _, err := range []error{part("invalid", s.invalid), part("silent", s.silent), part("late", s.late)} {
		if err != nil {
			return err
		}
	}
	const maxRate = 1e8
	switch {
	case s.validators < 4:
		return usagef("--validators must be from 4 to %d here: the others are played, and must make a quorum; got %d",
			maxNodeValidators, s.validators)
	case !(s.rate >= 0 && s.rate <= maxRate):
		return usagef("--rate must be from 0 to %.0f acks/s, got %v", maxRate, s.rate)
	case !(s.load >= 0 && s.load <= 2) || s.load == 0 && s.explicit("load"):
		return usagef("--load must be above 0 and at most 200%%, got %v", s.load)
	case s.load > 0 && s.rate > 0:
		return usagef("--load and --rate both say how fast to send; leave one out")
	case s.schedule != constantRate && s.schedule != stepRate && s.schedule != rampRate:
		return usagef("--schedule must be constant, step or ramp, got %q", s.schedule)
	case s.schedule != constantRate && (s.rate <= 0 || !(s.rateTo > 0 && s.rateTo <= maxRate)):
		return usagef("--schedule %s goes from --rate to --rate-to; give both, in acks/s", s.schedule)
	case s.schedule == constantRate && s.rateTo != 0:
		return usagef("--rate-to goes with --schedule step or ramp")
	case s.steps < 2 || s.steps > 100:
		return usagef("--steps must be from 2 to 100, got %d", s.steps)
	case s.explicit("steps") && s.schedule != stepRate:
		return usagef("--steps goes with --schedule step")
	case s.warmup < 0 || s.warmup > time.Minute:
		return usagef("--warmup must be from 0 to 1m, got %v", s.warmup)
	case s.duration < 100*time.Millisecond || s.duration > time.Hour:
		return usagef("--duration must be from 100ms to 1h here, got %v", s.duration)
	case s.feeders < 1 || s.feeders > 64:
		return usagef("--feeders must be from 1 to 64, got %d", s.feeders)
	case s.inFlight < 0 || s.inFlight > s.sequencers:
		return usagef("--in-flight must be from 1 to the number of lanes, %d, got %d", s.sequencers, s.inFlight)
	case s.inFlight > 0 && (s.rate > 0 || s.load > 0 || s.findMax > 0):
		return usagef("--in-flight goes without --rate, --load and --find-max: a fixed rate waits for nothing")
	case s.peerQuota < 8 || s.peerQuota > 1<<20:
		return usagef("--peer-quota must be from 8 to %d, got %d", 1<<20, s.peerQuota)
	case s.findMax < 0 || s.findMax > time.Minute || s.findMax == 0 && s.explicit("find-max"):
		return usagef("--find-max must be above 0 and at most 1m, got %v", s.findMax)
	case s.findMax > 0 && (s.rate > 0 || s.load > 0 || s.schedule != constantRate):
		return usagef("--find-max looks for the rate itself; leave --rate, --load and --schedule out")
	}
	if s.data != "" {
		if info, err := os.Stat(s.data); err != nil {
			return usagef("--data: %v; make the folder first", err)
		} else if !info.IsDir() {
			return usagef("--data: %s is no folder", s.data)
		}
	}
	_, err := newPopulation(s)
	return err
}

// percent is a flag value such as 80% or 0.8.
type percent struct{ v *float64 }

func (p *percent) Set(text string) error {
	number, isPercent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) {
		return usagef("%q is no part such as 80%% or 0.8", text)
	}
	if isPercent {
		v /= 100
	}
	*p.v = v
	return nil
}

func (p *percent) Type() string   { return "part" }
func (p *percent) String() string { return strconv.FormatFloat(*p.v, 'g', -1, 64) }
