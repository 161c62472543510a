//go:build cgo

package curve

// #include "ifma.h"
import "C"

import (
	"unsafe"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
	blst "github.com/supranational/blst/bindings/go"
)

// ifmaHash1 and ifmaHash2 are the hashMany of a group.
func ifmaHash1(tag []byte, messages [][]byte) []blst.P1Affine {
	return asAll[blst.P1Affine](hashedTogether[fp.Element](tag, messages, 2*elementBytes, ifmaMap1))
}

func ifmaHash2(tag []byte, messages [][]byte) []blst.P2Affine {
	return asAll[blst.P2Affine](hashedTogether[bls12381.E2](tag, messages, 4*elementBytes, ifmaMap2))
}

// hashesTogether is how many messages one call into C hashes: it cannot be preempted.
const hashesTogether = 64

// hashedTogether hashes messages by way of size uniform bytes for each.
func hashedTogether[E any, P coordinate[E]](tag []byte, messages [][]byte, size int, mapped func(uniform []byte, n int) []projective[E]) []affine[E] {
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
