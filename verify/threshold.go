package verify

import (
	"crypto/rand"
	"fmt"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	"github.com/lanecast/lanecast/verify/internal/curve"
	"github.com/lanecast/lanecast/wire"
)

// coefficientsRemembered bounds the cache of interpolation coefficients. Each entry has one for
// every signer of a quorum.
const coefficientsRemembered = 64

// Threshold is the BLS scheme in which participant i holds the share f(i+1) of a secret f(0), with
// f of degree quorum − 1. Any quorum of votes interpolates to the same certificate, one signature
// that verifies against the group's key. It implements [Scheme]. It is not attributable: a quorum
// can make the vote of any other validator.
type Threshold struct {
	*blsScheme
	group        namedKey
	coefficients *cache[string, []curve.Scalar] // by encoded bitmap of the interpolated quorum
}

// NewThreshold builds a set of 1 to [MaxValidators] validators from the outcome of a distributed
// key generation: the identities in any order, the compressed group key, and the compressed public
// keys of the shares in the order of ascending identity. Every key must be in the subgroup and not
// the identity, and no two identities and no two shares may be equal. All keys together must be the
// values of one polynomial of degree quorum − 1 at 0, 1, …, n: if they are not, the error wraps
// [ErrInconsistentKeys].
func NewThreshold(c Config, identities []wire.PublicKey, groupKey []byte, shareKeys [][]byte) (*Threshold, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	set, _, err := newValidatorSet(identities)
	if err != nil {
		return nil, err
	}
	if len(shareKeys) != set.len() {
		return nil, fmt.Errorf("verify: %w: %d share keys for %d validators", ErrValidatorSet, len(shareKeys), set.len())
	}
	set.digest = setDigest(nameThreshold+c.Variant.String(), &set, func(i int) []byte { return shareKeys[i] })
	b := newBLSScheme(c, set, wire.SingleSignature)
	group, err := b.readKeys([][]byte{groupKey}, func(int) string { return "the group" })
	if err != nil {
		return nil, err
	}
	if b.keys, err = b.readKeys(shareKeys, func(i int) string { return "validator " + set.identities[i].String() }); err != nil {
		return nil, err
	}
	values := b.curve.Join(group, b.keys)
	if !b.curve.IsIdentity(b.curve.MulSum(values, scalars(degreeTest(set.len(), set.quorum()))), 0) {
		return nil, fmt.Errorf("verify: %w: group key and share keys are not of one polynomial of degree %d",
			ErrInconsistentKeys, set.quorum()-1)
	}
	return &Threshold{
		blsScheme:    b,
		group:        b.newNamedKey(group),
		coefficients: newCache[string, []curve.Scalar](coefficientsRemembered),
	}, nil
}

// Attributable implements [Scheme]: false.
func (t *Threshold) Attributable() bool { return false }

// GroupKey returns the compressed key that certificates verify against.
func (t *Threshold) GroupKey() []byte { return t.curve.Append(nil, t.group.point, 0, false) }

// Combine implements [Scheme]: the votes of the lowest quorum of signers are interpolated at 0.
// Votes beyond a quorum are not read. For fewer signers than a quorum the combination is nil, and
// no vote is called unreadable.
//
// The sum of products goes by the curve's endomorphism, which is right for votes of the subgroup.
// With others among them the result is some point of the curve, not the one that plain
// multiplication gives. That does no harm: the result is checked for the subgroup and verified, and
// only one signature of the group verifies.
func (t *Threshold) Combine(s *Statement, signers wire.Signers) (Combination, []wire.Participant) {
	return combineAlone(t, s, signers)
}

// Open implements [Scheme].
func (t *Threshold) Open(s *Statement) (Combination, error) { return openAlone(t, s) }

// draft implements blsSpecific.
func (t *Threshold) draft(s *Statement, signers wire.Signers) (d *draft, unreadable []wire.Participant) {
	present, absent := t.votes(s, signers, t.format.AckSignature)
	if len(absent) > 0 {
		return nil, absent
	}
	if len(present) < t.quorum() {
		return nil, nil
	}
	v, unreadable := t.readVotes(s, present[:t.quorum()], nil)
	if len(unreadable) > 0 {
		return nil, unreadable
	}
	quorum := t.bitmap(v.participants)
	coefficients := t.coefficients.get(string(quorum.AppendTo(nil)), func() []curve.Scalar { return scalars(interpolation(v.participants)) })
	return &draft{signature: t.curve.MulSum(v.points, coefficients)}, nil
}

// knownKey implements blsSpecific. The group's key is always known.
func (t *Threshold) knownKey(wire.Signers) (namedKey, bool) { return t.group, true }

// Isolate implements [Scheme]. It is InvalidVotes: a plain partial sum says nothing here, since
// errors that cancel in it need not cancel when votes are interpolated.
func (t *Threshold) Isolate(s *Statement, signers wire.Signers) []wire.Participant {
	return t.InvalidVotes(s, signers)
}

// interpolation returns Lagrange's coefficients for the value at 0 of a polynomial known at i+1 for
// every i of participants:
//
//	λᵢ = Π xⱼ / (xⱼ − xᵢ) over j ≠ i, where xᵢ = i + 1
func interpolation(participants []int) []fr.Element {
	xs := make([]fr.Element, len(participants))
	var all fr.Element
	all.SetOne()
	for i, p := range participants {
		xs[i].SetUint64(uint64(p) + 1)
		all.Mul(&all, &xs[i])
	}
	denominators := make([]fr.Element, len(xs))
	var difference fr.Element
	for i := range xs {
		d := xs[i] // the product of all x in the numerator has xᵢ too much
		for j := range xs {
			if j != i {
				difference.Sub(&xs[j], &xs[i])
				d.Mul(&d, &difference)
			}
		}
		denominators[i] = d
	}
	lambda := fr.BatchInvert(denominators)
	for i := range lambda {
		lambda[i].Mul(&lambda[i], &all)
	}
	return lambda
}

// degreeTest returns random coefficients c₀, …, cₙ such that Σ cᵢ·p(i) = 0 for every polynomial p
// of degree below t and, except with negligible probability, for no other values than such a
// polynomial's. The vectors that are orthogonal to all of these polynomials are (vᵢ·m(i)) with
// vᵢ = Π 1/(i − j) over j ≠ i and m of degree at most d = n − t (I. Cascudo, B. David: SCRAPE,
// 2017). With m(x) = Σ rᵏxᵏ over k ≤ d, r random, the test is a polynomial in r whose coefficients
// are the tests by m = xᵏ: if one of these fails it has at most d roots.
func degreeTest(n, t int) []fr.Element {
	factorial := make([]fr.Element, n+1)
	factorial[0].SetOne()
	var x fr.Element
	for i := 1; i <= n; i++ {
		x.SetUint64(uint64(i))
		factorial[i].Mul(&factorial[i-1], &x)
	}
	d := n - t
	r := randomScalar()
	var one, ri fr.Element
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
	var b [48]byte // 127 bits more than the order, so that no bias can be seen
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
