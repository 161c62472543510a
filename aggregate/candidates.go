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
	votes     int    // without those known to be invalid
	weight    uint64 // of these votes
	verifying bool   // a statement of it is being verified
	queued    bool   // it waits for a free verification place, in Votes.ready
	delayed   bool   // it is in Votes.delayed
	paused    bool   // it waits to be tried again after a failure of keys, in keyFaults.waiting
	failures  uint16 // failed statements whose votes are each valid; saturates
}

// quorate reports whether no statement of c is being verified and its votes, including those of
// suspects, could make a quorum. It is cheap enough for a call after every vote.
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

// signers returns the validators that vote for c, without those whose votes are known to be
// invalid.
func (c *candidate) signers() wire.Signers {
	all := wire.NewSigners(c.slot.set.size())
	for i, choice := range c.slot.choice {
		if int(choice) == c.index+1 {
			all.Add(wire.Participant(i))
		}
	}
	return all
}

// quorum returns a quorum of a trusted candidate's votes, none of suspects. The caller must not
// change it. If there are more votes than needed, quorum takes them in participant order, starting
// at first and wrapping around. So different candidates get the same signers, and such statements
// are cheaper to verify together. Where weights differ, quorums.choose selects the votes. After a
// failure quorum selects other votes, as a function of the number of failures only, so that every
// choice is tried at some time.
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

// leaveOut takes a surplus of weight out of votes, in an order that depends only on the number of
// failures.
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

// quorumOfSuspects returns all votes of other validators and as many of suspects as a quorum still
// needs; ok is false when there are too few. suspects lists the suspects in the order in which they
// are taken. After a failure a validator that is not a suspect may have the wrong key; then every
// choice of a quorum is tried at some time, as in quorum.
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

// fail notes that the keys of a statement of c do not fit each other: each vote is valid, but their
// combination is not. No statement of c is made while it is paused, and the next one has other
// signers. fail reports whether this is the first failure of any candidate of the slot.
func (c *candidate) fail() (first bool) {
	first = !c.slot.failed
	c.slot.failed, c.paused = true, true
	c.failures += min(1, math.MaxUint16-c.failures)
	return first
}
