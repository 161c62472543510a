package verify_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// BenchmarkCombineAndCheck measures the work of a worker on one batch: 32 statements, each a quorum
// of 100 validators' votes, combined and checked together, with no message hash known beforehand.
// The votes are all on one height and the statements on other heights, so that nothing is signed
// within the loop. So the check fails, but does the same work as a check that passes.
func BenchmarkCombineAndCheck(b *testing.B) {
	const n, statements = 100, 32
	q := verify.Quorum(n)
	for _, k := range schemeCases {
		set := newSet(b, k, n, 1)
		base := statement(b, set, subject(1), upTo(n)...)
		for _, quorums := range []string{"random", "equal"} {
			b.Run(fmt.Sprintf("%v/%s-quorums", k, quorums), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 2))
				height := uint64(1 << 20)
				for b.Loop() {
					cs := make([]verify.Combination, 0, statements)
					for range statements {
						height++
						s := *base
						s.Subject.Chunk.Height = height
						who := upTo(n)[:q]
						if quorums == "random" {
							who = r.Perm(n)[:q]
						}
						signers := base.Signers.Clone()
						signers.Clear()
						for _, i := range slices.Sorted(slices.Values(who)) {
							signers.Add(wire.Participant(i))
						}
						c, _ := set.Scheme.Combine(&s, signers)
						cs = append(cs, c)
					}
					if set.Scheme.Check(cs) {
						b.Fatal("votes on one height verify for others")
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(statements*q), "ns/ack")
			})
		}
	}
}

// BenchmarkIsolate finds one invalid vote in a quorum of 100 validators'.
func BenchmarkIsolate(b *testing.B) {
	for _, k := range append(listCases, blsCases[0], blsCases[4]) {
		set := newSet(b, k, 100, 1)
		s := statement(b, set, subject(1), upTo(67)...)
		place(s, 40, sign(b, set, 40, subject(2)))
		b.Run(k.String(), func(b *testing.B) {
			for b.Loop() {
				if got := set.Scheme.Isolate(s, s.Signers); len(got) != 1 {
					b.Fatal(got)
				}
			}
		})
	}
}

// BenchmarkNewThreshold measures the check of the keys of a threshold set.
func BenchmarkNewThreshold(b *testing.B) {
	for _, n := range []int{100, 1000, 4096} {
		for _, v := range variants {
			d, err := testkit.Deal(v, n, nil)
			if err != nil {
				b.Fatal(err)
			}
			identities := ids(n)
			b.Run(fmt.Sprintf("%v/n=%d", v, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := verify.NewThreshold(options(v), identities, d.GroupKey, d.ShareKeys); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
