package aggregate

import (
	"cmp"
	"slices"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// quorumsKept is the number of statements for which the signers of one are preferred for later
// ones.
const quorumsKept = 64

// quorums chooses quorums in a set whose weights differ. Statements with the same signers are
// cheaper to verify together, and each signer costs the reading of its vote. So the quorum of a
// recent statement is chosen again if all its signers have voted, and otherwise the heaviest votes.
type quorums struct {
	heaviest []wire.Participant // by descending weight, ties by participant; nil if all are equal
	chosen   uint64             // number of choices so far
	recent   []recentQuorum     // most recently chosen first, without repetition
}

type recentQuorum struct {
	signers wire.Signers // not changed any more
	last    uint64       // value of quorums.chosen at the last choice of it
}

func newQuorums(w verify.Weights) quorums {
	different := false
	for i := range w.Len() {
		different = different || w.Of(wire.Participant(i)) != w.Of(0)
	}
	if !different {
		return quorums{}
	}
	order := make([]wire.Participant, w.Len())
	for i := range order {
		order[i] = wire.Participant(i)
	}
	slices.SortStableFunc(order, func(a, b wire.Participant) int { return cmp.Compare(w.Of(b), w.Of(a)) })
	return quorums{heaviest: order}
}

// choose returns a quorum of votes, which must weigh at least as much as one. The caller must not
// change the result.
func (q *quorums) choose(votes wire.Signers, w verify.Weights) wire.Signers {
	q.chosen++
	q.recent = slices.DeleteFunc(q.recent, func(r recentQuorum) bool { return r.last+quorumsKept < q.chosen })
	for i, r := range q.recent {
		if votes.ContainsAll(r.signers) {
			copy(q.recent[1:], q.recent[:i])
			q.recent[0] = recentQuorum{r.signers, q.chosen}
			return r.signers
		}
	}
	signers, weight := wire.NewSigners(votes.Len()), uint64(0)
	for _, i := range q.heaviest {
		if weight >= w.Quorum() {
			break
		}
		if votes.Has(i) {
			signers.Add(i)
			weight += w.Of(i)
		}
	}
	q.recent = slices.Insert(q.recent, 0, recentQuorum{signers, q.chosen})
	return signers
}
