package curve

import "crypto/sha256"

// elementBytes is the number of uniform bytes that make a field element: L of RFC 9380, section
// 8.8.
const elementBytes = 64

// expander is expand_message_xmd of RFC 9380, section 5.3.1, with SHA-256, for one tag and length.
type expander struct {
	size   int
	suffix []byte // DST_prime, the end of every block except the first
	block  []byte // memory of the hashed bytes
}

// newExpander takes a tag of at most 255 bytes, and a size of at most 255·32.
func newExpander(tag []byte, size int) *expander {
	suffix := append(make([]byte, 0, len(tag)+1), tag...)
	return &expander{size: size, suffix: append(suffix, byte(len(tag)))}
}

// append appends the size bytes to which a message expands.
func (x *expander) append(dst, message []byte) []byte {
	x.block = append(x.block[:0], make([]byte, sha256.BlockSize)...)
	x.block = append(x.block, message...)
	x.block = append(x.block, byte(x.size>>8), byte(x.size), 0)
	x.block = append(x.block, x.suffix...)
	first := sha256.Sum256(x.block)
	var last [sha256.Size]byte
	for i := 1; i <= (x.size+sha256.Size-1)/sha256.Size; i++ {
		for k := range last {
			last[k] ^= first[k]
		}
		x.block = append(x.block[:0], last[:]...)
		x.block = append(x.block, byte(i))
		x.block = append(x.block, x.suffix...)
		last = sha256.Sum256(x.block)
		dst = append(dst, last[:min(sha256.Size, x.size-(i-1)*sha256.Size)]...)
	}
	return dst
}
