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
	heavy := newSet(scheme{n: 5, size: 16, weights: []uint64{6, 1, 1, 1, 3}}) // of 12, 9 certify
	expect(t, "tolerated", heavy.Tolerates(), 3)
	c := vote(t, open(t, lane(newVotes(plenty)), key{}, heavy), 1, 16, 1, 2, 3, 4)
	expect(t, "quorate with four of five", c.quorate(), false)
	c = vote(t, open(t, lane(newVotes(plenty)), key{}, heavy), 1, 16, 0, 4)
	expect(t, "quorate with the two heaviest", c.quorate(), true)
	c = vote(t, open(t, lane(newVotes(plenty)), key{}, heavy), 1, 16, 0, 1, 2, 3, 4)
	expect(t, "the heaviest certify", c.quorum(3).Equal(signers(5, 0, 4)), true)
	// Of suspects as much is taken as is missing.
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
