package verify

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
	"pgregory.net/rapid"
)

// slowAtZero is the twin of interpolation.atZero: Lagrange's formula as written.
func slowAtZero(participants []int) []fr.Element {
	lambda := make([]fr.Element, len(participants))
	var xi, xj, divisor, difference fr.Element
	for k, i := range participants {
		lambda[k].SetOne()
		divisor.SetOne()
		xi.SetUint64(uint64(i) + 1)
		for _, j := range participants {
			if j != i {
				xj.SetUint64(uint64(j) + 1)
				lambda[k].Mul(&lambda[k], &xj)
				divisor.Mul(&divisor, difference.Sub(&xj, &xi))
			}
		}
		lambda[k].Div(&lambda[k], &divisor)
	}
	return lambda
}

func compareWithSlow(t *testing.T, p *interpolation, participants []int) {
	t.Helper()
	got, want := p.atZero(participants), slowAtZero(participants)
	for k := range want {
		if !got[k].Equal(&want[k]) {
			t.Fatalf("%d of %d participants, coefficient %d: %v, want %v", len(want), len(p.binomials), k, &got[k], &want[k])
		}
	}
}

func TestInterpolationIsLagrangesForEverySubsetOfAFew(t *testing.T) {
	for n := 1; n <= 9; n++ {
		p := newInterpolation(n)
		for subset := 1; subset < 1<<n; subset++ {
			var who []int
			for i := range n {
				if subset>>i&1 == 1 {
					who = append(who, i)
				}
			}
			compareWithSlow(t, p, who)
		}
	}
}

// quorumsOf returns quorums of n: the lowest and the highest participants, those without every
// third, and random ones.
func quorumsOf(n int) map[string][]int {
	r := rand.New(rand.NewPCG(uint64(n), 9))
	everyThird := make([]int, 0, n)
	for i := range n {
		if i%3 != 1 {
			everyThird = append(everyThird, i)
		}
	}
	for i := 1; len(everyThird) < Quorum(n); i += 3 {
		everyThird = append(everyThird, i)
	}
	slices.Sort(everyThird)
	some := r.Perm(n)[:Quorum(n)]
	slices.Sort(some)
	return map[string][]int{
		"lowest":      participantsFrom(0, Quorum(n)),
		"highest":     participantsFrom(n-Quorum(n), Quorum(n)),
		"every third": everyThird[:Quorum(n)],
		"random":      some,
	}
}

func participantsFrom(first, n int) []int {
	who := make([]int, n)
	for k := range who {
		who[k] = first + k
	}
	return who
}

// Sizes on both sides of those at which a word holds one difference fewer.
func TestInterpolationIsLagrangesForQuorumsOfMany(t *testing.T) {
	for _, n := range []int{15, 16, 31, 32, 63, 64, 100, 127, 128, 255, 256, 511, 512} {
		p := newInterpolation(n)
		for _, who := range quorumsOf(n) {
			compareWithSlow(t, p, who)
		}
		compareWithSlow(t, p, participantsFrom(0, n))
	}
}

// Nearly all are missing, so that the largest possible differences are multiplied.
func TestInterpolationIsLagrangesWithTheLargestDifferences(t *testing.T) {
	for _, n := range []int{4095, 4096, MaxValidators} {
		p := newInterpolation(n)
		compareWithSlow(t, p, []int{0})
		compareWithSlow(t, p, []int{n - 1})
		compareWithSlow(t, p, []int{0, n / 2, n - 1})
	}
}

func TestInterpolationGivesTheValueAtZero(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "n")
		who := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 1, min(n, 20), rapid.ID[int]).Draw(t, "participants")
		slices.Sort(who)
		f := make([]fr.Element, len(who))
		for k := range f {
			f[k] = randomScalar()
		}
		var sum fr.Element
		for k, lambda := range newInterpolation(n).atZero(who) {
			y := evaluate(f, uint64(who[k])+1)
			sum.Add(&sum, y.Mul(&y, &lambda))
		}
		if !sum.Equal(&f[0]) {
			t.Fatal("not the value at 0")
		}
	})
}

func evaluate(f []fr.Element, at uint64) (y fr.Element) {
	var x fr.Element
	x.SetUint64(at)
	for k := len(f) - 1; k >= 0; k-- {
		y.Mul(&y, &x).Add(&y, &f[k])
	}
	return y
}

func TestTheDegreeTestPassesTheDegreeAndNothingAbove(t *testing.T) {
	for n := 1; n <= 40; n++ {
		for degree := range n + 1 {
			f := make([]fr.Element, degree+1)
			for k := range f {
				f[k] = randomScalar()
			}
			var sum fr.Element
			for i, c := range degreeTest(n, Quorum(n)) {
				y := evaluate(f, uint64(i))
				sum.Add(&sum, y.Mul(&y, &c))
			}
			if want := degree < Quorum(n); sum.IsZero() != want {
				t.Fatalf("n=%d, degree %d: %v", n, degree, sum.IsZero())
			}
		}
	}
}

// BenchmarkInterpolation measures the coefficients of a quorum that is not remembered, in the form
// that the curve back end takes.
func BenchmarkInterpolation(b *testing.B) {
	for _, n := range []int{100, 1000, 4096} {
		p := newInterpolation(n)
		for name, who := range quorumsOf(n) {
			b.Run(fmt.Sprintf("n=%d/%s", n, name), func(b *testing.B) {
				for b.Loop() {
					scalars(p.atZero(who))
				}
			})
		}
		b.Run(fmt.Sprintf("n=%d/slow", n), func(b *testing.B) {
			who := quorumsOf(n)["random"]
			for b.Loop() {
				scalars(slowAtZero(who))
			}
		})
	}
}
