package wire

import (
	"encoding/binary"
	"math/bits"
)

// Signers is a set of participants of one validator set, as a bitmap: participant i is bit i mod 8,
// least significant first, of byte ⌊i/8⌋. The zero value is the empty set of no validators.
//
// Encoded: number of participants as u64 big-endian ‖ the ⌈n/8⌉ bytes.
type Signers struct {
	n    int
	bits []byte
}

// signersHeader is the length of the encoded number of participants.
const signersHeader = 8

// NewSigners returns an empty set over n validators.
func NewSigners(n int) Signers { return Signers{n: n, bits: make([]byte, (n+7)/8)} }

// Len returns n, the number of validators in the bitmap's range; not the number of signers.
func (s Signers) Len() int { return s.n }

// Has reports whether participant i is in the set; false for any i ≥ Len.
func (s Signers) Has(i Participant) bool {
	return int64(i) < int64(s.n) && s.bits[i>>3]&(1<<(i&7)) != 0
}

// Add puts participant i into the set. It panics if i ≥ Len.
func (s Signers) Add(i Participant) {
	if int64(i) >= int64(s.n) {
		panic("wire: participant outside the validator set")
	}
	s.bits[i>>3] |= 1 << (i & 7)
}

// Remove takes participant i out of the set. It panics if i ≥ Len.
func (s Signers) Remove(i Participant) {
	if int64(i) >= int64(s.n) {
		panic("wire: participant outside the validator set")
	}
	s.bits[i>>3] &^= 1 << (i & 7)
}

// Clear empties the set.
func (s Signers) Clear() { clear(s.bits) }

// Count returns the number of signers.
func (s Signers) Count() int {
	n := 0
	b := s.bits
	for ; len(b) >= 8; b = b[8:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(b))
	}
	for _, c := range b {
		n += bits.OnesCount8(c)
	}
	return n
}

// All yields the signers in ascending order. The set must not change meanwhile.
func (s Signers) All() func(yield func(Participant) bool) {
	return func(yield func(Participant) bool) {
		for i, c := range s.bits {
			for ; c != 0; c &= c - 1 {
				if !yield(Participant(i*8 + bits.TrailingZeros8(c))) {
					return
				}
			}
		}
	}
}

// Clone returns a copy that shares nothing with s.
func (s Signers) Clone() Signers {
	return Signers{n: s.n, bits: append([]byte(nil), s.bits...)}
}

// CopyFrom makes s equal to t. Both must range over the same number of validators.
func (s Signers) CopyFrom(t Signers) {
	if s.n != t.n {
		panic("wire: signers of different validator sets")
	}
	copy(s.bits, t.bits)
}

// AddAll puts every signer of t into s. Both must range over the same number of
// validators.
func (s Signers) AddAll(t Signers) {
	if s.n != t.n {
		panic("wire: signers of different validator sets")
	}
	for i, c := range t.bits {
		s.bits[i] |= c
	}
}

// RemoveAll takes every signer of t out of s. Both must range over the same number of validators.
func (s Signers) RemoveAll(t Signers) {
	if s.n != t.n {
		panic("wire: signers of different validator sets")
	}
	for i, c := range t.bits {
		s.bits[i] &^= c
	}
}

// ContainsAll reports whether every signer of t is in s. Both must range over the same number of
// validators.
func (s Signers) ContainsAll(t Signers) bool {
	if s.n != t.n {
		panic("wire: signers of different validator sets")
	}
	for i, c := range t.bits {
		if c&^s.bits[i] != 0 {
			return false
		}
	}
	return true
}

// Equal reports whether both range over the same number of validators and hold the same signers.
func (s Signers) Equal(t Signers) bool { return s.n == t.n && string(s.bits) == string(t.bits) }

// Size returns the length of the encoding in bytes.
func (s Signers) Size() int { return signersHeader + len(s.bits) }

// AppendTo appends the encoding to dst.
func (s Signers) AppendTo(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.n))
	return append(dst, s.bits...)
}

// signers reads a bitmap over at most limit validators and returns a view.
func (r *reader) signers(limit int, field string) Signers {
	head := r.take(signersHeader, field)
	if head == nil {
		return Signers{}
	}
	n := binary.BigEndian.Uint64(head)
	if limit < 0 || n > uint64(limit) {
		r.fail(field, ErrTooManySigners)
		return Signers{}
	}
	s := Signers{n: int(n), bits: r.take(int((n+7)/8), field)}
	if r.err != nil {
		return Signers{}
	}
	if tail := n % 8; tail != 0 && s.bits[len(s.bits)-1]>>tail != 0 {
		r.fail(field, ErrStrayBits)
		return Signers{}
	}
	if s.Count() == 0 {
		r.fail(field, ErrNoSigners)
		return Signers{}
	}
	return s
}
