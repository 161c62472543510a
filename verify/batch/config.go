package batch

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/panjf2000/ants/v2"

	"github.com/lanecast/lanecast/verify"
)

// ErrConfig: a field of [Config] outside its range. The error names the field and the range.
var ErrConfig = errors.New("batch: invalid config")

// ErrPool: the pool was released, so no statement is verified any more. See [Verifier.Err].
var ErrPool = errors.New("batch: the worker pool was released")

// Ranges of [Config].
const (
	MaxWorkers    = 4096
	MaxBatchSize  = 1 << 16
	MaxBatchDelay = time.Minute
)

// Config configures a [Verifier].
type Config struct {
	// Workers is the maximum number of batches verified at the same time, 1 to MaxWorkers. Each
	// keeps one core busy.
	Workers int
	// BatchSize is the maximum number of statements in one batch, 1 to MaxBatchSize.
	BatchSize int
	// BatchDelay is the time that a batch smaller than BatchSize waits for more statements, 0 to
	// MaxBatchDelay. With 0, the default, an idle worker verifies the waiting statements at once.
	// Statements that are not batched never wait.
	BatchDelay time.Duration

	// Chunks verifies chunk signatures. Required.
	Chunks *verify.ChunkVerifier

	// Pool runs the workers. With nil the verifier makes a pool of its own. A pool may serve
	// several verifiers and other work if its size is at least the sum of their workers; in a
	// smaller pool, a busy verifier can keep another one waiting, see Starved. If the pool was made
	// with ants.WithNonblocking(true), a full pool is asked again later; if it blocks, goroutines
	// of the verifier wait for it, never the caller of Submit. The owner of the pool releases it,
	// after Close.
	Pool *ants.Pool

	// Notify is called after verdicts have become available to Verdicts, and after Err has become
	// non-nil. Workers, Close, and a Submit after Close call it, also several at once. It must not
	// block. May be nil.
	Notify func()
	// OnPanic is called with a *Panic when a Scheme or one of these functions panicked. The batch's
	// statements get the same *Panic as their Err. The verifier continues; OnPanic decides whether
	// the rest of the program continues. May be nil.
	OnPanic func(any)
	// Observe is called after each batch, from its worker. It must not block. May be nil.
	Observe func(Info)
}

func (c *Config) validate() error {
	switch {
	case c.Workers < 1 || c.Workers > MaxWorkers:
		return fmt.Errorf("%w: Workers is %d, want 1 to %d", ErrConfig, c.Workers, MaxWorkers)
	case c.BatchSize < 1 || c.BatchSize > MaxBatchSize:
		return fmt.Errorf("%w: BatchSize is %d, want 1 to %d", ErrConfig, c.BatchSize, MaxBatchSize)
	case c.BatchDelay < 0 || c.BatchDelay > MaxBatchDelay:
		return fmt.Errorf("%w: BatchDelay is %v, want 0 to %v", ErrConfig, c.BatchDelay, MaxBatchDelay)
	case c.Chunks == nil:
		return fmt.Errorf("%w: Chunks is nil, want a ChunkVerifier", ErrConfig)
	case c.Pool != nil && c.Pool.IsClosed():
		return fmt.Errorf("%w: Pool: %w", ErrConfig, ErrPool)
	case c.Pool != nil && c.Pool.Cap() > 0 && c.Pool.Cap() < c.Workers:
		return fmt.Errorf("%w: Pool holds %d workers, want at least Workers, %d", ErrConfig, c.Pool.Cap(), c.Workers)
	}
	return nil
}

// Panic is a panic caught in a worker. As the Err of a verdict it means that no verdict was
// reached.
type Panic struct {
	Value any    // the value passed to panic; nil if runtime.Goexit ended the goroutine
	Stack []byte // stack of the panic, as runtime/debug.Stack prints it
}

func (p *Panic) Error() string { return fmt.Sprintf("batch: panic during verification: %v", p.Value) }

// Unwrap returns the panic's value when that is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// Info describes one batch.
type Info struct {
	Statements int
	Unbatched  bool          // a single statement: marked Unbatched, or its scheme is not Batchable
	Duration   time.Duration // from the start to the verdicts
	Splits     int           // calls of Scheme.Check that failed
}

// Counters are totals since New.
type Counters struct {
	Statements uint64 // verified, not counting those cancelled by Close or by a panic
	Splits     uint64 // calls of Scheme.Check that failed
}

// counters is written by all workers, once per batch.
type counters struct{ statements, splits atomic.Uint64 }

func (c *counters) add(b Info) {
	c.statements.Add(uint64(b.Statements))
	c.splits.Add(uint64(b.Splits))
}

// Counters returns the totals so far. Any goroutine may call it. Each number is exact, but they may
// be of different moments.
func (v *Verifier) Counters() Counters {
	return Counters{Statements: v.counters.statements.Load(), Splits: v.counters.splits.Load()}
}
