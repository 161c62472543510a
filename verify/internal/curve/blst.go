//go:build cgo

package curve

import (
	"unsafe"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
	blst "github.com/supranational/blst/bindings/go"
)

// Default returns the back end of this build: blst, since cgo is on.
func Default() *Backend { return blstBackend }

// blstBackend calls no function of the bindings that starts goroutines, and never SetMaxProcs.
var blstBackend = newBlst(portsToUse())

// SIMD reports whether Default can process several points at a time: the processor has AVX-512 IFMA
// and the environment does not turn it off.
func SIMD() bool {
	on, _ := parseSetting(setting)
	return on && hasIFMA()
}

// portsToUse returns 0 without SIMD, else ifmaPorts.
func portsToUse() int {
	if !SIMD() {
		return 0
	}
	return ifmaPorts()
}

// blstProducts1 and blstProducts2 are the sums and products of this back end without SIMD.
var blstProducts1, blstProducts2 = newProducts1(blstInvert1), newProducts2(blstInvert2)

// newBlst makes the back end on blst, with SIMD for a processor with that many ports, or without
// SIMD if ports is 0.
func newBlst(ports int) *Backend {
	b := &Backend{
		name:         "blst",
		constantTime: true,
		g1: blstGroup(G1, blst.P1Generator(), blstProducts1, (*blst.P1Affine).InG1,
			func(tag, message []byte) *blst.P1 { return blst.HashToG1(message, tag) }),
		g2: blstGroup(G2, blst.P2Generator(), blstProducts2, (*blst.P2Affine).InG2,
			func(tag, message []byte) *blst.P2 { return blst.HashToG2(message, tag) }),
		pairingsCancel: blstCancel,
		keyGen:         blstKeyGen,
	}
	if ports > 0 {
		useIFMA(b, ports)
	}
	return b
}

// blstAffine is the part that P1Affine and P2Affine have in common.
type blstAffine[A any] interface {
	*A
	Serialize() []byte
	Deserialize(in []byte) *A
	Compress() []byte
	Uncompress(in []byte) *A
	From(secret *blst.SecretKey) *A
}

// blstJacobian is the part that P1 and P2 have in common.
type blstJacobian[J, A any] interface {
	*J
	MultAssign(scalar any, bits ...int) *J
	FromAffine(p *A)
	ToAffine() *A
}

// blstGroup makes a group of blst. A and J are its types of points.
func blstGroup[E comparable, P coordinate[E], A, J any, PA blstAffine[A], PJ blstJacobian[J, A]](
	id Group, generator *J, products *products[E, P],
	inSubgroup func(p *A) bool, hash func(tag, message []byte) *J,
) *group[E, P] {
	return &group[E, P]{
		id: id, generator: *as[affine[E]](PJ(generator).ToAffine()), products: products, multiples: products,
		library: library[E]{
			decode: func(p *affine[E], in []byte, uncompressed bool) bool {
				if uncompressed {
					return PA(as[A](p)).Deserialize(in) != nil
				}
				return PA(as[A](p)).Uncompress(in) != nil
			},
			encode: func(dst []byte, p *affine[E], uncompressed bool) []byte {
				if uncompressed {
					return append(dst, PA(as[A](p)).Serialize()...)
				}
				return append(dst, PA(as[A](p)).Compress()...)
			},
			inSubgroup: func(p *affine[E]) bool { return inSubgroup(as[A](p)) },
			hash:       func(tag, message []byte) jacobian[E] { return *as[jacobian[E]](hash(tag, message)) },
			// sign multiplies in constant time, as blst's own signing does. The projective
			// coordinate depends on the secret, so only the affine point is returned.
			sign: func(secret *[32]byte, h *affine[E]) (signature affine[E]) {
				withSecret(secret, func(k *blst.SecretKey) {
					var point, zero J
					PJ(&point).FromAffine(as[A](h))
					PJ(&point).MultAssign(k)
					signature = *as[affine[E]](PJ(&point).ToAffine())
					point = zero
				})
				return signature
			},
			publicKey: func(secret *[32]byte) (key affine[E]) {
				withSecret(secret, func(k *blst.SecretKey) { PA(as[A](&key)).From(k) })
				return key
			},
		},
	}
}

// blstInvert1 and blstInvert2 replace an x other than 0 by 1/x, the first coordinate x/x² of (x, x,
// x) in affine form. The bindings have no inversion of a field element. blst's inversion takes the
// same time for all elements, a third of that of gnark-crypto's, whose branches are unpredictable.
func blstInvert1(x *fp.Element) {
	p := jacobian[fp.Element]{x: *x, y: *x, z: *x}
	*x = as[affine[fp.Element]](as[blst.P1](&p).ToAffine()).x
}

func blstInvert2(x *bls12381.E2) {
	p := jacobian[bls12381.E2]{x: *x, y: *x, z: *x}
	*x = as[affine[bls12381.E2]](as[blst.P2](&p).ToAffine()).x
}

// blstInvert returns the one of the two for E.
func blstInvert[E any](x *E) {
	switch x := any(x).(type) {
	case *fp.Element:
		blstInvert1(x)
	case *bls12381.E2:
		blstInvert2(x)
	}
}

// withSecret calls use with the secret in blst's form, and wipes that copy afterwards.
func withSecret(secret *[32]byte, use func(k *blst.SecretKey)) {
	k := new(blst.SecretKey)
	defer k.Zeroize()
	if k.Deserialize(secret[:]) == nil {
		panic("curve: the secret is not in [1, r)")
	}
	use(k)
}

func blstKeyGen(material []byte) (secret [32]byte) {
	k := blst.KeyGen(material)
	bytes := k.Serialize()
	copy(secret[:], bytes)
	clear(bytes)
	k.Zeroize()
	return secret
}

// blstCancel is PairingsCancel without SIMD.
func blstCancel(p []affine[fp.Element], q []affine[bls12381.E2]) bool {
	ctx := blst.PairingCtx(true, nil)
	pairs := 0
	for i := range p {
		// blst skips a pair only if both sides are the identity.
		if p[i] == (affine[fp.Element]{}) || q[i] == (affine[bls12381.E2]{}) {
			continue
		}
		blst.PairingRawAggregate(ctx, as[blst.P2Affine](&q[i]), as[blst.P1Affine](&p[i]))
		pairs++
	}
	if pairs == 0 {
		return true
	}
	blst.PairingCommit(ctx)
	return blst.PairingFinalVerify(ctx)
}

// blst's coordinates are in Montgomery's form with the same constant as gnark-crypto's, fully
// reduced. The bindings have no negation for affine points, no access to a coordinate, and no
// arithmetic on coordinates. The layout of blst's points, that of affine and jacobian, is part of
// its C header. The tests would notice a change; if the sizes did not agree, this would not
// compile.
var (
	_ [unsafe.Sizeof(blst.P1Affine{})]byte = [unsafe.Sizeof(affine[fp.Element]{})]byte{}
	_ [unsafe.Sizeof(blst.P2Affine{})]byte = [unsafe.Sizeof(affine[bls12381.E2]{})]byte{}
	_ [unsafe.Sizeof(blst.P1{})]byte       = [unsafe.Sizeof(jacobian[fp.Element]{})]byte{}
	_ [unsafe.Sizeof(blst.P2{})]byte       = [unsafe.Sizeof(jacobian[bls12381.E2]{})]byte{}
)
