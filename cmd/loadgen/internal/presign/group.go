package presign

import (
	"fmt"
	"math/big"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"

	"github.com/lanecast/lanecast/verify"
)

// The domain tags of docs/protocol.md 3.
const (
	tagG1 = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"
	tagG2 = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
)

// point is a hashed message, or the generator of the keys' group.
type point interface {
	// progression appends n encoded points, (first + i·step)·p.
	progression(dst []byte, first, step *big.Int, n int, uncompressed bool) []byte
	// times appends k·p, compressed.
	times(dst []byte, k *big.Int) []byte
}

// hash returns the point of which votes on a message are multiples.
func hash(v verify.Variant, message []byte) (point, error) {
	if v == verify.MinSig {
		h, err := bls12381.HashToG1(message, []byte(tagG1))
		if err != nil {
			return nil, fmt.Errorf("hashing to G1: %w", err)
		}
		return (*g1)(&h), nil
	}
	h, err := bls12381.HashToG2(message, []byte(tagG2))
	if err != nil {
		return nil, fmt.Errorf("hashing to G2: %w", err)
	}
	return (*g2)(&h), nil
}

// keyGenerator returns the point of which public keys are multiples.
func keyGenerator(v verify.Variant) point {
	_, _, one, two := bls12381.Generators()
	if v == verify.MinSig {
		return (*g2)(&two)
	}
	return (*g1)(&one)
}

type (
	g1 bls12381.G1Affine
	g2 bls12381.G2Affine
)

func (p *g1) multiple(k *big.Int) (j bls12381.G1Jac) {
	j.FromAffine((*bls12381.G1Affine)(p))
	return *j.ScalarMultiplication(&j, k)
}

func (p *g1) progression(dst []byte, first, step *big.Int, n int, uncompressed bool) []byte {
	term, stride := p.multiple(first), p.multiple(step)
	var d bls12381.G1Affine
	d.FromJacobian(&stride)
	terms := make([]bls12381.G1Jac, n)
	for i := range terms {
		terms[i] = term
		term.AddMixed(&d)
	}
	for _, t := range bls12381.BatchJacobianToAffineG1(terms) {
		if uncompressed {
			b := t.RawBytes()
			dst = append(dst, b[:]...)
		} else {
			b := t.Bytes()
			dst = append(dst, b[:]...)
		}
	}
	return dst
}

func (p *g1) times(dst []byte, k *big.Int) []byte {
	j := p.multiple(k)
	var a bls12381.G1Affine
	b := a.FromJacobian(&j).Bytes()
	return append(dst, b[:]...)
}

func (p *g2) multiple(k *big.Int) (j bls12381.G2Jac) {
	j.FromAffine((*bls12381.G2Affine)(p))
	return *j.ScalarMultiplication(&j, k)
}

func (p *g2) progression(dst []byte, first, step *big.Int, n int, uncompressed bool) []byte {
	term, stride := p.multiple(first), p.multiple(step)
	var d, a bls12381.G2Affine
	d.FromJacobian(&stride)
	for range n {
		a.FromJacobian(&term)
		if uncompressed {
			b := a.RawBytes()
			dst = append(dst, b[:]...)
		} else {
			b := a.Bytes()
			dst = append(dst, b[:]...)
		}
		term.AddMixed(&d)
	}
	return dst
}

func (p *g2) times(dst []byte, k *big.Int) []byte {
	j := p.multiple(k)
	var a bls12381.G2Affine
	b := a.FromJacobian(&j).Bytes()
	return append(dst, b[:]...)
}
