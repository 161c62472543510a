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

// Limits of what one process can hold. A cluster's acks grow with the square of its validators.
const (
	maxValidators = 256
	maxSequencers = 1000
)

// config holds the flags of cluster mode; node mode has most of them too.
type config struct {
	validators int
	sequencers int
	scheme     string
	variant    string
	signatures string
	acks       string
	weights    string
	voting     []uint64 // the weights, by participant; nil: each validator counts 1
	workers    int
	batchSize  int
	batchDelay time.Duration
	duration   time.Duration
	data       string
	latency    time.Duration
	loss       float64
	seed       uint64
	output     outputConfig

	mostValidators int // of the mode

	// explicit reports whether a flag was given.
	explicit func(flag string) bool
}

func defaultConfig() *config {
	return &config{
		validators: 4, mostValidators: maxValidators,
		sequencers: 4,
		scheme:     string(testkit.Multisig),
		variant:    verify.MinSig.String(),
		signatures: verify.Compressed.String(),
		acks:       engine.AcksToAll.String(),
		weights:    equalWeights,
		workers:    max(1, runtime.GOMAXPROCS(0)-1), // as engine.Config.Workers 0
		batchSize:  engine.DefaultBatchSize,
		duration:   10 * time.Second,
		output:     defaultOutputConfig(&result{}),
		explicit:   func(string) bool { return false },
	}
}

// check returns a usageError for the first flag that is out of range. It draws a seed if none was
// given, and sets the weights.
func (cfg *config) check() error {
	switch {
	case cfg.validators < 1 || cfg.validators > cfg.mostValidators:
		return usagef("--validators must be from 1 to %d, got %d", cfg.mostValidators, cfg.validators)
	case cfg.sequencers < 1 || cfg.sequencers > maxSequencers:
		return usagef("--sequencers must be from 1 to %d, got %d", maxSequencers, cfg.sequencers)
	case cfg.workers < 1 || cfg.workers > 1024:
		return usagef("--workers must be from 1 to 1024, got %d", cfg.workers)
	case cfg.batchSize < 1 || cfg.batchSize > 65536:
		return usagef("--batch-size must be from 1 to 65536, got %d", cfg.batchSize)
	case cfg.batchDelay < 0 || cfg.batchDelay > time.Second:
		return usagef("--batch-delay must be from 0 to 1s, got %v", cfg.batchDelay)
	case cfg.duration <= 0:
		return usagef("--duration must be above 0, got %v", cfg.duration)
	case cfg.latency < 0 || cfg.latency > time.Minute:
		return usagef("--latency must be from 0 to 1m, got %v", cfg.latency)
	case !(cfg.loss >= 0 && cfg.loss < 1): // so written that NaN fails
		return usagef("--loss must be from 0 to less than 1, got %v", cfg.loss)
	case cfg.explicit("data") && cfg.data == "":
		return usagef("--data needs the name of a folder")
	}
	if err := cfg.checkNames(); err != nil {
		return err
	}
	if err := cfg.output.check(cfg.explicit); err != nil {
		return err
	}
	if !cfg.explicit("seed") {
		cfg.seed = uint64(rand.Uint32())
	}
	return cfg.weigh()
}

func (cfg *config) checkNames() error {
	switch testkit.Kind(cfg.scheme) {
	case testkit.Multisig, testkit.Threshold, testkit.Ed25519, testkit.Secp256r1:
	default:
		return usagef("--scheme must be multisig, threshold, ed25519 or secp256r1, got %q", cfg.scheme)
	}
	if cfg.variant != verify.MinSig.String() && cfg.variant != verify.MinPk.String() {
		return usagef("--variant must be minsig or minpk, got %q", cfg.variant)
	}
	if cfg.signatures != verify.Compressed.String() && cfg.signatures != verify.Uncompressed.String() {
		return usagef("--signatures must be compressed or uncompressed, got %q", cfg.signatures)
	}
	if !cfg.bls() && cfg.ackEncoding() == verify.Uncompressed {
		return usagef("--signatures uncompressed is for BLS; --scheme %s has one encoding only", cfg.scheme)
	}
	if cfg.acks != engine.AcksToAll.String() && cfg.acks != engine.AcksToSequencer.String() {
		return usagef("--acks must be all or sequencer, got %q", cfg.acks)
	}
	if cfg.kind() == testkit.Threshold && cfg.weights != equalWeights {
		return usagef("--weights is not for threshold; in --scheme threshold each validator has one share")
	}
	return nil
}

// bind defines the flags about all engines; each mode describes those about their numbers.
func (cfg *config) bind(f *pflag.FlagSet, validators, sequencers string) {
	f.IntVar(&cfg.validators, "validators", cfg.validators, validators)
	f.IntVar(&cfg.sequencers, "sequencers", cfg.sequencers, sequencers)
	f.StringVar(&cfg.scheme, "scheme", cfg.scheme, "what certifies: multisig, threshold, ed25519 or secp256r1")
	f.StringVar(&cfg.variant, "variant", cfg.variant, "where BLS signatures lie: minsig (G1) or minpk (G2)")
	f.StringVar(&cfg.signatures, "signatures", cfg.signatures, "how acks carry BLS signatures: compressed or uncompressed")
	f.StringVar(&cfg.acks, "acks", cfg.acks, "to whom acks go: all, or the sequencer, which then sends the certificate")
	f.StringVar(&cfg.weights, "weights", cfg.weights, "validators' voting power: equal, zipf, or a file with a whole number on each line")
	f.IntVar(&cfg.workers, "workers", cfg.workers, "verification workers of an engine; the default is its own: processors − 1, at least 1")
	f.IntVar(&cfg.batchSize, "batch-size", cfg.batchSize, "statements verified together, at most")
	f.DurationVar(&cfg.batchDelay, "batch-delay", cfg.batchDelay, "how long a smaller batch is held back for more")
}

func (cfg *config) kind() testkit.Kind { return testkit.Kind(cfg.scheme) }

// bls reports whether the scheme has a variant, and acks that may be uncompressed.
func (cfg *config) bls() bool {
	return cfg.kind() == testkit.Multisig || cfg.kind() == testkit.Threshold
}

func (cfg *config) blsVariant() verify.Variant {
	if cfg.variant == verify.MinPk.String() {
		return verify.MinPk
	}
	return verify.MinSig
}

func (cfg *config) ackEncoding() verify.AckEncoding {
	if cfg.signatures == verify.Uncompressed.String() {
		return verify.Uncompressed
	}
	return verify.Compressed
}

// acksTo returns to whom acks go.
func (cfg *config) acksTo() engine.Acks {
	if cfg.acks == engine.AcksToSequencer.String() {
		return engine.AcksToSequencer
	}
	return engine.AcksToAll
}

func (cfg *config) acksToSequencer() bool { return cfg.acksTo() == engine.AcksToSequencer }
