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

// ifmaPorts returns the number of multiplications of eight numbers that the processor begins in a
// cycle, or 0 if it has no such instruction.
func ifmaPorts() int {
	if !hasIFMA() {
		return 0
	}
	return int(C.lanecast_ifma_ports())
}

// ifmaFewest holds the minimum numbers of points of each group that are processed faster together
// than one by one, the minimum number of pairs, and the maximum number of pairs beyond a multiple
// of the width for which blst's loops are faster.
type ifmaFewest struct {
	g1, g2            fewest
	pairs, pairsAlone int
}

// fewestByPorts has the numbers for processors with one port and with two. Those for two were
// measured on an EPYC of the fifth generation, by BenchmarkTogether and BenchmarkBackend. Those for
// one are estimates: no such processor was available. They assume that SIMD takes twice that time
// and blst the same time.
var fewestByPorts = [...]ifmaFewest{
	1: {
		g1:    fewest{read: 3, checked: 3, hashed: 3, summed: 24, multiplied: 4, mulSummed: 8},
		g2:    fewest{read: 3, checked: 3, hashed: 3, summed: 24, multiplied: 4, mulSummed: 12},
		pairs: 4, pairsAlone: 2,
	},
	2: {
		g1:    fewest{read: 2, checked: 2, hashed: 2, summed: 16, multiplied: 2, mulSummed: 3},
		g2:    fewest{read: 2, checked: 2, hashed: 2, summed: 16, multiplied: 2, mulSummed: 3},
		pairs: 2, pairsAlone: 0,
	},
}

// useIFMA makes a back end on blst process several points at a time, on a processor with that many
// ports. C keeps no pointer to its arguments, and these contain no pointers.
func useIFMA(b *Backend, ports int) {
	f := fewestByPorts[ports]
	b.g1.simd = &simd[fp.Element]{read: ifmaRead1, inSubgroup: ifmaInSubgroup1, hash: ifmaHash1, sums: ifmaSums1, fewest: f.g1}
	b.g2.simd = &simd[bls12381.E2]{read: ifmaRead2, inSubgroup: ifmaInSubgroup2, hash: ifmaHash2, sums: ifmaSums2, fewest: f.g2}
	b.g1.multiples, b.g2.multiples = newIFMAProducts1(f.g1), newIFMAProducts2(f.g2)
	b.pairingsCancel = func(p []affine[fp.Element], q []affine[bls12381.E2]) bool {
		return ifmaCancel(p, q, f.pairs, f.pairsAlone)
	}
}

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

// ifmaCancel is PairingsCancel with SIMD. SIMD code computes the Miller loops of most pairs; blst
// computes those of a few remaining pairs, and the final exponentiation. fewest and mostAlone are
// from ifmaFewest.
func ifmaCancel(p []affine[fp.Element], q []affine[bls12381.E2], fewest, mostAlone int) bool {
	// Pairs with the identity contribute nothing, and the Miller loops are wrong for them.
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
	if len(ps) < fewest {
		alone = len(ps)
	} else if alone > mostAlone {
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
	// ours is a conjugate, whose final exponentiation is the inverse. So the product of both is 1
	// if they are equal.
	return blst.Fp12FinalVerify(&theirs, &ours)
}

// ifmaMiller multiplies f by the conjugates of the Miller loops of all pairs p[i], q[i].
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

// This compiles only if the states equal those of ifma.h and int has the size of C's indices.
var (
	_ [bad]byte                        = [C.LANECAST_BAD]byte{}
	_ [pending]byte                    = [C.LANECAST_PENDING]byte{}
	_ [good]byte                       = [C.LANECAST_GOOD]byte{}
	_ [simdWidth]byte                  = [C.LANECAST_WIDTH]byte{}
	_ [unsafe.Sizeof(blst.Fp12{})]byte = [12 * unsafe.Sizeof(fp.Element{})]byte{}
	_ [unsafe.Sizeof(0)]byte           = [unsafe.Sizeof(C.ptrdiff_t(0))]byte{}
)
