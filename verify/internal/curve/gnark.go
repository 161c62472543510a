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

// Gnark returns the back end on gnark-crypto. It exists in every build: without cgo it is the
// default, with cgo the tests compare with it. Its arithmetic is not constant-time.
func Gnark() *Backend { return gnarkBackend }

var gnarkBackend = newGnark()

func newGnark() *Backend {
	_, _, g1, g2 := bls12381.Generators()
	return &Backend{
		name: "gnark-crypto",
		g1: gnarkGroup(G1, g1, newProducts1(func(x *fp.Element) { x.Inverse(x) }), bls12381.HashToG1,
			func(p *bls12381.G1Affine) []byte { b := p.Bytes(); return b[:] }),
		g2: gnarkGroup(G2, g2, newProducts2(func(x *bls12381.E2) { x.Inverse(x) }), bls12381.HashToG2,
			func(p *bls12381.G2Affine) []byte { b := p.Bytes(); return b[:] }),
		pairingsCancel: func(p []affine[fp.Element], q []affine[bls12381.E2]) bool {
			one, err := bls12381.PairingCheck(asAll[bls12381.G1Affine](p), asAll[bls12381.G2Affine](q))
			return err == nil && one
		},
		keyGen: gnarkKeyGen,
	}
}

// gnarkAffine is the part that G1Affine and G2Affine have in common.
type gnarkAffine[A any] interface {
	*A
	Marshal() []byte
	IsOnCurve() bool
	IsInSubGroup() bool
	ScalarMultiplication(p *A, scalar *big.Int) *A
}

// gnarkGroup makes a group of gnark-crypto. A is its type of points; compress encodes a point.
func gnarkGroup[E comparable, P coordinate[E], A any, PA gnarkAffine[A]](
	id Group, generator A, products *products[E, P],
	hash func(message, tag []byte) (A, error), compress func(p *A) []byte,
) *group[E, P] {
	return &group[E, P]{
		id: id, generator: *as[affine[E]](&generator), products: products, multiples: products,
		library: library[E]{
			decode: func(p *affine[E], in []byte, uncompressed bool) bool {
				// The decoder does not check the curve equation for uncompressed points, and would
				// accept (0, 0) as the identity. (0, ±2) of G1 are of order three; blst does not
				// read them, and neither does this back end. G2's curve has no points with x = 0.
				own := PA(as[A](p))
				return gnarkDecode(own, in) && !P(&p.x).IsZero() && (!uncompressed || own.IsOnCurve())
			},
			encode: func(dst []byte, p *affine[E], uncompressed bool) []byte {
				if uncompressed {
					return append(dst, PA(as[A](p)).Marshal()...)
				}
				return append(dst, compress(as[A](p))...)
			},
			inSubgroup: func(p *affine[E]) bool { return PA(as[A](p)).IsInSubGroup() },
			hash: func(tag, message []byte) jacobian[E] {
				p, err := hash(message, tag)
				if err != nil { // impossible for the tags that group.hash accepts
					panic("curve: hash to curve: " + err.Error())
				}
				return toJacobian[E, P](as[affine[E]](&p))
			},
			sign: func(secret *[32]byte, h *affine[E]) (out affine[E]) {
				PA(as[A](&out)).ScalarMultiplication(as[A](h), mustSecret(secret))
				return out
			},
			publicKey: func(secret *[32]byte) (out affine[E]) {
				PA(as[A](&out)).ScalarMultiplication(&generator, mustSecret(secret))
				return out
			},
		},
	}
}

// gnarkDecode reads a point without the subgroup check that SetBytes always makes.
func gnarkDecode(p any, in []byte) bool {
	return bls12381.NewDecoder(bytes.NewReader(in), bls12381.NoSubgroupChecks()).Decode(p) == nil
}

func mustSecret(secret *[32]byte) *big.Int {
	k := new(big.Int).SetBytes(secret[:])
	if k.Sign() == 0 || k.Cmp(fr.Modulus()) >= 0 {
		panic("curve: the secret is not in [1, r)")
	}
	return k
}

func gnarkKeyGen(material []byte) (secret [32]byte) {
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
