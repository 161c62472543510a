package verify

import (
	"crypto/rand"
	"math/bits"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	"github.com/lanecast/lanecast/verify/internal/curve"
)

// interpolation interpolates polynomials over n participants. The value of participant i is that at
// xᵢ = i + 1.
type interpolation struct {
	binomials []fr.Element // n over xᵢ for participant i
}

func newInterpolation(n int) *interpolation {
	factorial := factorials(n)
	inverse := fr.BatchInvert(factorial)
	binomials := make([]fr.Element, n)
	for i := range binomials {
		x := i + 1
		binomials[i].Mul(&factorial[n], &inverse[x])
		binomials[i].Mul(&binomials[i], &inverse[n-x])
	}
	return &interpolation{binomials}
}

// atZero returns Lagrange's coefficients for the value at 0 of a polynomial whose values at
// participants, which are ascending, are known:
//
//	λᵢ = Π xⱼ / (xⱼ − xᵢ) over j ≠ i
//
// Over all n participants that is (−1)ⁱ times n over xᵢ. It is multiplied by Π (xₘ − xᵢ) / xₘ over
// the missing participants m. If i is number k of the participants present, i − k missing ones are
// below it, so the sign is (−1)ᵏ:
//
//	λᵢ = (−1)ᵏ · (n over xᵢ) · Π |xₘ − xᵢ| / Π xₘ
//
// The time is that of one field multiplication for every participant and every few missing ones:
// the differences are small, and a machine word holds the product of several.
func (p *interpolation) atZero(participants []int) []fr.Element {
	n := len(p.binomials)
	missing := make([]uint64, 0, n-len(participants)) // xₘ of the missing participants
	for i, next := 0, participants; i < n; i++ {
		if len(next) > 0 && next[0] == i {
			next = next[1:]
		} else {
			missing = append(missing, uint64(i)+1)
		}
	}
	together := 64 / bits.Len(uint(n))

	// If the representation of an element is a word, its value is that word divided by R = 2²⁵⁶.
	// The common factor compensates for that.
	var common, x fr.Element
	common.SetOne()
	for _, m := range missing {
		common.Mul(&common, x.SetUint64(m))
	}
	common.Inverse(&common)
	x.SetUint64(2)
	common.Mul(&common, power(x, 256*((len(missing)+together-1)/together)))

	lambda := make([]fr.Element, len(participants))
	for k, i := range participants {
		l := &lambda[k]
		l.Mul(&p.binomials[i], &common)
		if k%2 == 1 {
			l.Neg(l)
		}
		for rest := missing; len(rest) > 0; {
			some := rest[:min(together, len(rest))]
			rest = rest[len(some):]
			word := uint64(1)
			for _, m := range some {
				word *= max(m, uint64(i)+1) - min(m, uint64(i)+1)
			}
			l.Mul(l, &fr.Element{word})
		}
	}
	return lambda
}

// degreeTest returns random coefficients c₀, …, cₙ such that Σ cᵢ·p(i) = 0 for every polynomial p
// of degree below t and, except with negligible probability, for no other values. The vectors that
// are orthogonal to all of these polynomials are (vᵢ·m(i)) with vᵢ = Π 1/(i − j) over j ≠ i and m
// of degree at most d = n − t (I. Cascudo, B. David: SCRAPE, 2017). With m(x) = Σ rᵏxᵏ over k ≤ d,
// r random, the test is a polynomial in r whose coefficients are the tests by m = xᵏ: if one of
// these fails it has at most d roots.
func degreeTest(n, t int) []fr.Element {
	factorial := factorials(n)
	d := n - t
	r := randomScalar()
	var one, ri, x fr.Element
	one.SetOne()
	cs := make([]fr.Element, n+1)
	denominators := make([]fr.Element, n+1)
	for i := range cs {
		// vᵢ = (−1)ⁿ⁻ⁱ / (i!·(n−i)!), and m(i) = ((ri)ᵈ⁺¹ − 1) / (ri − 1).
		denominators[i].Mul(&factorial[i], &factorial[n-i])
		x.SetUint64(uint64(i))
		ri.Mul(&r, &x)
		if ri.IsOne() {
			cs[i].SetUint64(uint64(d) + 1)
		} else {
			cs[i].Sub(power(ri, d+1), &one)
			ri.Sub(&ri, &one)
			denominators[i].Mul(&denominators[i], &ri)
		}
		if (n-i)%2 == 1 {
			cs[i].Neg(&cs[i])
		}
	}
	for i, inverse := range fr.BatchInvert(denominators) {
		cs[i].Mul(&cs[i], &inverse)
	}
	return cs
}

// factorials returns 0!, …, n!.
func factorials(n int) []fr.Element {
	f := make([]fr.Element, n+1)
	f[0].SetOne()
	var x fr.Element
	for i := 1; i <= n; i++ {
		x.SetUint64(uint64(i))
		f[i].Mul(&f[i-1], &x)
	}
	return f
}

// power returns xᵉ, e ≥ 0.
func power(x fr.Element, e int) *fr.Element {
	var y fr.Element
	y.SetOne()
	for ; e > 0; e >>= 1 {
		if e&1 == 1 {
			y.Mul(&y, &x)
		}
		x.Square(&x)
	}
	return &y
}

// randomScalar returns a private, uniform scalar.
func randomScalar() (x fr.Element) {
	var b [48]byte // 127 bits more than the order: the bias is negligible
	_, _ = rand.Read(b[:])
	x.SetBytes(b[:])
	return x
}

// scalars converts field elements to the form that the curve back end takes.
func scalars(xs []fr.Element) []curve.Scalar {
	out := make([]curve.Scalar, len(xs))
	var b [fr.Bytes]byte
	for i := range xs {
		fr.LittleEndian.PutElement(&b, xs[i])
		out[i] = curve.NewScalar(b)
	}
	return out
}
