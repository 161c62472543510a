package aggregate

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

func weightsOf(t rapid.TB, each ...uint64) verify.Weights {
	t.Helper()
	w, err := verify.NewWeights(each)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTheHeaviestVotesCertify(t *testing.T) {
	w := weightsOf(t, 2, 5, 5, 1, 7, 1) // total 21, quorum 15
	for _, c := range []struct{ votes, want wire.Signers }{
		{signers(6, 0, 1, 2, 3, 4, 5), signers(6, 1, 2, 4)}, // 7 and the two of 5
		{signers(6, 0, 1, 3, 4, 5), signers(6, 0, 1, 3, 4)}, // equal weights: lowest participant
	} {
		q := newQuorums(w)
		expect(t, "signers", q.choose(c.votes, w).Equal(c.want), true)
	}
}

func TestAQuorumOfARecentStatementIsTakenAgain(t *testing.T) {
	w := weightsOf(t, 1, 2, 3, 4, 5) // total 15, quorum 11
	q := newQuorums(w)
	light, all := signers(5, 0, 1, 2, 4), signers(5, 0, 1, 2, 3, 4)
	chosen := func() wire.Signers { return q.choose(all, w) }
	expect(t, "all there were", q.choose(light, w).Equal(light), true)
	for range quorumsKept + 10 { // each choice makes it the most recent again
		expect(t, "taken again", chosen().Equal(light), true)
	}
	// A quorum that none of the last statements had is forgotten.
	for range quorumsKept + 1 {
		expect(t, "the only one", q.choose(signers(5, 1, 2, 3, 4), w).Equal(signers(5, 2, 3, 4)), true)
	}
	expect(t, "kept", len(q.recent), 1)
	expect(t, "the last one that was chosen", chosen().Equal(signers(5, 2, 3, 4)), true)
}

func TestTheLatestOfRecentQuorumsIsTaken(t *testing.T) {
	w := weightsOf(t, 1, 2, 3, 4, 5)
	q := newQuorums(w)
	a, b := signers(5, 0, 1, 2, 4), signers(5, 0, 1, 3, 4)
	q.choose(a, w)
	expect(t, "another quorum", q.choose(b, w).Equal(signers(5, 1, 3, 4)), true)
	q.choose(a, w)
	expect(t, "of two", q.choose(signers(5, 0, 1, 2, 3, 4), w).Equal(a), true)
}

// The plain counterpart remembers the signers of every statement.
func TestQuorumsAgreeWithTheirDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		each := rapid.SliceOfN(rapid.Uint64Range(1, 40), 1, 12).Draw(t, "weights")
		w := weightsOf(t, each...)
		q := newQuorums(w)
		if q.heaviest == nil {
			t.Skip("equal weights are no business of quorums")
		}
		var history []wire.Signers
		for range rapid.IntRange(1, 200).Draw(t, "statements") {
			votes := wire.NewSigners(len(each))
			for i := range each {
				if rapid.IntRange(0, 7).Draw(t, "votes") > 0 {
					votes.Add(wire.Participant(i))
				}
			}
			if w.Sum(votes) < w.Quorum() {
				continue
			}
			want, found := wire.Signers{}, false
			for k := len(history) - 1; k >= max(0, len(history)-quorumsKept) && !found; k-- {
				if found = votes.ContainsAll(history[k]); found {
					want = history[k]
				}
			}
			if !found {
				want = wire.NewSigners(len(each))
				for w.Sum(want) < w.Quorum() {
					best := -1
					for i := range each {
						p := wire.Participant(i)
						if votes.Has(p) && !want.Has(p) && (best < 0 || each[i] > each[best]) {
							best = i
						}
					}
					want.Add(wire.Participant(best))
				}
			}
			got := q.choose(votes, w)
			if !got.Equal(want) {
				t.Fatalf("statement %d: chosen %v, want %v", len(history), got, want)
			}
			if w.Sum(got) < w.Quorum() || !votes.ContainsAll(got) || len(q.recent) > quorumsKept {
				t.Fatalf("statement %d: %v is no quorum of its votes, or too many are kept: %d", len(history), got, len(q.recent))
			}
			history = append(history, want)
		}
	})
}
