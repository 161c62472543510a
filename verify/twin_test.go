package verify_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"math/big"
	"slices"
	"sync"

	"filippo.io/edwards25519"
	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// twin verifies the same statements as package verify, slowly and plainly: one signature at a time,
// with other libraries (for BLS gnark-crypto, for Ed25519 the equation of ZIP-215 written out), and
// without code of package verify.
type twin struct {
	kind         testkit.Kind
	variant      verify.Variant
	uncompressed bool
	namespace    []byte
	keys         [][]byte
	group        []byte
	verdicts     map[string]bool // of votes seen before
	weights      []uint64        // nil if all weigh 1
}

// isQuorum reports whether signers certify.
func (t *twin) isQuorum(signs func(wire.Participant) bool) bool {
	all, signed := 0, 0
	for i := range t.keys {
		w := 1
		if t.weights != nil {
			w = int(t.weights[i])
		}
		all += w
		if signs(wire.Participant(i)) {
			signed += w
		}
	}
	return signed >= all-(all-1)/3
}

func newTwin(k schemeCase, set *testkit.Set) *twin {
	return &twin{k.kind, k.variant, k.acks == verify.Uncompressed, namespace, set.PublicKeys, set.GroupKey, map[string]bool{}, nil}
}

// signedBytes returns union_unique(namespace‖"_ACK", Chunk ‖ varint epoch), written out for short
// namespaces.
func signedBytes(namespace []byte, s wire.Subject) []byte {
	m := append([]byte{byte(len(namespace) + 4)}, namespace...)
	m = append(m, "_ACK"...)
	m = append(m, s.Chunk.Sequencer[:]...)
	m = binary.AppendUvarint(m, s.Chunk.Height)
	m = append(m, s.Chunk.Payload[:]...)
	return binary.AppendUvarint(m, s.Epoch)
}

// vote reports whether participant i's vote is valid.
func (t *twin) vote(i int, s wire.Subject, vote []byte) bool {
	m := signedBytes(t.namespace, s)
	name := string(binary.BigEndian.AppendUint32(append(bytes.Clone(m), vote...), uint32(i)))
	v, ok := t.verdicts[name]
	if !ok {
		switch t.kind {
		case testkit.Ed25519:
			v = zip215(t.keys[i], m, vote)
		case testkit.Secp256r1:
			v = ecdsaTwin(t.keys[i], m, vote)
		default:
			v = t.verify(vote, t.uncompressed, [][]byte{t.keys[i]}, m)
		}
		t.verdicts[name] = v
	}
	return v
}

// certificate reports whether a certificate is valid.
func (t *twin) certificate(s wire.Subject, c []byte) bool {
	m := signedBytes(t.namespace, s)
	if t.kind == testkit.Threshold {
		return t.verify(c, false, [][]byte{t.group}, m)
	}
	n := len(t.keys)
	if len(c) < 8 || binary.BigEndian.Uint64(c) != uint64(n) {
		return false
	}
	c = c[8:]
	var signers []int
	for i := range n {
		if c[i/8]>>(i%8)&1 == 1 {
			signers = append(signers, i)
		}
	}
	c = c[(n+7)/8:]
	if !t.isQuorum(func(i wire.Participant) bool { return slices.Contains(signers, int(i)) }) {
		return false
	}
	if t.kind == testkit.Multisig {
		var keys [][]byte
		for _, i := range signers {
			keys = append(keys, t.keys[i])
		}
		return t.verify(c, false, keys, m)
	}
	count, used := binary.Uvarint(c)
	if c = c[used:]; count != uint64(len(signers)) || len(c) != 64*len(signers) {
		return false
	}
	for k, i := range signers {
		if !t.vote(i, s, c[64*k:64*k+64]) {
			return false
		}
	}
	return true
}

