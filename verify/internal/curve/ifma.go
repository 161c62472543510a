//go:build cgo

package curve

// /* GCC unrolls the loops over limbs from -O3 on. */
// #cgo CFLAGS: -O3
// #include "ifma.h"
import "C"

import (
	"sync"
	"unsafe"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
	blst "github.com/supranational/blst/bindings/go"
)

// hasIFMA reports whether the SIMD code in C can be used here: see ifma_field.h and the files that
// include it.
func hasIFMA() bool { return C.lanecast_ifma() != 0 }

// ifmaSIMD1 and ifmaSIMD2 are the SIMD operations of the two groups. C keeps nothing of what it is
// passed, all of which is free of pointers.
var (
	ifmaSIMD1 = &simd[fp.Element]{read: ifmaRead1, inSubgroup: ifmaInSubgroup1, hash: ifmaHash1, sums: ifmaSums1}
	ifmaSIMD2 = &simd[bls12381.E2]{read: ifmaRead2, inSubgroup: ifmaInSubgroup2, hash: ifmaHash2, sums: ifmaSums2}
)

func ifmaRead1(out []affine[fp.Element], states []state, slab []byte, index []int, uncompressed bool) {
	to, pending := words(&out[0]), (*C.uint8_t)(unsafe.Pointer(&states[0]))
	from, places := (*C.uint8_t)(unsafe.Pointer(&slab[0])), (*C.ptrdiff_t)(unsafe.Pointer(&index[0]))
	if uncompressed {
		C.lanecast_read_points_g1(to, pending, from, places, C.size_t(len(index)))
	} else {
		C.lanecast_read_g1(to, pending, from, places, C.size_t(len(index)))
	}
}

func ifmaRead2(out []affine[bls12381.E2], states []state, slab []byte, index []int, uncompressed bool) {
	to, pending := words(&out[0]), (*C.uint8_t)(unsafe.Pointer(&states[0]))
	from, places := (*C.uint8_t)(unsafe.Pointer(&slab[0])), (*C.ptrdiff_t)(unsafe.Pointer(&index[0]))
	if uncompressed {
		C.lanecast_read_points_g2(to, pending, from, places, C.size_t(len(index)))
	} else {
		C.lanecast_read_g2(to, pending, from, places, C.size_t(len(index)))
	}
}

const (
	// fewestPairsTogether is the least number of pairs for which SIMD is faster than blst's loops.
	fewestPairsTogether = 3
	// pairsAlone is the most pairs beyond a multiple of the width for which blst's loops are
	// faster.
	pairsAlone = 1
)

// ifmaCancel is PairingsCancel with SIMD. The Miller loops of most pairs go by SIMD, those of a few
// that are left by blst, and so does the final exponentiation.
func ifmaCancel(p []affine[fp.Element], q []affine[bls12381.E2]) bool {
	// Pairs with the identity contribute nothing, and the Miller loops cannot take them.
	ps, qs := make([]affine[fp.Element], 0, len(p)), make([]affine[bls12381.E2], 0, len(q))
	for i := range p {
		if p[i] != (affine[fp.Element]{}) && q[i] != (affine[bls12381.E2]{}) {
			ps, qs = append(ps, p[i]), append(qs, q[i])
		}
	}
	if len(ps) == 0 {
		return true
	}
	alone := len(ps) % simdWidth
	if len(ps) < fewestPairsTogether {
		alone = len(ps)
	} else if alone > pairsAlone {
		alone = 0
	}
	theirs, ours := blst.Fp12One(), blst.Fp12One()
	if alone > 0 {
		ctx := blst.PairingCtx(true, nil)
		for i := range alone {
			blst.PairingRawAggregate(ctx, as[blst.P2Affine](&qs[i]), as[blst.P1Affine](&ps[i]))
		}
		blst.PairingCommit(ctx)
		theirs = *blst.PairingAsFp12(ctx)
	}
	for i := alone; i < len(ps); i += C.LANECAST_PAIRS {
		ifmaMiller(&ours, ps[i:min(i+C.LANECAST_PAIRS, len(ps))], qs[i:])
	}
	// ours is a conjugate, which the final exponentiation takes to the inverse. So the product of
	// both is 1 if they are the same.
	return blst.Fp12FinalVerify(&theirs, &ours)
}

// ifmaMiller multiplies f by the conjugates of the Miller loops of all p with as many q.
func ifmaMiller(f *blst.Fp12, p []affine[fp.Element], q []affine[bls12381.E2]) {
	scratch, _ := millerScratch.Get().(unsafe.Pointer)
	if scratch == nil {
		scratch = aligned(C.LANECAST_PAIRS_SCRATCH)
	}
	defer millerScratch.Put(scratch)
	var loops [simdWidth]blst.Fp12
	C.lanecast_miller((*C.uint64_t)(unsafe.Pointer(&loops)), words(&p[0]), words(&q[0]), C.size_t(len(p)), scratch)
	for i := range min(simdWidth, len(p)) {
		f.MulAssign(&loops[i])
	}
}

// millerScratch holds memory for the pairs of one call.
var millerScratch sync.Pool

func words[E any](p *affine[E]) *C.uint64_t { return (*C.uint64_t)(unsafe.Pointer(p)) }

// The states are those of ifma.h, and int is the size of C's indices, or this does not compile.
var (
	_ [bad]byte                        = [C.LANECAST_BAD]byte{}
	_ [pending]byte                    = [C.LANECAST_PENDING]byte{}
	_ [good]byte                       = [C.LANECAST_GOOD]byte{}
	_ [simdWidth]byte                  = [C.LANECAST_WIDTH]byte{}
	_ [unsafe.Sizeof(blst.Fp12{})]byte = [12 * unsafe.Sizeof(fp.Element{})]byte{}
	_ [unsafe.Sizeof(0)]byte           = [unsafe.Sizeof(C.ptrdiff_t(0))]byte{}
)
