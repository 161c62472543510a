package wire

// maxVarint64 and maxVarint32 are the longest encodings of a u64 and a u32, in bytes. In their last
// byte only the remaining bits of the type may be set: one and four.
const (
	maxVarint64 = 10
	maxVarint32 = 5
	lastByte64  = 1<<(64-7*(maxVarint64-1)) - 1
	lastByte32  = 1<<(32-7*(maxVarint32-1)) - 1
)

// AppendUvarint appends the canonical unsigned LEB128 encoding of v, 1 to 10 bytes.
func AppendUvarint(dst []byte, v uint64) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// UvarintSize returns the length of [AppendUvarint]'s encoding, 1 to 10 bytes.
func UvarintSize(v uint64) int {
	n := 1
	for v >= 0x80 {
		v >>= 7
		n++
	}
	return n
}

// Uvarint decodes the canonical unsigned LEB128 encoding of a u64 at the start of b, and returns it
// with its length in bytes. The errors are [ErrTruncated] and [ErrVarint]. It is for other packages
// that define messages.
func Uvarint(b []byte) (v uint64, n int, err error) { return uvarint(b, maxVarint64, lastByte64) }

// uvarint decodes one canonical LEB128 integer from the start of b, of at most longest bytes the
// last of which is at most last, and returns it with its length in bytes. Canonical means that no
// shorter encoding exists: a last byte of 0x00 after the first is refused, and so are bits past the
// type's width.
func uvarint(b []byte, longest int, last byte) (v uint64, n int, err error) {
	if len(b) > longest {
		b = b[:longest]
	}
	for i, c := range b {
		if c < 0x80 {
			if c == 0 && i > 0 || i == longest-1 && c > last {
				return 0, 0, ErrVarint
			}
			return v | uint64(c)<<(7*uint(i)&63), i + 1, nil
		}
		v |= uint64(c&0x7f) << (7 * uint(i) & 63)
	}
	if len(b) == longest {
		return 0, 0, ErrVarint
	}
	return 0, 0, ErrTruncated
}
