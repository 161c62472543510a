package main

import (
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/spf13/pflag"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
)

// What a process can reasonably hold. A cluster's acks grow with the square of its validators.
const (
	maxValidators = 256
	maxSequencers = 1000
)

// settings are what the flags say.
type settings struct {
	validators int
	sequencers int
	scheme     string
	variant    string
	signatures string
	workers    int
	batchSize  int
	batchDelay time.Duration
	duration   time.Duration
	data       string
	latency    time.Duration
	loss       float64
	seed       uint64
	outputs    outputs

	mostValidators int // of the mode

	// explicit reports whether a flag was given.
	explicit func(flag string) bool
}

func defaultSettings() *settings {
	return &settings{
		validators: 4, mostValidators: maxValidators,
		sequencers: 4,
		scheme:     string(testkit.Multisig),
		variant:    verify.MinSig.String(),
		signatures: verify.Compressed.String(),
		workers:    max(1, runtime.GOMAXPROCS(0)-1), // what engine.Config.Workers 0 stands for
		batchSize:  engine.DefaultBatchSize,
		duration:   10 * time.Second,
		outputs:    defaultOutputs(&result{}),
		explicit:   func(string) bool { return false },
	}
}

// check returns a usageError for the first flag that is out of range, and draws a seed if none was given.
func (s *settings) check() error {
	switch {
	case s.validators < 1 || s.validators > s.mostValidators:
		return usagef("--validators must be from 1 to %d, got %d", s.mostValidators, s.validators)
	case s.sequencers < 1 || s.sequencers > maxSequencers:
		return usagef("--sequencers must be from 1 to %d, got %d", maxSequencers, s.sequencers)
	case s.workers < 1 || s.workers > 1024:
		return usagef("--workers must be from 1 to 1024, got %d", s.workers)
	case s.batchSize < 1 || s.batchSize > 65536:
		return usagef("--batch-size must be from 1 to 65536, got %d", s.batchSize)
	case s.batchDelay < 0 || s.batchDelay > time.Second:
		return usagef("--batch-delay must be from 0 to 1s, got %v", s.batchDelay)
	case s.duration <= 0:
		return usagef("--duration must be above 0, got %v", s.duration)
	case s.latency < 0 || s.latency > time.Minute:
		return usagef("--latency must be from 0 to 1m, got %v", s.latency)
	case !(s.loss >= 0 && s.loss < 1): // so written that NaN fails
		return usagef("--loss must be from 0 to less than 1, got %v", s.loss)
	case s.explicit("data") && s.data == "":
		return usagef("--data needs the name of a folder")
	}
	if err := s.checkNames(); err != nil {
		return err
	}
	if err := s.outputs.check(s.explicit); err != nil {
		return err
	}
	if !s.explicit("seed") {
		s.seed = uint64(rand.Uint32())
	}
	return nil
}

func (s *settings) checkNames() error {
	switch testkit.Kind(s.scheme) {
	case testkit.Multisig, testkit.Threshold, testkit.Ed25519:
	default:
		return usagef("--scheme must be multisig, threshold or ed25519, got %q", s.scheme)
	}
	if s.variant != verify.MinSig.String() && s.variant != verify.MinPk.String() {
		return usagef("--variant must be minsig or minpk, got %q", s.variant)
	}
	if s.signatures != verify.Compressed.String() && s.signatures != verify.Uncompressed.String() {
		return usagef("--signatures must be compressed or uncompressed, got %q", s.signatures)
	}
	if s.kind() == testkit.Ed25519 && s.ackEncoding() == verify.Uncompressed {
		return usagef("--signatures uncompressed is for BLS; --scheme ed25519 has one encoding only")
	}
	return nil
}

// bind defines the flags that say what all engines are; how many is each mode's to describe.
func (s *settings) bind(f *pflag.FlagSet, validators, sequencers string) {
	f.IntVar(&s.validators, "validators", s.validators, validators)
	f.IntVar(&s.sequencers, "sequencers", s.sequencers, sequencers)
	f.StringVar(&s.scheme, "scheme", s.scheme, "what certifies: multisig, threshold or ed25519")
	f.StringVar(&s.variant, "variant", s.variant, "where BLS signatures lie: minsig (G1) or minpk (G2); ed25519 has none")
	f.StringVar(&s.signatures, "signatures", s.signatures, "how acks carry BLS signatures: compressed or uncompressed")
	f.IntVar(&s.workers, "workers", s.workers, "verification workers of an engine; the default is its own: processors − 1, at least 1")
	f.IntVar(&s.batchSize, "batch-size", s.batchSize, "statements verified together, at most")
	f.DurationVar(&s.batchDelay, "batch-delay", s.batchDelay, "how long a smaller batch is held back for more")
}

func (s *settings) kind() testkit.Kind { return testkit.Kind(s.scheme) }

func (s *settings) blsVariant() verify.Variant {
	if s.variant == verify.MinPk.String() {
		return verify.MinPk
	}
	return verify.MinSig
}

func (s *settings) ackEncoding() verify.AckEncoding {
	if s.signatures == verify.Uncompressed.String() {
		return verify.Uncompressed
	}
	return verify.Compressed
}
