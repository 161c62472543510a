package setup

import (
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/spf13/pflag"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
)

// Limits of one process. A cluster's acks grow with the square of its validators.
const (
	maxValidators = 256
	maxSequencers = 1000
)

// Config holds the flags about all engines of a run. Both modes have them.
type Config struct {
	Validators int
	Sequencers int
	Scheme     string
	Variant    string
	Signatures string
	Acks       string
	Weights    string
	Voting     []uint64 // the weights, by participant; nil: each validator counts 1
	Workers    int
	BatchSize  int
	BatchDelay time.Duration
	Duration   time.Duration
	Data       string
	Seed       uint64

	MostValidators int // of the mode

	// Explicit reports whether a flag was given.
	Explicit func(flag string) bool
}

// Default returns the defaults of cluster mode.
func Default() *Config {
	return &Config{
		Validators: 4, MostValidators: maxValidators,
		Sequencers: 4,
		Scheme:     string(testkit.Multisig),
		Variant:    verify.MinSig.String(),
		Signatures: verify.Compressed.String(),
		Acks:       engine.AcksToAll.String(),
		Weights:    EqualWeights,
		Workers:    max(1, runtime.GOMAXPROCS(0)-1), // as engine.Config.Workers 0
		BatchSize:  engine.DefaultBatchSize,
		Duration:   10 * time.Second,
		Explicit:   func(string) bool { return false },
	}
}

// Check returns a cli.usageError for the first flag that is out of range. It draws a seed if none
// was given, and sets the weights.
func (cfg *Config) Check() error {
	switch {
	case cfg.Validators < 1 || cfg.Validators > cfg.MostValidators:
		return cli.Usagef("--validators must be from 1 to %d, got %d", cfg.MostValidators, cfg.Validators)
	case cfg.Sequencers < 1 || cfg.Sequencers > maxSequencers:
		return cli.Usagef("--sequencers must be from 1 to %d, got %d", maxSequencers, cfg.Sequencers)
	case cfg.Workers < 1 || cfg.Workers > 1024:
		return cli.Usagef("--workers must be from 1 to 1024, got %d", cfg.Workers)
	case cfg.BatchSize < 1 || cfg.BatchSize > 65536:
		return cli.Usagef("--batch-size must be from 1 to 65536, got %d", cfg.BatchSize)
	case cfg.BatchDelay < 0 || cfg.BatchDelay > time.Second:
		return cli.Usagef("--batch-delay must be from 0 to 1s, got %v", cfg.BatchDelay)
	case cfg.Duration <= 0:
		return cli.Usagef("--duration must be above 0, got %v", cfg.Duration)
	case cfg.Explicit("data") && cfg.Data == "":
		return cli.Usagef("--data needs the name of a folder")
	}
	if err := cfg.checkNames(); err != nil {
		return err
	}
	if !cfg.Explicit("seed") {
		cfg.Seed = uint64(rand.Uint32())
	}
	return cfg.weigh()
}

func (cfg *Config) checkNames() error {
	switch testkit.Kind(cfg.Scheme) {
	case testkit.Multisig, testkit.Threshold, testkit.Ed25519, testkit.Secp256r1:
	default:
		return cli.Usagef("--scheme must be multisig, threshold, ed25519 or secp256r1, got %q", cfg.Scheme)
	}
	if cfg.Variant != verify.MinSig.String() && cfg.Variant != verify.MinPk.String() {
		return cli.Usagef("--variant must be minsig or minpk, got %q", cfg.Variant)
	}
	if cfg.Signatures != verify.Compressed.String() && cfg.Signatures != verify.Uncompressed.String() {
		return cli.Usagef("--signatures must be compressed or uncompressed, got %q", cfg.Signatures)
	}
	if !cfg.BLS() && cfg.AckEncoding() == verify.Uncompressed {
		return cli.Usagef("--signatures uncompressed is for BLS; --scheme %s has one encoding only", cfg.Scheme)
	}
	if cfg.Acks != engine.AcksToAll.String() && cfg.Acks != engine.AcksToSequencer.String() {
		return cli.Usagef("--acks must be all or sequencer, got %q", cfg.Acks)
	}
	if cfg.Kind() == testkit.Threshold && cfg.Weights != EqualWeights {
		return cli.Usagef("--weights is not for threshold; in --scheme threshold each validator has one share")
	}
	return nil
}

// Bind defines the flags about all engines; each mode describes those about their numbers.
func (cfg *Config) Bind(f *pflag.FlagSet, validators, sequencers string) {
	f.IntVar(&cfg.Validators, "validators", cfg.Validators, validators)
	f.IntVar(&cfg.Sequencers, "sequencers", cfg.Sequencers, sequencers)
	f.StringVar(&cfg.Scheme, "scheme", cfg.Scheme, "signature scheme: multisig, threshold, ed25519 or secp256r1")
	f.StringVar(&cfg.Variant, "variant", cfg.Variant, "group of BLS signatures: minsig (G1) or minpk (G2)")
	f.StringVar(&cfg.Signatures, "signatures", cfg.Signatures, "encoding of BLS signatures in acks: compressed or uncompressed")
	f.StringVar(&cfg.Acks, "acks", cfg.Acks, "recipients of acks: all, or the sequencer, which then sends the certificate")
	f.StringVar(&cfg.Weights, "weights", cfg.Weights, "validators' voting power: equal, zipf, or a file with a whole number on each line")
	f.IntVar(&cfg.Workers, "workers", cfg.Workers, "verification workers of an engine; the default is its own: processors − 1, at least 1")
	f.IntVar(&cfg.BatchSize, "batch-size", cfg.BatchSize, "statements verified together, at most")
	f.DurationVar(&cfg.BatchDelay, "batch-delay", cfg.BatchDelay, "time that a smaller batch waits for more")
}

// Kind returns the kind of scheme.
func (cfg *Config) Kind() testkit.Kind { return testkit.Kind(cfg.Scheme) }

// BLS reports whether the scheme has a variant, and acks that may be uncompressed.
func (cfg *Config) BLS() bool {
	return cfg.Kind() == testkit.Multisig || cfg.Kind() == testkit.Threshold
}

// BLSVariant returns the group of BLS signatures.
func (cfg *Config) BLSVariant() verify.Variant {
	if cfg.Variant == verify.MinPk.String() {
		return verify.MinPk
	}
	return verify.MinSig
}

// AckEncoding returns the encoding of acks.
func (cfg *Config) AckEncoding() verify.AckEncoding {
	if cfg.Signatures == verify.Uncompressed.String() {
		return verify.Uncompressed
	}
	return verify.Compressed
}

// AcksTo returns the recipients of acks.
func (cfg *Config) AcksTo() engine.Acks {
	if cfg.Acks == engine.AcksToSequencer.String() {
		return engine.AcksToSequencer
	}
	return engine.AcksToAll
}

// AcksToSequencer reports whether acks go to the sequencer alone.
func (cfg *Config) AcksToSequencer() bool { return cfg.AcksTo() == engine.AcksToSequencer }
