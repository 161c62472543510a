//go:build cgo

package curve

import (
	"os"
	"unsafe"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
	blst "github.com/supranational/blst/bindings/go"
)

// Default returns the back end of this build: blst, since cgo is on.
func Default() Backend { return blstBackend }

// blstBackend uses nothing of the bindings that starts goroutines, and never SetMaxProcs.
var blstBackend = newBlst(SIMD())

// SIMD reports whether Default works on eight field elements at a time where it can: the processor has AVX-512 IFMA
// and the environment does not say LANECAST_IFMA=off.
func SIMD() bool { return hasIFMA() && os.Getenv("LANECAST_IFMA") != "off" }

type blstCurve struct {
	pair
	together bool // eight at a time, through ifma.go
}

// The sums and products of this back end, with or without vectors.
var blstProducts1, blstProducts2 = newProducts1(blstInvert1), newProducts2(blstInvert2)

// newBlst makes the back end on blst; together says whether many compressed points, and many pairs, go eight at a time.
func newBlst(together bool) *blstCurve {
	products1, products2 := blstProducts1, blstProducts2
	g1 := &group[blst.P1Affine, blst.P1]{
		id:        G1,
		generator: *blst.P1Generator().ToAffine(),
		decode:    blstDecode[blst.P1Affine],
		encode:    blstEncode[blst.P1Affine],
		inTorsion: func(p *blst.P1Affine) bool { return p.InG1() },
		negate: func(p *blst.P1Affine) {
			y := &as[affine[fp.Element]](p).y
			y.Neg(y)
		},
		summed: func(p []blst.P1Affine) blst.P1Affine {
			sum := products1.total(asAll[affine[fp.Element]](p))
			return *as[blst.P1Affine](&sum)
		},
		toAffine: func(p []blst.P1) []blst.P1Affine {
			return asAll[blst.P1Affine](products1.toAffine(asAll[jacobian[fp.Element]](p)))
		},
		multiplied: func(p []blst.P1Affine, scalars []Scalar) []blst.P1Affine {
			return asAll[blst.P1Affine](products1.each(asAll[affine[fp.Element]](p), scalars))
		},
		mulSummed: func(p []blst.P1Affine, scalars []Scalar) blst.P1Affine {
			sum := products1.sum(asAll[affine[fp.Element]](p), scalars)
			return *as[blst.P1Affine](&sum)
		},
		hash: func(tag, message []byte) blst.P1 { return *blst.HashToG1(message, tag) },
		sign: blstSign[blst.P1Affine, blst.P1],
		public: func(secret *[32]byte) (key blst.P1Affine) {
			withSecret(secret, func(k *blst.SecretKey) { key.From(k) })
			return key
		},
	}
	g2 := &group[blst.P2Affine, blst.P2]{
		id:        G2,
		generator: *blst.P2Generator().ToAffine(),
		decode:    blstDecode[blst.P2Affine],
		encode:    blstEncode[blst.P2Affine],
		inTorsion: func(p *blst.P2Affine) bool { return p.InG2() },
		negate: func(p *blst.P2Affine) {
			y := &as[affine[bls12381.E2]](p).y
			y.Neg(y)
		},
		summed: func(p []blst.P2Affine) blst.P2Affine {
			sum := products2.total(asAll[affine[bls12381.E2]](p))
			return *as[blst.P2Affine](&sum)
		},
		toAffine: func(p []blst.P2) []blst.P2Affine {
			return asAll[blst.P2Affine](products2.toAffine(asAll[jacobian[bls12381.E2]](p)))
		},
		multiplied: func(p []blst.P2Affine, scalars []Scalar) []blst.P2Affine {
			return asAll[blst.P2Affine](products2.each(asAll[affine[bls12381.E2]](p), scalars))
		},
		mulSummed: func(p []blst.P2Affine, scalars []Scalar) blst.P2Affine {
			sum := products2.sum(asAll[affine[bls12381.E2]](p), scalars)
			return *as[blst.P2Affine](&sum)
		},
		hash: func(tag, message []byte) blst.P2 { return *blst.HashToG2(message, tag) },
		sign: blstSign[blst.P2Affine, blst.P2],
		public: func(secret *[32]byte) (key blst.P2Affine) {
			withSecret(secret, func(k *blst.SecretKey) { key.From(k) })
			return key
		},
	}
	if together {
		g1.decodeMany, g2.decodeMany = ifmaRead1, ifmaRead2
		g1.inside, g2.inside = ifmaInside1, ifmaInside2
		g1.hashMany, g2.hashMany = ifmaHash1, ifmaHash2
		g1.sumMany, g2.sumMany = ifmaSums1, ifmaSums2
		g1.multiplied = func(p []blst.P1Affine, scalars []Scalar) []blst.P1Affine {
			return asAll[blst.P1Affine](ifmaProducts1.of(asAll[affine[fp.Element]](p), scalars))
		}
		g1.mulSummed = func(p []blst.P1Affine, scalars []Scalar) blst.P1Affine {
			sum := ifmaProducts1.sumOf(asAll[affine[fp.Element]](p), scalars)
			return *as[blst.P1Affine](&sum)
		}
		g2.multiplied = func(p []blst.P2Affine, scalars []Scalar) []blst.P2Affine {
			return asAll[blst.P2Affine](ifmaProducts2.of(asAll[affine[bls12381.E2]](p), scalars))
		}
		g2.mulSummed = func(p []blst.P2Affine, scalars []Scalar) blst.P2Affine {
			sum := ifmaProducts2.sumOf(asAll[affine[bls12381.E2]](p), scalars)
			return *as[blst.P2Affine](&sum)
		}
	}
	return &blstCurve{pair{g1, g2}, together}
}

