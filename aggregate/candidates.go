package aggregate

import (
	"math"
	"math/rand/v2"

	"github.com/lanecast/lanecast/wire"
)

// candidate is the votes of one slot for one payload.
type candidate struct {
	payload   wire.Digest
	slot      *slot
	index     int    // in slot.candidates
	votes     int    // those known to be invalid excepted
	weight    uint64 // of these votes
	verifying bool   // a statement of it is being verified
	queued    bool   // it waits for a free verification place, in Votes.ready
	delayed   bool   // it is in Votes.delayed
	paused    bool   // it waits to be tried again after a failure of keys, in keyFaults.waiting
	failures  uint16 // statements of it that failed although each vote is valid, as far as they fit
}

// quorate reports whether the votes, those of suspects among them, could make a quorum and no
// statement of them is being verified. It is the cheap test to make after every vote.
func (c *candidate) quorate() bool {
	return !c.slot.closed && c.weight >= c.slot.set.quorum && !c.verifying && !c.paused
}

// trusted reports whether it is quorate without the votes of suspects.
func (c *candidate) trusted() bool {
	if !c.quorate() {
		return false
	}
	weight := c.weight
	for i := range c.slot.set.suspects.All() {
		if c.has(i) {
			weight -= c.slot.set.Weight(i)
		}
	}
	return weight >= c.slot.set.quorum
}

// has reports whether participant i votes for c.
func (c *candidate) has(i wire.Participant) bool { return int(c.slot.choice[i]) == c.index+1 }

// signers returns the validators that vote for c, those whose votes are known to be invalid
// excepted.
func (c *candidate) signers() wire.Signers {
	all := wire.NewSigners(c.slot.set.size())
	for i, choice := range c.slot.choice {
		if int(choice) == c.index+1 {
			all.Add(wire.Participant(i))
		}
	}
	return all
}

// quorum returns a quorum of a trusted candidate's votes, none of suspects, that is not to be
// changed. Of more votes than that it takes those that come first when validators are counted from
// first on, and around: so candidates that more have voted for than need be get the same signers,
// which are verified together for less. Where weights differ, quorums.choose does it. After a
// failure it takes others than before instead, which depend on the number of failures alone, so
// that each choice comes up some time.
func (c *candidate) quorum(first wire.Participant) wire.Signers {
	set, votes := c.slot.set, c.signers()
	if set.suspects.Len() != 0 {
		votes.RemoveAll(set.suspects)
	}
	n, surplus := votes.Len(), set.weights.Sum(votes)-set.quorum
	if c.failures > 0 {
		c.leaveOut(votes, surplus)
		return votes
	}
	if set.quorums.heaviest != nil {
		return set.quorums.choose(votes, set.weights)
	}
	for i := int(first)%n + n - 1; surplus > 0 && i >= int(first)%n; i-- {
		surplus = set.leaveOut(votes, i%n, surplus)
	}
	return votes
}

// leaveOut takes a surplus of weight out of votes, in an order that depends on the number of
// failures alone.
func (c *candidate) leaveOut(votes wire.Signers, surplus uint64) {
	for _, i := range rand.New(rand.NewPCG(uint64(c.failures), 0)).Perm(votes.Len()) {
		surplus = c.slot.set.leaveOut(votes, i, surplus)
	}
}

// leaveOut takes participant i out of votes if it is in them and weighs no more than surplus, and
// returns the surplus that is left.
func (s *Set) leaveOut(votes wire.Signers, i int, surplus uint64) uint64 {
	p := wire.Participant(i)
	if !votes.Has(p) || s.Weight(p) > surplus {
		return surplus
	}
	votes.Remove(p)
	return surplus - s.Weight(p)
}

// quorumOfSuspects returns all votes of others and as many of suspects as are missing to a quorum;
// ok is false when there are not enough of them. suspects lists the suspects in the order in which
// they are taken. After a failure the one at fault may be among the others: then each choice of a
// quorum comes up some time, as in quorum.
func (c *candidate) quorumOfSuspects(suspects []wire.Participant) (votes, chosen wire.Signers, ok bool) {
	if !c.quorate() {
		return votes, chosen, false
	}
	set, weight := c.slot.set, c.weight
	votes = c.signers()
	chosen = wire.NewSigners(votes.Len())
	if c.failures > 0 {
		c.leaveOut(votes, weight-set.quorum)
		for _, i := range suspects {
			if votes.Has(i) {
				chosen.Add(i)
			}
		}
		return votes, chosen, true
	}
	for _, i := range suspects {
		if votes.Has(i) {
			votes.Remove(i)
			weight -= set.Weight(i)
		}
	}
	for _, i := range suspects {
		if weight >= set.quorum {
			break
		}
		if c.has(i) {
			chosen.Add(i)
			votes.Add(i)
			weight += set.Weight(i)
		}
	}
	return votes, chosen, weight >= set.quorum
}

// fail notes that the keys of a statement of c do not fit each other: its votes are each valid, and
// combine to nothing valid. No further statement comes while c is paused, and the next one is of
// other signers. It reports whether this is the first failure of any candidate of the slot.
func (c *candidate) fail() (first bool) {
	first = !c.slot.failed
	c.slot.failed, c.paused = true, true
	c.failures += min(1, math.MaxUint16-c.failures)
	return first
}
