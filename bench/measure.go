package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/verify/batch"
)

// MinSlices is the minimum number of slices of a measurement.
const MinSlices = 20

// Case is the work on which the ways are compared.
type Case struct {
	Variant    verify.Variant
	Validators int // n, 1 to 10000; a quorum of them acknowledges each chunk
	Chunks     int // chunks in flight at once, verified in one batch; 0 is DefaultChunks
}

// DefaultChunks is the default number of chunks in flight, each with a quorum of acks.
const DefaultChunks = 32

func (c Case) chunks() int {
	if c.Chunks == 0 {
		return DefaultChunks
	}
	return c.Chunks
}

func (c Case) check() error {
	if c.Validators < 1 || c.Validators > 10_000 {
		return fmt.Errorf("bench: %d validators; there must be 1 to 10000", c.Validators)
	}
	if c.Chunks < 0 || c.Chunks > batch.MaxBatchSize {
		return fmt.Errorf("bench: %d chunks; there must be 1 to %d", c.Chunks, batch.MaxBatchSize)
	}
	return nil
}

// Result is the cost of one way.
type Result struct {
	Way    string
	PerAck float64 // ns of one thread, in the cheapest slice
	Acks   int     // number of acks verified in each slice
}

// way is one way of verifying acks.
type way struct {
	name    string
	prepare prepare
	finish  func() error // called after each slice, not measured; may be nil
}

// Measure measures every way on c, in interleaved slices: at least MinSlices of each, or atLeast if
// that is more. It sets GOMAXPROCS to 1 while it runs, so that libraries that start goroutines use
// one thread as well.
func Measure(c Case, atLeast int) ([]Result, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	w, err := newWorkload(c)
	if err != nil {
		return nil, fmt.Errorf("bench: preparing %v with %d validators: %w", c.Variant, c.Validators, err)
	}
	theirs, err := others(w)
	if err != nil {
		return nil, fmt.Errorf("bench: preparing %v with %d validators: %w", c.Variant, c.Validators, err)
	}
	v, err := newVerifier(c.chunks())
	if err != nil {
		return nil, err
	}
	defer v.Close()
	return measure(append(theirs, ours(w, v)...), atLeast)
}

// prepare prepares a slice; this is not measured. It returns the function to measure and the number
// of acks that it verifies; the function fails if it finds any of them invalid.
type prepare = func(r *rand.Rand) (run func() error, acks int, err error)

// measure measures the work of one thread.
func measure(ways []way, atLeast int) ([]Result, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	return interleave(ways, atLeast, now)
}

// interleave runs slices of all ways in turn and keeps the cheapest of each.
func interleave(ways []way, atLeast int, now func() time.Duration) ([]Result, error) {
	r := rand.New(rand.NewPCG(1, 2))
	results := make([]Result, len(ways))
	for i := range results {
		results[i] = Result{Way: ways[i].name, PerAck: math.Inf(1)}
	}
	for range max(atLeast, MinSlices) {
		for i, w := range ways {
			run, acks, err := w.prepare(r)
			if err != nil {
				return nil, fmt.Errorf("bench: %s: %w", w.name, err)
			}
			began := now()
			if err := run(); err != nil {
				return nil, fmt.Errorf("bench: %s: %w", w.name, err)
			}
			took := float64(now() - began)
			if w.finish != nil {
				if err := w.finish(); err != nil {
					return nil, fmt.Errorf("bench: %s: %w", w.name, err)
				}
			}
			results[i].Acks = acks
			results[i].PerAck = min(results[i].PerAck, took/float64(acks)/float64(time.Nanosecond))
		}
	}
	return results, nil
}

// Ways returns the names of the ways that Measure measures in this build; ways of others come
// first.
func Ways() []string {
	return slices.Concat(otherWays, []string{"compressed", "compressed-equal-sets", "uncompressed", "uncompressed-equal-sets"})
}

// Find returns the result of a way; false if it was not measured.
func Find(results []Result, way string) (Result, bool) {
	for _, r := range results {
		if r.Way == way {
			return r, true
		}
	}
	return Result{}, false
}
