//go:build cgo

package curve

// #include "ifma.h"
import "C"

import (
	"unsafe"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
)

func ifmaHash1(tag []byte, messages [][]byte) []affine[fp.Element] {
	return hashedTogether(tag, messages, 2*elementBytes, ifmaMap1)
}

func ifmaHash2(tag []byte, messages [][]byte) []affine[bls12381.E2] {
	return hashedTogether(tag, messages, 4*elementBytes, ifmaMap2)
}

// hashesTogether is the maximum number of messages that one call into C hashes. The call cannot be
// preempted.
const hashesTogether = 64

// hashedTogether hashes messages. It expands each to size uniform bytes, which mapped maps to
// points.
func hashedTogether[E any, P coordinate[E]](
	tag []byte, messages [][]byte, size int, mapped func(uniform []byte, n int) []projective[E],
) []affine[E] {
	out := make([]projective[E], 0, len(messages))
	x := newExpander(tag, size)
	uniform := make([]byte, 0, min(hashesTogether, len(messages))*size)
	for start := 0; start < len(messages); start += hashesTogether {
		part := messages[start:min(start+hashesTogether, len(messages))]
		uniform = uniform[:0]
		for _, m := range part {
			uniform = x.append(uniform, m)
		}
		out = append(out, mapped(uniform, len(part))...)
	}
	return fromProjective[E, P](out, blstInvert[E])
}

func ifmaMap1(uniform []byte, n int) []projective[fp.Element] {
	out := make([]projective[fp.Element], n)
	C.lanecast_hash_g1((*C.uint64_t)(unsafe.Pointer(&out[0])), (*C.uint8_t)(unsafe.Pointer(&uniform[0])), C.size_t(n))
	return out
}

func ifmaMap2(uniform []byte, n int) []projective[bls12381.E2] {
	out := make([]projective[bls12381.E2], n)
	C.lanecast_hash_g2((*C.uint64_t)(unsafe.Pointer(&out[0])), (*C.uint8_t)(unsafe.Pointer(&uniform[0])), C.size_t(n))
	return out
}
