package verify

import (
	"fmt"
	"slices"

	"github.com/lanecast/lanecast/wire"
)

// MaxWeight is the largest sum of the weights of one set.
const MaxWeight = 1 << 62

// Weights are the voting power of the validators of one set: weight decides whether a set of
// signers certifies (docs/protocol.md 3.1). The zero value is for a set of no validators. Weights
// are immutable.
type Weights struct {
	each          []uint64 // by participant, at least 1 each; nil if each has 1
	n             int
	total, quorum uint64
}

// EqualWeights returns the weights of n validators that count 1 each.
func EqualWeights(n int) Weights {
	n = max(n, 0)
	return Weights{n: n, total: uint64(n), quorum: QuorumWeight(uint64(n))}
}

// NewWeights returns the weights of len(each) validators, by participant. Either all are 0, which
// means that none are given and each validator counts 1, or each is at least 1 and their sum at
// most [MaxWeight]. The error wraps [ErrValidatorSet] and names the first wrong participant.
func NewWeights(each []uint64) (Weights, error) {
	return newWeights(each, func(i int) string { return fmt.Sprintf("participant %d", i) })
}

// newWeights is NewWeights with names for the validators.
func newWeights(each []uint64, name func(i int) string) (Weights, error) {
	if !slices.ContainsFunc(each, func(x uint64) bool { return x != 0 }) {
		return EqualWeights(len(each)), nil
	}
	total := uint64(0)
	for i, x := range each {
		if x == 0 {
			return Weights{}, fmt.Errorf("verify: %w: %s has no weight, and others have; "+
				"give none a weight, or each one of at least 1", ErrValidatorSet, name(i))
		}
		if x > MaxWeight-total {
			return Weights{}, fmt.Errorf("verify: %w: with the weight of %s, %d, the sum is more than 2^62",
				ErrValidatorSet, name(i), x)
		}
		total += x
	}
	if total == uint64(len(each)) {
		return EqualWeights(len(each)), nil
	}
	return Weights{each: slices.Clone(each), n: len(each), total: total, quorum: QuorumWeight(total)}, nil
}

// QuorumWeight returns the weight that certifies if total is the weight of all validators: total −
// ⌊(total−1)/3⌋. It is 0 for 0.
func QuorumWeight(total uint64) uint64 {
	if total == 0 {
		return 0
	}
	return total - (total-1)/3
}

// Quorum returns the number of votes that certify among n validators of equal weight: n −
// ⌊(n−1)/3⌋. It is 0 for n ≤ 0.
func Quorum(n int) int { return int(QuorumWeight(uint64(max(n, 0)))) }

// Equal reports whether every validator counts 1.
func (w Weights) Equal() bool { return w.each == nil }

// Len returns the number of validators.
func (w Weights) Len() int { return w.n }

// Of returns the weight of participant i, which must be in the set.
func (w Weights) Of(i wire.Participant) uint64 {
	if w.each == nil {
		return 1
	}
	return w.each[i]
}

// Total returns the weight of all validators.
func (w Weights) Total() uint64 { return w.total }

// Quorum returns the weight that certifies.
func (w Weights) Quorum() uint64 { return w.quorum }

// Tolerated returns the largest weight of faulty validators under which certificates never
// contradict each other: f of docs/protocol.md 3.1.
func (w Weights) Tolerated() uint64 { return w.total - w.quorum }

// Sum returns the total weight of signers. Signers that are not in the set add nothing.
func (w Weights) Sum(signers wire.Signers) uint64 {
	if w.each == nil {
		return uint64(signers.Count())
	}
	sum := uint64(0)
	for i := range signers.All() {
		if int(i) < len(w.each) {
			sum += w.each[i]
		}
	}
	return sum
}

// sumOf is Sum for a list of participants, all in the set.
func (w Weights) sumOf(participants []int) uint64 {
	if w.each == nil {
		return uint64(len(participants))
	}
	sum := uint64(0)
	for _, i := range participants {
		sum += w.each[i]
	}
	return sum
}