// verify reports whether a signature is a canonical point of the subgroup, not the identity, with
// e(S, g) = e(H, Σ keys).
func (t *twin) verify(signature []byte, uncompressed bool, keys [][]byte, m []byte) bool {
	size := 48
	if t.variant == verify.MinPk {
		size = 96
	}
	if uncompressed {
		size *= 2
	}
	if len(signature) != size || (signature[0]&0x80 != 0) == uncompressed {
		return false
	}
	_, _, g1, g2 := bls.Generators()
	if t.variant == verify.MinSig {
		var s bls.G1Affine
		if used, err := s.SetBytes(signature); err != nil || used != size || s.IsInfinity() || !s.IsInSubGroup() {
			return false
		}
		var sum bls.G2Jac
		for _, b := range keys {
			var k bls.G2Affine
			must(k.SetBytes(b))
			sum.AddMixed(&k)
		}
		h := must(bls.HashToG1(m, []byte("BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_")))
		var k bls.G2Affine
		k.FromJacobian(&sum)
		s.Neg(&s)
		return must(bls.PairingCheck([]bls.G1Affine{s, h}, []bls.G2Affine{g2, k}))
	}
	var s bls.G2Affine
	if used, err := s.SetBytes(signature); err != nil || used != size || s.IsInfinity() || !s.IsInSubGroup() {
		return false
	}
	var sum bls.G1Jac
	for _, b := range keys {
		var k bls.G1Affine
		must(k.SetBytes(b))
		sum.AddMixed(&k)
	}
	h := must(bls.HashToG2(m, []byte("BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_")))
	var k bls.G1Affine
	k.FromJacobian(&sum)
	s.Neg(&s)
	return must(bls.PairingCheck([]bls.G1Affine{g1, k}, []bls.G2Affine{s, h}))
}

