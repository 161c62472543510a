package aggregate

import (
	"testing"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

func TestAQuorumOfEqualWeightsIsOneOfNumbers(t *testing.T) {
	for n := 1; n <= 200; n++ {
		s := setOf(n, 16)
		expect(t, "quorum", s.quorum, uint64(verify.Quorum(n)))
		expect(t, "tolerated", s.Tolerates(), uint64(n-verify.Quorum(n)))
	}
	expect(t, "quorum of nobody", setOf(0, 16).quorum, 0)
}

// 1: A quorum is validators whose weights sum to at least W − ⌊(W−1)/3⌋, W the weight of all.
func TestVotesCountByTheWeightOfTheirValidators(t *testing.T) {
	heavy := newSet(scheme{n: 5, size: 16, weights: []uint64{6, 1, 1, 1, 3}}) // total 12, quorum 9
	expect(t, "tolerated", heavy.Tolerates(), 3)
	c := vote(t, open(t, lane(newVotes(plenty)), key{}, heavy), 1, 16, 1, 2, 3, 4)
	expect(t, "quorate with four of five", c.quorate(), false)
	c = vote(t, open(t, lane(newVotes(plenty)), key{}, heavy), 1, 16, 0, 4)
	expect(t, "quorate with the two heaviest", c.quorate(), true)
	c = vote(t, open(t, lane(newVotes(plenty)), key{}, heavy), 1, 16, 0, 1, 2, 3, 4)
	for first := range wire.Participant(5) {
		expect(t, "the heaviest certify", c.quorum(first).Equal(signers(5, 0, 4)), true)
	}
	// As much weight of suspects is taken as is missing.
	votes, chosen, ok := c.quorumOfSuspects([]wire.Participant{1, 4, 2})
	expect(t, "enough", ok, true)
	expect(t, "suspects", chosen.Equal(signers(5, 1, 4)), true)
	expect(t, "votes", votes.Equal(signers(5, 0, 1, 3, 4)), true)
	// Without the heaviest the others are no quorum, however many.
	heavy.suspects = signers(5, 0)
	expect(t, "trusted", c.trusted(), false)
	heavy.suspects = signers(5, 1, 2, 3)
	expect(t, "trusted", c.trusted(), true)
	c.slot.resolve(c, []wire.Participant{4})
	expect(t, "weight left", c.weight, 9)
}

// 1: … at least W − ⌊(W−1)/3⌋.
//
// Of equal weights above 1 a quorum can weigh more than that, and no vote of it can be left out.
func TestAQuorumOfEqualWeightsMayWeighMoreThanIsNeeded(t *testing.T) {
	s := newSet(scheme{n: 5, size: 16, weights: []uint64{2, 2, 2, 2, 2}}) // total 10, quorum 7
	c := vote(t, open(t, lane(newVotes(plenty)), key{}, s), 1, 16, 0, 1, 2, 3, 4)
	for first := range wire.Participant(5) {
		votes := c.quorum(first)
		expect(t, "votes", votes.Count(), 4)
		expect(t, "those from the first one on", votes.Has((first+4)%5), false)
	}
}

// 5.5: Memory is bounded, however many epochs pass.
func TestRule5_5_SetsOfEpochsOutOfBoundsAreForgotten(t *testing.T) {
	v := newVotes(plenty)
	for now := uint64(1); now < 20; now++ {
		v.SetBounds(now-1, now+1)
		for epoch := now - 1; epoch <= now+1; epoch++ {
			expect(t, "the set of an epoch within bounds", v.Set(epoch, scheme{n: 4, size: 16}), v.Set(epoch, scheme{n: 4, size: 16}))
		}
		expect(t, "sets", len(v.sets), 3)
	}
	v.SetBounds(30, 40)
	expect(t, "sets", len(v.sets), 0)
}

// 3.3: A validator whose ack was proven invalid is suspect for the epochs in bounds.
//
// In a set that is known before these epochs end, the validator is suspect until they end, and no
// longer.
func TestRule3_3_SuspicionEndsInASetThatWasKnownBefore(t *testing.T) {
	v := newVotes(plenty)
	v.SetBounds(4, 6)
	v.suspects.offend(id(1), v.last)
	v.SetBounds(5, 7)
	s := v.Set(7, scheme{n: 4, size: 16})
	expect(t, "suspect", s.suspects.Equal(signers(4, 1)), true)
	v.SetBounds(6, 8)
	expect(t, "suspect in the last of the epochs", s.suspects.Equal(signers(4, 1)), true)
	v.SetBounds(7, 9)
	expect(t, "suspects after it", s.suspects.Count(), 0)
}
