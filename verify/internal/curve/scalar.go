package curve

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

// Scalar is a coefficient in the form that products use: low + high·z², where z =
// −0xd201000000010000 is the curve's parameter.
//
// On points of order r, multiplication by z² is the endomorphism φ(x, y) = (βx, −y), where β is a
// cube root of unity in the base field. φ costs one multiplication. So k·P = low·P + high·φ(P), and
// both terms share one run of half as many doublings (R. Gallant, R. Lambert, S. Vanstone: Faster
// point multiplication on elliptic curves with efficient endomorphisms, 2001). Outside the subgroup
// φ is an endomorphism of the curve too, but not multiplication by z²: a product there is low·P +
// high·φ(P), and no multiple of P.
type Scalar struct{ low, high half }

// half is a signed integer below 2¹²⁸ in magnitude.
type half struct {
	negative bool
	words    [2]uint64 // least significant first
}

var (
	order, _ = new(big.Int).SetString("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001", 16)
	middle   = new(big.Int).Rsh(order, 1)
	zSquared = new(big.Int).Exp(big.NewInt(0).SetUint64(0xd201000000010000), big.NewInt(2), nil)
)

// NewScalar returns the scalar k mod r, k little-endian. It splits the representative of k that is
// at most r/2 in magnitude, so that small positive and negative integers stay small.
func NewScalar(k [32]byte) Scalar {
	for i, j := 0, len(k)-1; i < j; i, j = i+1, j-1 {
		k[i], k[j] = k[j], k[i]
	}
	x := new(big.Int).SetBytes(k[:])
	x.Mod(x, order)
	negative := x.Cmp(middle) > 0
	if negative {
		x.Sub(order, x)
	}
	high, low := x.QuoRem(x, zSquared, new(big.Int))
	return Scalar{newHalf(low, negative), newHalf(high, negative)}
}

func newHalf(x *big.Int, negative bool) half {
	var b [16]byte
	x.FillBytes(b[:])
	return half{negative, [2]uint64{binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[:8])}}
}

// NewWeight returns the scalar a + b·z², with a and b the first and the second eight bytes,
// little-endian. Different bytes make scalars that differ modulo r, since |a − a'| < 2⁶⁴ is less
// than z² > 2¹²⁷, and all of them are below 2¹⁹³. So it serves as a random coefficient like any
// other with 128 random bits, with half the doublings.
func NewWeight(w [16]byte) Scalar {
	return Scalar{
		low:  half{words: [2]uint64{binary.LittleEndian.Uint64(w[:8])}},
		high: half{words: [2]uint64{binary.LittleEndian.Uint64(w[8:])}},
	}
}

// bits returns the length of the longer half.
func (s *Scalar) bits() int { return max(s.low.bits(), s.high.bits()) }

func (h *half) bits() int {
	if h.words[1] != 0 {
		return 64 + bits.Len64(h.words[1])
	}
	return bits.Len64(h.words[0])
}

// digits writes the half's width-w non-adjacent form, lowest digit first: Σ digits[j]·2^j, where
// each digit is zero or odd and below 2^(w−1) in magnitude, and of any w consecutive ones at most
// one is not zero (Hankerson, Menezes, Vanstone: Guide to Elliptic Curve Cryptography, algorithm
// 3.35). The number of digits must be one more than that of the half's bits.
func (h *half) digits(digits []int8, w uint) {
	clear(digits)
	carry := uint64(0)
	for j := uint(0); j < uint(len(digits)); {
		if h.window(j, 1)+carry != 1 { // the remaining value is even: 0, or 1 and a carry
			j++
			continue
		}
		d := int(h.window(j, w) + carry)
		carry = 0
		if d >= 1<<(w-1) {
			d -= 1 << w
			carry = 1
		}
		if h.negative {
			d = -d
		}
		digits[j] = int8(d)
		j += w
	}
}

// digitBits is the number of bits of a digit of fixedDigits.
const digitBits = 4

// fixedDigits returns the digits of scalars to the base 16, from −8 to 8, lowest first, places of
// them for every half. With n the number of scalars, Σ digits[2kn+i]·16^k is scalar i's low half,
// and Σ digits[(2k+1)n+i]·16^k its high half.
func fixedDigits(scalars []Scalar) (digits []int8, places int) {
	longest := 0
	for i := range scalars {
		longest = max(longest, scalars[i].bits())
	}
	// The last digit holds a carry, or fewer than four bits; with a carry these are at most 8.
	places = longest/digitBits + 1
	digits = make([]int8, 2*places*len(scalars))
	for i := range scalars {
		for k, h := range []*half{&scalars[i].low, &scalars[i].high} {
			carry := 0
			for place := range places {
				d := int(h.window(uint(digitBits*place), digitBits)) + carry
				carry = 0
				if d > 1<<(digitBits-1) {
					carry = 1
					d -= 1 << digitBits
				}
				if h.negative {
					d = -d
				}
				digits[(2*place+k)*len(scalars)+i] = int8(d)
			}
		}
	}
	return digits, places
}

// window returns width bits from bit j on; bits past the end are zero.
func (h *half) window(j, width uint) uint64 {
	var w uint64
	switch {
	case j < 64:
		w = h.words[0]>>j | h.words[1]<<(64-j) // a shift by 64 gives 0
	case j < 128:
		w = h.words[1] >> (j - 64)
	}
	return w & (1<<width - 1)
}
