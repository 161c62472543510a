package curve

import (
	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
)

// Group is one of the two groups of prime order r that the pairing takes its arguments from.
type Group uint8

const (
	// G1 has 48-byte compressed points and the cheaper arithmetic.
	G1 Group = 1
	// G2 has 96-byte compressed points.
	G2 Group = 2
)

// Compressed returns the length of a compressed point in bytes, 48 or 96. An uncompressed one has
// twice that.
func (g Group) Compressed() int {
	if g == G1 {
		return 48
	}
	return 96
}

// Other returns the other group, with which the pairing combines g.
func (g Group) Other() Group { return G1 + G2 - g }

// Points is a sequence of points of one group, in affine form. It is immutable once returned and
// safe to share between goroutines. "A point" below is a Points of length 1.
type Points interface {
	Group() Group
	Len() int
}

// Backend is the arithmetic of BLS12-381. Its methods take batches. Every method is safe for use by
// many goroutines and runs only on the caller's. Mixed groups and lengths that do not fit are
// programming errors and cause a panic; the content of bytes never does.
type Backend struct {
	name         string
	constantTime bool
	g1           *group[fp.Element, *fp.Element]
	g2           *group[bls12381.E2, *bls12381.E2]

	// pairingsCancel implements the method for at least one pair; p and q have the same length.
	pairingsCancel func(p []affine[fp.Element], q []affine[bls12381.E2]) bool
	keyGen         func(material []byte) [32]byte
}

// operations are the operations of a back end within one group. Each group implements them.
type operations interface {
	read(slab []byte, index []int, uncompressed bool) (Points, []int)
	append(dst []byte, p Points, i int, uncompressed bool) []byte
	isIdentity(p Points, i int) bool
	inSubgroup(p Points, i int) bool
	outside(p Points) []int
	selectPoints(p Points, index []int) Points
	join(parts []Points) Points
	neg(p Points) Points
	sum(p Points) Points
	sums(sets []Points) Points
	mul(p Points, scalars []Scalar) Points
	mulSum(p Points, scalars []Scalar) Points
	standardGenerator() Points
	hash(tag []byte, messages [][]byte) Points
	sign(secret *[32]byte, h Points) Points
	publicKey(secret *[32]byte) Points
}

func (b *Backend) in(g Group) operations {
	switch g {
	case G1:
		return b.g1
	case G2:
		return b.g2
	}
	panic("curve: no such group")
}

// Name is "blst" or "gnark-crypto".
func (b *Backend) Name() string { return b.name }

// ConstantTime reports whether the time of Sign and PublicKey is independent of the secret.
func (b *Backend) ConstantTime() bool { return b.constantTime }

// Read decodes the points at the places of slab named by index: place i is slab[i·size:(i+1)·size],
// where size is that of a compressed or uncompressed point of g. It checks only that each is
// canonical and on the curve: it accepts the identity and points outside the subgroup (except the
// two of G1 whose x is 0). The result does not contain places that do not decode; bad lists their
// positions within index, ascending. An index beyond the slab panics.
func (b *Backend) Read(g Group, slab []byte, index []int, uncompressed bool) (points Points, bad []int) {
	return b.in(g).read(slab, index, uncompressed)
}

// Append appends the encoding of point i of p to dst.
func (b *Backend) Append(dst []byte, p Points, i int, uncompressed bool) []byte {
	return b.in(p.Group()).append(dst, p, i, uncompressed)
}

// IsIdentity reports whether point i is the identity.
func (b *Backend) IsIdentity(p Points, i int) bool { return b.in(p.Group()).isIdentity(p, i) }

// InSubgroup reports whether point i lies in the subgroup of order r. The identity does.
func (b *Backend) InSubgroup(p Points, i int) bool { return b.in(p.Group()).inSubgroup(p, i) }

// Outside returns the positions of the points that do not lie in the subgroup, ascending.
func (b *Backend) Outside(p Points) []int { return b.in(p.Group()).outside(p) }

// Select returns the points at index, in that order, repeats allowed.
func (b *Backend) Select(p Points, index []int) Points {
	return b.in(p.Group()).selectPoints(p, index)
}

// Join returns the points of all parts one after another. At least one part.
func (b *Backend) Join(parts ...Points) Points { return b.in(parts[0].Group()).join(parts) }

// Neg returns −p, point by point.
func (b *Backend) Neg(p Points) Points { return b.in(p.Group()).neg(p) }

// Sum returns the sum of all of p, a point; the identity for none. The sum is exact also in
// exceptional cases (equal, opposite, identity).
func (b *Backend) Sum(p Points) Points { return b.in(p.Group()).sum(p) }

// Sums returns the sum of each of the sets, in that order. At least one set, all of one group.
func (b *Backend) Sums(sets ...Points) Points { return b.in(sets[0].Group()).sums(sets) }

// Mul returns scalars[i]·p[i], point by point. The points must be in the subgroup: the result for
// others is some point of the curve, the same on every back end; see [Scalar]. Scalars are public:
// variable time.
func (b *Backend) Mul(p Points, scalars []Scalar) Points { return b.in(p.Group()).mul(p, scalars) }

// MulSum returns Σ scalars[i]·p[i], a point. For any points it is the sum of Mul's products.
func (b *Backend) MulSum(p Points, scalars []Scalar) Points {
	return b.in(p.Group()).mulSum(p, scalars)
}

// Generator returns the standard generator of g.
func (b *Backend) Generator(g Group) Points { return b.in(g).standardGenerator() }

// Hash hashes messages to points of g under the domain separation tag, after RFC 9380 (XMD:SHA-256,
// SSWU, RO).
func (b *Backend) Hash(g Group, tag []byte, messages ...[]byte) Points {
	return b.in(g).hash(tag, messages)
}

// PairingsCancel reports whether Π e(a[i], c[i]) = 1, a of G1 and c of G2, in one multi-pairing
// with one final exponentiation. Pairs with the identity on either side contribute nothing. It
// returns true for no pairs.
func (b *Backend) PairingsCancel(a, c Points) bool {
	p, q := b.g1.of(a), b.g2.of(c)
	if len(p) != len(q) {
		panic("curve: the numbers of points of G1 and G2 differ")
	}
	return len(p) == 0 || b.pairingsCancel(p, q)
}

// Sign returns secret·h. secret is 32 bytes big-endian, in [1, r).
func (b *Backend) Sign(secret *[32]byte, h Points) Points { return b.in(h.Group()).sign(secret, h) }

// PublicKey returns secret·Generator(g). secret is 32 bytes big-endian, in [1, r).
func (b *Backend) PublicKey(secret *[32]byte, g Group) Points { return b.in(g).publicKey(secret) }

// KeyGen derives a secret in [1, r), 32 bytes big-endian, from at least 32 bytes of key material,
// after draft-irtf-cfrg-bls-signature-05, section 2.3 (HKDF-SHA-256, empty key_info).
func (b *Backend) KeyGen(material []byte) [32]byte {
	if len(material) < 32 {
		panic("curve: key material is shorter than 32 bytes")
	}
	return b.keyGen(material)
}
