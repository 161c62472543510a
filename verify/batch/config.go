package batch

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/panjf2000/ants/v2"

	"github.com/lanecast/lanecast/verify"
)

// ErrOption: an option outside its range. The error names the option and the range.
var ErrOption = errors.New("batch: option out of range")

// Ranges of [Config].
const (
	MaxWorkers    = 4096
	MaxBatchSize  = 1 << 16
	MaxBatchDelay = time.Minute
)

// Config are what [New] needs to know.
type Config struct {
	// Workers is how many batches are verified at the same time, 1 to MaxWorkers. Each keeps one core busy.
	Workers int
	// BatchSize is how many statements go into a batch at most, 1 to MaxBatchSize.
	BatchSize int
	// BatchDelay is how long a batch smaller than BatchSize is held back for more to come, 0 to MaxBatchDelay. 0, the
	// default, verifies at once whatever is there when a worker is idle. Statements that go alone are never held back.
	BatchDelay time.Duration

	// Chunks verifies chunk signatures. Required.
	Chunks *verify.ChunkVerifier

	// Pool runs the workers; nil for a pool of the verifier's own. A pool may serve several verifiers, and other
	// work besides, if it holds the sum of all: where it is smaller, one that is busy keeps another waiting. Make it
	// with ants.WithNonblocking(true): a full pool is tried again then, where otherwise Submit would block. Its
	// owner releases it, after Close.
	Pool *ants.Pool

	// Notify is called after verdicts have become available to Verdicts: from workers, from Close, and from a Submit
	// that comes after Close; from several at once. It must not block. May be nil.
	Notify func()
	// OnPanic is called with a *Panic when a Scheme or one of these functions panicked. The batch's statements get
	// the same as their Err. The verifier goes on; whether anything that relies on it should is for OnPanic to say.
	// May be nil.
	OnPanic func(any)
	// Observe is called after each batch, from its worker. It must not block. May be nil.
	Observe func(Info)
}

func (o *Config) validate() error {
	switch {
	case o.Workers < 1 || o.Workers > MaxWorkers:
		return fmt.Errorf("%w: Workers is %d, want 1 to %d", ErrOption, o.Workers, MaxWorkers)
	case o.BatchSize < 1 || o.BatchSize > MaxBatchSize:
		return fmt.Errorf("%w: BatchSize is %d, want 1 to %d", ErrOption, o.BatchSize, MaxBatchSize)
	case o.BatchDelay < 0 || o.BatchDelay > MaxBatchDelay:
		return fmt.Errorf("%w: BatchDelay is %v, want 0 to %v", ErrOption, o.BatchDelay, MaxBatchDelay)
	case o.Chunks == nil:
		return fmt.Errorf("%w: Chunks is nil, want a ChunkVerifier", ErrOption)
	case o.Pool != nil && o.Pool.Cap() > 0 && o.Pool.Cap() < o.Workers:
		return fmt.Errorf("%w: Pool holds %d workers, want at least Workers, %d", ErrOption, o.Pool.Cap(), o.Workers)
	}
	return nil
}

// Panic is a panic caught in a worker. As the Err of a verdict it says that there is none.
type Panic struct {
	Value any    // what was passed to panic; nil if the goroutine was ended by runtime.Goexit
	Stack []byte // where, as runtime/debug.Stack prints it
}

func (p *Panic) Error() string { return fmt.Sprintf("batch: panic during verification: %v", p.Value) }

// Unwrap returns the panic's value when that is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// Info says what one batch was and what it took.
type Info struct {
	Statements   int
	Unbatched    bool          // a statement kept out of batches
	Wait         time.Duration // from the oldest statement's submission to the start
	Duration     time.Duration // from the start to the verdicts
	Checks       int           // calls of Scheme.Check
	Splits       int           // those of them that failed
	InvalidVotes int           // votes proven invalid
}

// Counters are totals since New.
type Counters struct {
	Statements   uint64 // verified; those cancelled by Close or by a panic not counted
	Batches      uint64 // batches finished
	Checks       uint64 // calls of Scheme.Check
	Splits       uint64 // calls of Scheme.Check that failed
	InvalidVotes uint64 // votes proven invalid
	Panics       uint64 // panics caught
}

// counters is written by all workers, once per batch.
type counters struct {
	statements, batches, checks, splits, exposed, panics atomic.Uint64
}

func (c *counters) add(b Info) {
	c.statements.Add(uint64(b.Statements))
	c.batches.Add(1)
	c.checks.Add(uint64(b.Checks))
	c.splits.Add(uint64(b.Splits))
	c.exposed.Add(uint64(b.InvalidVotes))
}

// Counters returns the totals so far. Any goroutine; each number is exact, though they may be of different moments.
func (v *Verifier) Counters() Counters {
	c := &v.counters
	return Counters{
		Statements: c.statements.Load(), Batches: c.batches.Load(), Checks: c.checks.Load(),
		Splits: c.splits.Load(), InvalidVotes: c.exposed.Load(), Panics: c.panics.Load(),
	}
}
