package verify_test

import (
	"testing"

	"github.com/lanecast/lanecast/verify"
)

// Statements on different subjects by different quorums, gathered by a set that remembers none of
// them: many hashes and keys are computed together, and each must go to its own statement.
func TestEachStatementGatheredByANewSetGetsItsOwnResult(t *testing.T) {
	const n = 7
	for _, k := range blsCases {
		signing := newSet(t, k, n, 1)
		for _, many := range []int{1, 2, 7, 8, 9, 18} {
			for _, received := range []bool{false, true} {
				fresh := newSet(t, k, n, 1).Scheme
				gs := make([]verify.Gathering, many)
				for i := range gs {
					var who []int
					without := i * i % 11 // some quorums repeat
					for p := range n {
						if p != without%n && (without < n || p != (without+1+without/n)%n) {
							who = append(who, p)
						}
					}
					s := statement(t, signing, subject(uint64(100+i-i%3)), who...) // some repeat
					if received {
						s = &verify.Statement{Subject: s.Subject, Certificate: certify(t, s)}
					}
					s.Scheme = fresh
					gs[i] = verify.Gathering{Statement: s, Signers: s.Signers}
				}
				verify.Gather(gs)
				for i := range gs {
					if gs[i].Combination == nil || !fresh.Check([]verify.Combination{gs[i].Combination}) {
						t.Fatalf("%v: %d of %d (received: %v) does not verify", k, i, many, received)
					}
				}
			}
		}
	}
}

// The results of an earlier use of a Gathering are not taken for those of the next.
func TestAGatheringThatIsUsedAgainHoldsNothingOfItsFirstUse(t *testing.T) {
	for _, k := range blsCases {
		set := newSet(t, k, 4, 1)
		votes := statement(t, set, subject(5), 0, 1, 2)
		good := &verify.Statement{Scheme: set.Scheme, Subject: votes.Subject, Certificate: certify(t, votes)}
		bad := &verify.Statement{Scheme: set.Scheme, Subject: votes.Subject, Certificate: []byte{1, 2, 3}}
		gs := []verify.Gathering{{Statement: good}}
		verify.Gather(gs)
		if gs[0].Combination == nil || gs[0].Err != nil {
			t.Fatalf("%v: %v", k, gs[0].Err)
		}
		gs[0].Statement = bad
		verify.Gather(gs)
		if gs[0].Combination != nil || gs[0].Err == nil {
			t.Fatalf("%v: a certificate of three bytes is opened", k)
		}
		gs[0].Statement, gs[0].Signers = votes, votes.Signers
		verify.Gather(gs)
		if gs[0].Combination == nil || gs[0].Err != nil {
			t.Fatalf("%v: votes: %v", k, gs[0].Err)
		}
	}
}