// zip215 reports whether 0 ≤ s < l and [8]s·B = [8]R + [8]k·A. A and R may be any encodings of
// points.
func zip215(key, m, signature []byte) bool {
	a, errA := new(edwards25519.Point).SetBytes(key)
	r, errR := new(edwards25519.Point).SetBytes(signature[:32])
	s, errS := new(edwards25519.Scalar).SetCanonicalBytes(signature[32:])
	if errors.Join(errA, errR, errS) != nil {
		return false
	}
	digest := sha512.Sum512(bytes.Join([][]byte{signature[:32], key, m}, nil))
	k := must(new(edwards25519.Scalar).SetUniformBytes(digest[:]))
	left := new(edwards25519.Point).ScalarBaseMult(s)
	right := new(edwards25519.Point).ScalarMult(k, a)
	right.Add(right, r)
	return left.MultByCofactor(left).Equal(right.MultByCofactor(right)) == 1
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// point is a signature in either group, for tests that forge signatures.
type point interface {
	add(point) point
	neg() point
	encode(uncompressed bool) []byte
}

type point1 struct{ bls.G1Jac }
type point2 struct{ bls.G2Jac }

func (p point1) add(q point) point {
	o := q.(point1)
	p.AddAssign(&o.G1Jac)
	return p
}

func (p point1) neg() point {
	p.Neg(&p.G1Jac)
	return p
}

func (p point1) encode(uncompressed bool) []byte {
	var a bls.G1Affine
	a.FromJacobian(&p.G1Jac)
	if uncompressed {
		b := a.RawBytes()
		return b[:]
	}
	b := a.Bytes()
	return b[:]
}

func (p point2) add(q point) point {
	o := q.(point2)
	p.AddAssign(&o.G2Jac)
	return p
}

func (p point2) neg() point {
	p.Neg(&p.G2Jac)
	return p
}

func (p point2) encode(uncompressed bool) []byte {
	var a bls.G2Affine
	a.FromJacobian(&p.G2Jac)
	if uncompressed {
		b := a.RawBytes()
		return b[:]
	}
	b := a.Bytes()
	return b[:]
}

// decodePoint reads a valid signature.
func decodePoint(v verify.Variant, b []byte) point {
	if v == verify.MinSig {
		var a bls.G1Affine
		must(a.SetBytes(b))
		var p point1
		p.FromAffine(&a)
		return p
	}
	var a bls.G2Affine
	must(a.SetBytes(b))
	var p point2
	p.FromAffine(&a)
	return p
}

// times returns k·p by doubling and adding, which is correct outside the subgroup too.
func times(v verify.Variant, k *big.Int, p point) point {
	sum := identity(v)
	for i := k.BitLen() - 1; i >= 0; i-- {
		sum = sum.add(sum)
		if k.Bit(i) == 1 {
			sum = sum.add(p)
		}
	}
	return sum
}

func identity(v verify.Variant) point {
	if v == verify.MinSig {
		var p point1
		p.FromAffine(new(bls.G1Affine))
		return p
	}
	var p point2
	p.FromAffine(new(bls.G2Affine))
	return p
}

// torsion returns a point of small order outside the subgroup: (0, 2), of order 3, in G1's curve;
// in G2's curve, one whose order is the cofactor.
func torsion(v verify.Variant) point {
	if v == verify.MinSig {
		var a bls.G1Affine
		a.Y.SetUint64(2)
		var p point1
		p.FromAffine(&a)
		return p
	}
	return times(v, fr.Modulus(), anyPoint2(1))
}

// smallOrders are the small primes that divide the cofactor of either curve, with their
// multiplicities; the remaining factor for G2 is one prime of 448 bits.
var smallOrders = map[verify.Variant][][2]int64{
	verify.MinSig: {{3, 1}, {11, 2}, {10177, 2}, {859267, 2}, {52437899, 2}},
	verify.MinPk:  {{13, 2}, {23, 2}, {2713, 1}, {11953, 1}, {262069, 1}},
}

// pointsOfSmallOrder returns one point of each order in smallOrders.
var pointsOfSmallOrder = map[verify.Variant]func() []point{
	verify.MinSig: sync.OnceValue(func() []point { return makePointsOfSmallOrder(verify.MinSig) }),
	verify.MinPk:  sync.OnceValue(func() []point { return makePointsOfSmallOrder(verify.MinPk) }),
}

func makePointsOfSmallOrder(v verify.Variant) (all []point) {
	h, any := cofactor1, anyPoint1
	if v == verify.MinPk {
		h, any = cofactor2, anyPoint2
	}
	n := new(big.Int).Mul(h, fr.Modulus())
	nothing := string(identity(v).encode(false))
	for _, order := range smallOrders[v] {
		prime := big.NewInt(order[0])
		rest := new(big.Int).Set(n)
		for range order[1] {
			rest.Div(rest, prime)
		}
		p := identity(v)
		for x := uint64(1); string(p.encode(false)) == nothing; x++ {
			p = times(v, rest, any(x))
		}
		for q := times(v, prime, p); string(q.encode(false)) != nothing; q = times(v, prime, p) {
			p = q
		}
		all = append(all, p)
	}
	return all
}

var (
	cofactor1, _ = new(big.Int).SetString("396c8c005555e1568c00aaab0000aaab", 16)
	cofactor2, _ = new(big.Int).SetString("5d543a95414e7f1091d50792876a202cd91de4547085abaa68a205b2e5a7ddfa628f1cb4d9e82ef21537e293a6691ae1616ec6e786f0c70cf1c38e31c7238e5", 16)
)

// anyPoint1 and anyPoint2 return the first point of their curve from a given x on, of any order.
func anyPoint1(x uint64) point {
	var a bls.G1Affine
	for ; ; x++ {
		a.X.SetUint64(x)
		var y2, b fp.Element
		b.SetUint64(4)
		y2.Square(&a.X).Mul(&y2, &a.X).Add(&y2, &b)
		if a.Y.Sqrt(&y2) != nil {
			var p point1
			p.FromAffine(&a)
			return p
		}
	}
}

func anyPoint2(x uint64) point {
	var a bls.G2Affine
	for ; ; x++ {
		a.X.A0.SetUint64(x)
		var y2, b bls.E2
		b.A0.SetUint64(4)
		b.A1.SetUint64(4)
		y2.Square(&a.X).Mul(&y2, &a.X).Add(&y2, &b)
		if y2.Legendre() == 1 {
			a.Y.Sqrt(&y2)
			var p point2
			p.FromAffine(&a)
			return p
		}
	}
}

// generator returns the generator of the signatures' group.
func generator(v verify.Variant) point {
	g1, g2, _, _ := bls.Generators()
	if v == verify.MinSig {
		return point1{g1}
	}
	return point2{g2}
}

// overlong returns an encoding with a field element that is not below the modulus.
func overlong(size int, uncompressed bool) []byte {
	b := make([]byte, size)
	p := fp.Modulus().FillBytes(make([]byte, 48))
	copy(b, p)
	if !uncompressed {
		b[0] |= 0x80
	}
	return b
}
