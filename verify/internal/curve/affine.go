package curve

import (
	"unsafe"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
)

// coordinate is an element of the field of a group's coordinates.
type coordinate[E any] interface {
	*E
	SetOne() *E
	IsZero() bool
	Equal(*E) bool
	Add(a, b *E) *E
	Sub(a, b *E) *E
	Double(a *E) *E
	Neg(a *E) *E
	Mul(a, b *E) *E
	Square(a *E) *E
}

// affine is a point. (0, 0), which is not on the curve, represents the identity. Both libraries
// have this layout of points, with coordinates in Montgomery's form with the same constant: x·2³⁸⁴
// mod p.
type affine[E any] struct{ x, y E }

// jacobian is the point (x/z², y/z³), or the identity where z is 0. Its layout is gnark-crypto's.
type jacobian[E any] struct{ x, y, z E }

// projective is the point (x/z, y/z), or the identity where z is 0.
type projective[E any] struct{ x, y, z E }

// as converts a pointer to a point to a pointer to a library's type of points, or the reverse. The
// layouts agree: see below.
func as[T, F any](p *F) *T { return (*T)(unsafe.Pointer(p)) }

// asAll is as for a slice.
func asAll[T, F any](p []F) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(p))), len(p))
}

// The sizes must agree, or this does not compile. The order of the coordinates is part of
// gnark-crypto's API, and the tests would notice a change.
var (
	_ [unsafe.Sizeof(bls12381.G1Affine{})]byte = [unsafe.Sizeof(affine[fp.Element]{})]byte{}
	_ [unsafe.Sizeof(bls12381.G2Affine{})]byte = [unsafe.Sizeof(affine[bls12381.E2]{})]byte{}
	_ [unsafe.Sizeof(bls12381.G1Jac{})]byte    = [unsafe.Sizeof(jacobian[fp.Element]{})]byte{}
	_ [unsafe.Sizeof(bls12381.G2Jac{})]byte    = [unsafe.Sizeof(jacobian[bls12381.E2]{})]byte{}
)

// toAffine converts many points at the cost of one inversion: x = X/Z², y = Y/Z³, and (0, 0) where
// Z = 0. The libraries' own conversions of many points start goroutines.
func (m *products[E, P]) toAffine(p []jacobian[E]) []affine[E] {
	out := make([]affine[E], len(p))
	before := make([]E, len(p)) // the product of all nonzero z before this one
	var product, inverse, square E
	P(&product).SetOne()
	for i := range p {
		before[i] = product
		if !P(&p[i].z).IsZero() {
			P(&product).Mul(&product, &p[i].z)
		}
	}
	m.invert(&product)
	for i := len(p) - 1; i >= 0; i-- {
		if P(&p[i].z).IsZero() {
			continue
		}
		P(&inverse).Mul(&product, &before[i])
		P(&product).Mul(&product, &p[i].z)
		P(&square).Square(&inverse)
		P(&out[i].x).Mul(&p[i].x, &square)
		P(&square).Mul(&square, &inverse)
		P(&out[i].y).Mul(&p[i].y, &square)
	}
	return out
}

// toJacobian converts a point.
func toJacobian[E comparable, P coordinate[E]](p *affine[E]) (j jacobian[E]) {
	if *p != (affine[E]{}) {
		j.x, j.y = p.x, p.y
		P(&j.z).SetOne()
	}
	return j
}

// fromProjective is toAffine for the other coordinates: x = X/Z, y = Y/Z.
func fromProjective[E any, P coordinate[E]](p []projective[E], invert func(x *E)) []affine[E] {
	out := make([]affine[E], len(p))
	before := make([]E, len(p)) // the product of all nonzero z before this one
	var product, inverse E
	P(&product).SetOne()
	for i := range p {
		before[i] = product
		if !P(&p[i].z).IsZero() {
			P(&product).Mul(&product, &p[i].z)
		}
	}
	invert(&product)
	for i := len(p) - 1; i >= 0; i-- {
		if P(&p[i].z).IsZero() {
			continue
		}
		P(&inverse).Mul(&product, &before[i])
		P(&product).Mul(&product, &p[i].z)
		P(&out[i].x).Mul(&p[i].x, &inverse)
		P(&out[i].y).Mul(&p[i].y, &inverse)
	}
	return out
}

// addition is one addition of many: points[to] becomes points[a] + points[b].
type addition struct{ a, b, to int32 }

// relation classifies two points to be added.
type relation uint8

const (
	apart    relation = iota // x differs
	equal                    // the same point: double it
	opposite                 // their sum is the identity
	aIsZero                  // a is the identity
	bIsZero                  // b is the identity
)

// relate returns the relation of a and b. For apart and equal it writes the denominator of λ.
func relate[E any, P coordinate[E]](a, b *affine[E], denominator *E) relation {
	P(denominator).Sub(&b.x, &a.x)
	switch {
	case P(&a.x).IsZero() && P(&a.y).IsZero():
		return aIsZero
	case P(&b.x).IsZero() && P(&b.y).IsZero():
		return bIsZero
	case !P(denominator).IsZero():
		return apart
	case P(&a.y).Equal(&b.y) && !P(&a.y).IsZero():
		P(denominator).Double(&a.y)
		return equal
	}
	return opposite
}

// addPairs performs many additions at the cost of one inversion: with λ = (y₂−y₁)/(x₂−x₁), or
// 3x₁²/2y₁ for equal points, their sum is x₃ = λ² − x₁ − x₂, y₃ = λ(x₁−x₃) − y₁. All denominators
// are inverted together (P. L. Montgomery, "Speeding the Pollard and elliptic curve methods of
// factorization", 1987, section 10.3.1). That takes 5 multiplications and a square for each
// addition; adding an affine point to a Jacobian one takes 7 and 4.
//
// The additions are performed in order, after all denominators have been computed, so none may read
// a place that an earlier one writes. scratch has at least as many elements as there are additions.
func (m *products[E, P]) addPairs(points []affine[E], additions []addition, scratch []E) {
	var product, denominator, lambda, t E
	P(&product).SetOne()
	for i := len(additions) - 1; i >= 0; i-- {
		// scratch[i] is the product of all denominators after this one.
		if r := relate[E, P](&points[additions[i].a], &points[additions[i].b], &denominator); r <= equal {
			scratch[i] = product
			P(&product).Mul(&product, &denominator)
		}
	}
	m.invert(&product)
	for i := range additions {
		a, b := &points[additions[i].a], &points[additions[i].b]
		to := &points[additions[i].to]
		switch relate[E, P](a, b, &denominator) {
		case aIsZero:
			*to = *b
			continue
		case bIsZero:
			*to = *a
			continue
		case opposite:
			*to = affine[E]{}
			continue
		case apart:
			P(&lambda).Sub(&b.y, &a.y)
		case equal:
			P(&t).Square(&a.x)
			P(&lambda).Double(&t)
			P(&lambda).Add(&lambda, &t)
		}
		P(&lambda).Mul(&lambda, &product)
		P(&lambda).Mul(&lambda, &scratch[i])
		P(&product).Mul(&product, &denominator)

		P(&t).Square(&lambda)
		P(&t).Sub(&t, &a.x)
		P(&t).Sub(&t, &b.x)
		P(&denominator).Sub(&a.x, &t)
		P(&denominator).Mul(&denominator, &lambda)
		P(&to.y).Sub(&denominator, &a.y)
		to.x = t
	}
}
