package replica

import (
	"errors"
	"fmt"
	"math"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// ErrNoFork: the headers of a Fork do not lead from its upper lock to a contradiction.
var ErrNoFork = errors.New("replica: the headers show no fork")

// VerifyEvidence verifies an activity that any replica reported. It needs only the network's
// namespace and keys (docs/protocol.md 4.6). It is [engine.VerifyEvidence] for all that an engine
// reports, and also verifies a Fork. A Fork holds if its locks are valid, the headers lead from the
// upper lock down, and the last header does not stand on the lower lock; or, without a lower lock,
// the last header names another place than it is at. The error wraps [ErrNoFork],
// [wire.ErrNoConflict] for locks that are not one above the other, [engine.ErrNotEvidence] for a
// Fork without headers, or is one of those of engine.VerifyEvidence. Decode an activity from
// outside with [wire.DecodeActivity] first.
func VerifyEvidence(a wire.Activity, namespace []byte, schemes engine.SchemeLookup) error {
	chunks := verify.NewChunkVerifier(namespace)
	fork, ok := a.(*wire.Fork)
	if !ok {
		return engine.VerifyEvidence(a, chunks, schemes)
	}
	if err := checkFork(fork, namespace); err != nil { // cheaper than a signature
		return err
	}
	locks := []*wire.Lock{&fork.Upper}
	if fork.Lower != nil {
		locks = append(locks, fork.Lower)
	}
	for _, k := range locks {
		if err := engine.VerifyEvidence(&wire.Certified{Lock: *k}, chunks, schemes); err != nil {
			return err
		}
	}
	return nil
}

// checkFork checks a fork, except for the certificates of its locks.
func checkFork(a *wire.Fork, namespace []byte) error {
	upper, count := &a.Upper.Chunk, uint64(len(a.Headers))
	switch {
	case a.Lower != nil && (a.Lower.Chunk.Sequencer != upper.Sequencer || a.Lower.Chunk.Height >= upper.Height):
		return fmt.Errorf("replica: %w", wire.ErrNoConflict)
	case count == 0:
		return fmt.Errorf("%w: a fork without headers", engine.ErrNotEvidence)
	case count > wire.MaxForkHeaders, a.Lower == nil && count-1 > upper.Height:
		return fmt.Errorf("%w: there are %d", ErrNoFork, count)
	case a.Lower != nil && count != upper.Height-a.Lower.Chunk.Height:
		return fmt.Errorf("%w: there are %d, and the locks are %d heights apart", ErrNoFork, count, upper.Height-a.Lower.Chunk.Height)
	}
	digest := upper.Payload
	for i, encoded := range a.Headers {
		var h payload.Header
		if err := h.Decode(encoded, math.MaxUint64); err != nil {
			return fmt.Errorf("%w: number %d: %w", ErrNoFork, i, err)
		}
		if payload.Digest(namespace, &h) != digest {
			return fmt.Errorf("%w: number %d is not the one certified", ErrNoFork, i)
		}
		fits := h.Sequencer == upper.Sequencer && h.Height == upper.Height-uint64(i)
		if last := i == len(a.Headers)-1; fits == (last && a.Lower == nil) {
			return fmt.Errorf("%w: number %d is of height %d of lane %v", ErrNoFork, i, h.Height, h.Sequencer)
		}
		digest = h.Parent
	}
	if a.Lower != nil && digest == a.Lower.Chunk.Payload {
		return fmt.Errorf("%w: the upper lock stands on the lower one", ErrNoFork)
	}
	return nil
}
