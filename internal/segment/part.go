package segment

import "hash/crc32"

// Part is the length and checksum of a part of a frame, so that computing the frame's checksum need
// not read the part's bytes again.
type Part struct {
	sum    uint32
	length uint64
}

// PartOf reads the bytes of a part. It can be called before the frame's offset is known.
func PartOf(b []byte) Part {
	return Part{crc32.Checksum(b, Castagnoli), uint64(len(b))}
}

// after returns the checksum of some bytes followed by the part; sum is the checksum of the bytes.
// A checksum is the remainder of a polynomial over GF(2), whose coefficients are the bits, so the
// bytes in front count as if followed by as many zeros as the part has bytes: sum times x^(8
// length).
func (p Part) after(sum uint32) uint32 {
	for k, n := 0, p.length; n > 0; k, n = k+1, n>>1 {
		if n&1 == 1 {
			sum = times(powers[k], sum)
		}
	}
	return sum ^ p.sum
}

// powers[k] is x^(8 · 2^k) modulo the polynomial.
var powers = func() (p [64]uint32) {
	p[0] = 1 << (31 - 8) // bits are reversed: the highest is the coefficient of x^0
	for k := 1; k < len(p); k++ {
		p[k] = times(p[k-1], p[k-1])
	}
	return p
}()

// times multiplies modulo the polynomial.
func times(a, b uint32) (product uint32) {
	for bit := uint32(1 << 31); bit > 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		if b&1 == 1 { // b times x
			b = b>>1 ^ crc32.Castagnoli
		} else {
			b >>= 1
		}
	}
	return product
}
