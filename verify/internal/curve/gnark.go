package curve

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"math/big"
	"slices"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

// Gnark returns the back end on gnark-crypto, which every build has: the default without cgo, and otherwise the oracle
// that tests compare with.
func Gnark() Backend { return gnarkBackend }

var gnarkBackend = newGnark()

// gnarkCurve is the back end on gnark-crypto. Its arithmetic is not constant-time.
type gnarkCurve struct {
	pair
}

func newGnark() *gnarkCurve {
	_, _, g1, g2 := bls12381.Generators()
	products1 := newProducts1(func(x *fp.Element) { x.Inverse(x) })
	products2 := newProducts2(func(x *bls12381.E2) { x.Inverse(x) })
	return &gnarkCurve{pair{
		g1: &group[bls12381.G1Affine, bls12381.G1Jac]{
			id:        G1,
			generator: g1,
			decode: func(p *bls12381.G1Affine, in []byte, uncompressed bool) bool {
				// The decoder leaves out the curve equation for uncompressed points, and would let (0, 0) pass as the
				// identity. (0, ±2) are of order three; blst does not read them, so neither do we.
				return gnarkDecode(p, in) && !p.X.IsZero() && (!uncompressed || p.IsOnCurve())
			},
			encode: func(dst []byte, p *bls12381.G1Affine, uncompressed bool) []byte {
				if uncompressed {
					raw := p.RawBytes()
					return append(dst, raw[:]...)
				}
				short := p.Bytes()
				return append(dst, short[:]...)
			},
			inTorsion: func(p *bls12381.G1Affine) bool { return p.IsInSubGroup() },
			negate:    func(p *bls12381.G1Affine) { p.Neg(p) },
			summed: func(p []bls12381.G1Affine) bls12381.G1Affine {
				sum := products1.total(asAll[affine[fp.Element]](p))
				return *as[bls12381.G1Affine](&sum)
			},
			toAffine: func(p []bls12381.G1Jac) []bls12381.G1Affine {
				return asAll[bls12381.G1Affine](products1.toAffine(asAll[jacobian[fp.Element]](p)))
			},
			multiplied: func(p []bls12381.G1Affine, scalars []Scalar) []bls12381.G1Affine {
				return asAll[bls12381.G1Affine](products1.each(asAll[affine[fp.Element]](p), scalars))
			},
			mulSummed: func(p []bls12381.G1Affine, scalars []Scalar) bls12381.G1Affine {
				sum := products1.sum(asAll[affine[fp.Element]](p), scalars)
				return *as[bls12381.G1Affine](&sum)
			},
			hash: func(tag, message []byte) (out bls12381.G1Jac) {
				p, err := bls12381.HashToG1(message, tag)
				mustHash(err)
				out.FromAffine(&p)
				return out
			},
			sign: func(secret *[32]byte, h *bls12381.G1Affine) (out bls12381.G1Affine) {
				out.ScalarMultiplication(h, mustSecret(secret))
				return out
			},
			public: func(secret *[32]byte) (out bls12381.G1Affine) {
				out.ScalarMultiplication(&g1, mustSecret(secret))
				return out
			},
		},
		g2: &group[bls12381.G2Affine, bls12381.G2Jac]{
			id:        G2,
			generator: g2,
			decode: func(p *bls12381.G2Affine, in []byte, uncompressed bool) bool {
				return gnarkDecode(p, in) && (!uncompressed || !p.IsInfinity() && p.IsOnCurve())
			},
			encode: func(dst []byte, p *bls12381.G2Affine, uncompressed bool) []byte {
				if uncompressed {
					raw := p.RawBytes()
					return append(dst, raw[:]...)
				}
				short := p.Bytes()
				return append(dst, short[:]...)
			},
			inTorsion: func(p *bls12381.G2Affine) bool { return p.IsInSubGroup() },
			negate:    func(p *bls12381.G2Affine) { p.Neg(p) },
			summed: func(p []bls12381.G2Affine) bls12381.G2Affine {
				sum := products2.total(asAll[affine[bls12381.E2]](p))
				return *as[bls12381.G2Affine](&sum)
			},
			toAffine: func(p []bls12381.G2Jac) []bls12381.G2Affine {
				return asAll[bls12381.G2Affine](products2.toAffine(asAll[jacobian[bls12381.E2]](p)))
			},
			multiplied: func(p []bls12381.G2Affine, scalars []Scalar) []bls12381.G2Affine {
				return asAll[bls12381.G2Affine](products2.each(asAll[affine[bls12381.E2]](p), scalars))
			},
			mulSummed: func(p []bls12381.G2Affine, scalars []Scalar) bls12381.G2Affine {
				sum := products2.sum(asAll[affine[bls12381.E2]](p), scalars)
				return *as[bls12381.G2Affine](&sum)
			},
			hash: func(tag, message []byte) (out bls12381.G2Jac) {
				p, err := bls12381.HashToG2(message, tag)
				mustHash(err)
				out.FromAffine(&p)
				return out
			},
			sign: func(secret *[32]byte, h *bls12381.G2Affine) (out bls12381.G2Affine) {
				out.ScalarMultiplication(h, mustSecret(secret))
				return out
			},
			public: func(secret *[32]byte) (out bls12381.G2Affine) {
				out.ScalarMultiplication(&g2, mustSecret(secret))
				return out
			},
		},
	}}
}

func (*gnarkCurve) Name() string       { return "gnark-crypto" }
func (*gnarkCurve) ConstantTime() bool { return false }

// gnarkDecode reads a point without the subgroup check, which SetBytes would always make.
func gnarkDecode(p any, in []byte) bool {
	return bls12381.NewDecoder(bytes.NewReader(in), bls12381.NoSubgroupChecks()).Decode(p) == nil
}

// mustHash panics on an error: hashing has none for the tags that hashTo lets through.
func mustHash(err error) {
	if err != nil {
		panic("curve: hash to curve: " + err.Error())
	}
}

func mustSecret(secret *[32]byte) *big.Int {
	k := new(big.Int).SetBytes(secret[:])
	if k.Sign() == 0 || k.Cmp(fr.Modulus()) >= 0 {
		panic("curve: the secret is not in [1, r)")
	}
	return k
}

func (*gnarkCurve) KeyGen(material []byte) (secret [32]byte) {
	if len(material) < 32 {
		panic("curve: key material is shorter than 32 bytes")
	}
	ikm := append(slices.Clone(material), 0)
	defer clear(ikm)
	// Section 2.3: L = ceil(3·ceil(log2 r)/16) = 48; info is key_info, empty, and L in two bytes.
	const length = 48
	salt := sha256.Sum256([]byte("BLS-SIG-KEYGEN-SALT-"))
	for {
		expanded, err := hkdf.Key(sha256.New, ikm, salt[:], string([]byte{0, length}), length)
		if err != nil {
			panic("curve: key generation: " + err.Error())
		}
		var k fr.Element
		k.SetBytes(expanded)
		clear(expanded)
		if !k.IsZero() {
			return k.Bytes()
		}
		salt = sha256.Sum256(salt[:])
	}
}

func (b *gnarkCurve) PairingsCancel(a, c Points) bool {
	p := b.g1.(*group[bls12381.G1Affine, bls12381.G1Jac]).of(a)
	q := b.g2.(*group[bls12381.G2Affine, bls12381.G2Jac]).of(c)
	if len(p) != len(q) {
		panic("curve: pairs need as many points of G1 as of G2")
	}
	if len(p) == 0 {
		return true
	}
	one, err := bls12381.PairingCheck(p, q)
	return err == nil && one
}
