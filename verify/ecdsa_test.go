package verify_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/sha256"
	"math/big"
	"slices"
)

// order256 is the order of P-256, prime256 the modulus of its field, and b256 the constant of its
// equation y² = x³ − 3x + b.
var (
	order256 = elliptic.P256().Params().N
	prime256 = elliptic.P256().Params().P
	b256     = elliptic.P256().Params().B
)

// point256 is an affine point of P-256; nil is the identity.
type point256 struct{ x, y *big.Int }

// plus adds points by the textbook's formulas.
func (p *point256) plus(q *point256) *point256 {
	if p == nil {
		return q
	}
	if q == nil {
		return p
	}
	slope := new(big.Int)
	below := new(big.Int)
	if p.x.Cmp(q.x) == 0 {
		if p.y.Cmp(q.y) != 0 || p.y.Sign() == 0 {
			return nil
		}
		slope.Mul(p.x, p.x).Mul(slope, big.NewInt(3)).Sub(slope, big.NewInt(3))
		below.Lsh(p.y, 1)
	} else {
		slope.Sub(q.y, p.y)
		below.Sub(q.x, p.x)
	}
	slope.Mul(slope, below.ModInverse(below.Mod(below, prime256), prime256)).Mod(slope, prime256)
	x := new(big.Int).Mul(slope, slope)
	x.Sub(x, p.x).Sub(x, q.x).Mod(x, prime256)
	y := new(big.Int).Sub(p.x, x)
	y.Mul(y, slope).Sub(y, p.y).Mod(y, prime256)
	return &point256{x, y}
}

// linear returns a·p + b·q.
func linear(a *big.Int, p *point256, b *big.Int, q *point256) (sum *point256) {
	both := p.plus(q)
	for i := max(a.BitLen(), b.BitLen()) - 1; i >= 0; i-- {
		sum = sum.plus(sum)
		switch [2]uint{a.Bit(i), b.Bit(i)} {
		case [2]uint{1, 0}:
			sum = sum.plus(p)
		case [2]uint{0, 1}:
			sum = sum.plus(q)
		case [2]uint{1, 1}:
			sum = sum.plus(both)
		}
	}
	return sum
}

// decompress256 reads a compressed point, which must be valid.
func decompress256(b []byte) *point256 {
	x := new(big.Int).SetBytes(b[1:])
	y := new(big.Int).Exp(x, big.NewInt(3), prime256)
	y.Sub(y, new(big.Int).Mul(x, big.NewInt(3))).Add(y, b256).Mod(y, prime256)
	y.ModSqrt(y, prime256)
	if byte(y.Bit(0)) != b[0]&1 {
		y.Sub(prime256, y)
	}
	return &point256{x, y}
}

// ecdsaTwin reports whether signature is r ‖ s with 0 < r, s < n, s low, and r the x of
// (z·G + r·K)/s modulo n.
func ecdsaTwin(key, message, signature []byte) bool {
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	twice := new(big.Int).Lsh(s, 1)
	if r.Sign() == 0 || s.Sign() == 0 || r.Cmp(order256) >= 0 || twice.Cmp(order256) > 0 {
		return false
	}
	digest := sha256.Sum256(message)
	w := new(big.Int).ModInverse(s, order256)
	u := new(big.Int).Mul(new(big.Int).SetBytes(digest[:]), w)
	v := new(big.Int).Mul(r, w)
	g := &point256{elliptic.P256().Params().Gx, elliptic.P256().Params().Gy}
	sum := linear(u.Mod(u, order256), g, v.Mod(v, order256), decompress256(key))
	return sum != nil && new(big.Int).Mod(sum.x, order256).Cmp(r) == 0
}

// negated256 returns n − b.
func negated256(b []byte) []byte {
	return new(big.Int).Sub(order256, new(big.Int).SetBytes(b)).FillBytes(make([]byte, 32))
}

// ecdsaVotes returns votes that a faulty validator may send, by name, made from its valid vote and
// another of its signatures.
func ecdsaVotes(good, other []byte) map[string][]byte {
	r, s := good[:32], good[32:]
	order, zero := order256.Bytes(), make([]byte, 32)
	return map[string][]byte{
		"high s":      slices.Concat(r, negated256(s)),
		"negated r":   slices.Concat(negated256(r), s),
		"swapped":     slices.Concat(s, r),
		"r zero":      slices.Concat(zero, s),
		"s zero":      slices.Concat(r, zero),
		"r the order": slices.Concat(order, s),
		"s the order": slices.Concat(r, order),
		"other r":     slices.Concat(other[:32], s),
		"one bit":     append(bytes.Clone(good[:63]), good[63]^1),
	}
}
