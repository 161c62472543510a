package curve

// Group names one of the two groups of prime order r between which the pairing is taken.
type Group uint8

const (
	// G1 has 48-byte compressed points and the cheaper arithmetic.
	G1 Group = 1
	// G2 has 96-byte compressed points.
	G2 Group = 2
)

// Compressed returns the length of a compressed point in bytes, 48 or 96; an uncompressed one has twice that.
func (g Group) Compressed() int {
	if g == G1 {
		return 48
	}
	return 96
}

// Other returns the group that g is paired with.
func (g Group) Other() Group { return G1 + G2 - g }

// Points is a sequence of points of one group in the back end's own affine form. It is immutable once returned
// and safe to share between goroutines. "A point" below is a Points of length 1.
type Points interface {
	Group() Group
	Len() int
}

// Backend is the arithmetic of BLS12-381, its calls shaped as batches. Every method is safe for use by many
// goroutines and runs on the caller's alone. Mixing groups or lengths that do not fit is a programming error and
// panics; bytes never do.
type Backend interface {
	// Name is "blst" or "gnark-crypto".
	Name() string
	// ConstantTime reports whether Sign and PublicKey leak nothing of the secret through time.
	ConstantTime() bool

	// Read decodes the points at the places of slab named by index: place i is slab[i·size:(i+1)·size], size being that of a
	// compressed or uncompressed point of g. It checks that each is canonical and on the curve, and nothing else: the
	// identity and points outside the subgroup pass (all but the two of G1 whose x is 0). Places that do not decode are left out of the result and their
	// position within index is returned in bad, ascending. An index beyond the slab panics.
	Read(g Group, slab []byte, index []int, uncompressed bool) (points Points, bad []int)
	// Append appends the encoding of point i of p to dst.
	Append(dst []byte, p Points, i int, uncompressed bool) []byte

	// IsIdentity reports whether point i is the identity.
	IsIdentity(p Points, i int) bool
	// InSubgroup reports whether point i lies in the subgroup of order r. The identity does.
	InSubgroup(p Points, i int) bool
	// Outside returns the positions of the points that do not lie in the subgroup, ascending.
	Outside(p Points) []int
	// Equal reports whether point i of p equals point j of q.
	Equal(p Points, i int, q Points, j int) bool

	// Select returns the points at index, in that order, repeats allowed.
	Select(p Points, index []int) Points
	// Join returns the points of all parts one after another. At least one part.
	Join(parts ...Points) Points
	// Neg returns −p, point by point.
	Neg(p Points) Points
	// Sum returns the sum of all of p, a point; the identity for none. Exceptional cases (equal, opposite, identity) included.
	Sum(p Points) Points
	// Sums returns the sum of each of the sets, in that order. At least one set, all of one group.
	Sums(sets ...Points) Points
	// Mul returns scalars[i]·p[i], point by point; MulSum returns Σ scalars[i]·p[i], a point. Points are of the subgroup:
	// what comes out for others is a point of the curve, the same on every back end, and the sum of the products; see
	// [Scalar]. Scalars are public: variable time.
	Mul(p Points, scalars []Scalar) Points
	MulSum(p Points, scalars []Scalar) Points

	// Generator returns the standard generator of g.
	Generator(g Group) Points
	// Hash hashes messages to points of g under the domain separation tag, after RFC 9380 (XMD:SHA-256, SSWU, RO).
	Hash(g Group, tag []byte, messages ...[]byte) Points

	// PairingsCancel reports whether Π e(a[i], b[i]) = 1, a of G1 and b of G2, in one multi-pairing with one final
	// exponentiation. Pairs with the identity on either side contribute nothing. True for none.
	PairingsCancel(a, b Points) bool

	// Sign returns secret·h, PublicKey secret·Generator(g). secret is 32 bytes big-endian, in [1, r).
	Sign(secret *[32]byte, h Points) Points
	PublicKey(secret *[32]byte, g Group) Points
	// KeyGen derives a secret in [1, r), 32 bytes big-endian, from at least 32 bytes of key material, after draft-irtf-cfrg-bls-signature-05, section 2.3
	// (HKDF-SHA-256, empty key_info).
	KeyGen(material []byte) [32]byte
}