func (*blstCurve) Name() string       { return "blst" }
func (*blstCurve) ConstantTime() bool { return true }

// blstAffine and blstJacobian are what P1Affine and P2Affine, P1 and P2 have in common.
type blstAffine[A any] interface {
	*A
	Serialize() []byte
	Deserialize(in []byte) *A
	Compress() []byte
	Uncompress(in []byte) *A
}

type blstJacobian[J, A any] interface {
	*J
	MultAssign(scalar any, bits ...int) *J
	FromAffine(p *A)
	ToAffine() *A
}

func blstDecode[A any, P blstAffine[A]](p *A, in []byte, uncompressed bool) bool {
	if uncompressed {
		return P(p).Deserialize(in) != nil
	}
	return P(p).Uncompress(in) != nil
}

func blstEncode[A any, P blstAffine[A]](dst []byte, p *A, uncompressed bool) []byte {
	if uncompressed {
		return append(dst, P(p).Serialize()...)
	}
	return append(dst, P(p).Compress()...)
}

// blstInvert1 and blstInvert2 give 1/x for an x other than 0, as the first coordinate x/x² of (x,
// x, x) in affine form. The bindings have no inversion of a field element. blst's takes the same
// time for all, a third of what gnark-crypto's takes, which goes by branches that no processor
// foresees.
func blstInvert1(x *fp.Element) {
	p := jacobian[fp.Element]{x: *x, y: *x, z: *x}
	*x = as[affine[fp.Element]](as[blst.P1](&p).ToAffine()).x
}

func blstInvert2(x *bls12381.E2) {
	p := jacobian[bls12381.E2]{x: *x, y: *x, z: *x}
	*x = as[affine[bls12381.E2]](as[blst.P2](&p).ToAffine()).x
}

// blstInvert is the one of the two that fits.
func blstInvert[E any](x *E) {
	switch x := any(x).(type) {
	case *fp.Element:
		blstInvert1(x)
	case *bls12381.E2:
		blstInvert2(x)
	}
}

// blstSign multiplies in constant time, as blst's own signing does, and leaves no trace of the secret in the
// projective coordinate: only the affine point goes out.
func blstSign[A, J any, P blstJacobian[J, A]](secret *[32]byte, h *A) (signature A) {
	withSecret(secret, func(k *blst.SecretKey) {
		var point J
		P(&point).FromAffine(h)
		P(&point).MultAssign(k)
		signature = *P(&point).ToAffine()
		var zero J
		point = zero
	})
	return signature
}

// withSecret gives use the secret in blst's form and wipes that copy afterwards.
func withSecret(secret *[32]byte, use func(k *blst.SecretKey)) {
	k := new(blst.SecretKey)
	defer k.Zeroize()
	if k.Deserialize(secret[:]) == nil {
		panic("curve: the secret is not in [1, r)")
	}
	use(k)
}

func (*blstCurve) KeyGen(material []byte) (secret [32]byte) {
	k := blst.KeyGen(material)
	if k == nil {
		panic("curve: key material is shorter than 32 bytes")
	}
	bytes := k.Serialize()
	copy(secret[:], bytes)
	clear(bytes)
	k.Zeroize()
	return secret
}

func (b *blstCurve) PairingsCancel(a, c Points) bool {
	p := b.g1.(*group[blst.P1Affine, blst.P1]).of(a)
	q := b.g2.(*group[blst.P2Affine, blst.P2]).of(c)
	if len(p) != len(q) {
		panic("curve: pairs need as many points of G1 as of G2")
	}
	if b.together {
		return ifmaCancel(p, q)
	}
	ctx := blst.PairingCtx(true, nil)
	pairs := 0
	for i := range p {
		// blst skips a pair only when both sides are the identity.
		if p[i] == (blst.P1Affine{}) || q[i] == (blst.P2Affine{}) {
			continue
		}
		blst.PairingRawAggregate(ctx, &q[i], &p[i])
		pairs++
	}
	if pairs == 0 {
		return true
	}
	blst.PairingCommit(ctx)
	return blst.PairingFinalVerify(ctx)
}

// blst's coordinates are in Montgomery's form with the same constant as gnark-crypto's, fully
// reduced. The bindings offer neither a negation for affine points nor a look at a coordinate, nor
// any arithmetic on them. That blst lays points out like affine and jacobian is part of its C
// header, and the tests would notice if it changed; if the sizes did not agree, this would not
// compile.
var (
	_ [unsafe.Sizeof(blst.P1Affine{})]byte = [unsafe.Sizeof(affine[fp.Element]{})]byte{}
	_ [unsafe.Sizeof(blst.P2Affine{})]byte = [unsafe.Sizeof(affine[bls12381.E2]{})]byte{}
	_ [unsafe.Sizeof(blst.P1{})]byte       = [unsafe.Sizeof(jacobian[fp.Element]{})]byte{}
	_ [unsafe.Sizeof(blst.P2{})]byte       = [unsafe.Sizeof(jacobian[bls12381.E2]{})]byte{}
)
