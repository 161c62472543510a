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

// hasIFMA tells whether the vector code in C can be used here: see ifma_field.h and what includes it.
func hasIFMA() bool { return C.lanecast_ifma() != 0 }

// ifmaRead1 and ifmaRead2 read the pending ones of at least one place: the decodeMany of a group. C keeps nothing of
// what it is passed, all of which is free of pointers.
func ifmaRead1(out []blst.P1Affine, states []state, slab []byte, index []int, uncompressed bool) {
	to, pending := words(as[affine[fp.Element]](&out[0])), (*C.uint8_t)(unsafe.Pointer(&states[0]))
	from, places := (*C.uint8_t)(unsafe.Pointer(&slab[0])), (*C.ptrdiff_t)(unsafe.Pointer(&index[0]))
	if uncompressed {
		C.lanecast_read_points_g1(to, pending, from, places, C.size_t(len(index)))
	} else {
		C.lanecast_read_g1(to, pending, from, places, C.size_t(len(index)))
	}
}

func ifmaRead2(out []blst.P2Affine, states []state, slab []byte, index []int, uncompressed bool) {
	to, pending := words(as[affine[bls12381.E2]](&out[0])), (*C.uint8_t)(unsafe.Pointer(&states[0]))
	from, places := (*C.uint8_t)(unsafe.Pointer(&slab[0])), (*C.ptrdiff_t)(unsafe.Pointer(&index[0]))
	if uncompressed {
		C.lanecast_read_points_g2(to, pending, from, places, C.size_t(len(index)))
	} else {
		C.lanecast_read_g2(to, pending, from, places, C.size_t(len(index)))
	}
}

const (
	// fewestPairsTogether is from how many pairs on eight at a time are faster than blst's loops.
	fewestPairsTogether = 3
	// pairsAlone is up to how many beyond a multiple of eight they are not.
	pairsAlone = 1
)

// ifmaCancel is PairingsCancel: the Miller loops of most pairs eight at a time, those of a few that are left through
// blst, and the final exponentiation through blst.
func ifmaCancel(p []blst.P1Affine, q []blst.P2Affine) bool {
	// Pairs with the identity contribute nothing, and nothing here can take them.
	ps, qs := make([]blst.P1Affine, 0, len(p)), make([]blst.P2Affine, 0, len(q))
	for i := range p {
		if p[i] != (blst.P1Affine{}) && q[i] != (blst.P2Affine{}) {
			ps, qs = append(ps, p[i]), append(qs, q[i])
		}
	}
	if len(ps) == 0 {
		return true
	}
	alone := len(ps) % lanes
	if len(ps) < fewestPairsTogether {
		alone = len(ps)
	} else if alone > pairsAlone {
		alone = 0
	}
	theirs, ours := blst.Fp12One(), blst.Fp12One()
	if alone > 0 {
		ctx := blst.PairingCtx(true, nil)
		for i := range alone {
			blst.PairingRawAggregate(ctx, &qs[i], &ps[i])
		}
		blst.PairingCommit(ctx)
		theirs = *blst.PairingAsFp12(ctx)
	}
	for i := alone; i < len(ps); i += C.LANECAST_PAIRS {
		ifmaMiller(&ours, ps[i:min(i+C.LANECAST_PAIRS, len(ps))], qs[i:])
	}
	// Ours is a conjugate, which the final exponentiation takes to the inverse: the product of both is then 1 if they
	// are the same.
	return blst.Fp12FinalVerify(&theirs, &ours)
}

// ifmaMiller multiplies f by the conjugates of the Miller loops of all p with as many q.
func ifmaMiller(f *blst.Fp12, p []blst.P1Affine, q []blst.P2Affine) {
	scratch, _ := millerScratch.Get().(unsafe.Pointer)
	if scratch == nil {
		scratch = aligned(C.LANECAST_PAIRS_SCRATCH)
	}
	defer millerScratch.Put(scratch)
	var perLane [lanes]blst.Fp12
	C.lanecast_miller((*C.uint64_t)(unsafe.Pointer(&perLane)), words(as[affine[fp.Element]](&p[0])),
		words(as[affine[bls12381.E2]](&q[0])), C.size_t(len(p)), scratch)
	for i := range min(lanes, len(p)) {
		f.MulAssign(&perLane[i])
	}
}

// millerScratch is memory for the pairs of one call, which the stacks of some C libraries' threads have no room for.
var millerScratch sync.Pool

func words[E any](p *affine[E]) *C.uint64_t { return (*C.uint64_t)(unsafe.Pointer(p)) }

// eight is eight field elements as ifma_field.h has them: limb j of element i at [j][i].
type eight [8][8]uint64

// ifmaOperation is an operation on field elements that the tests look at by itself.
type ifmaOperation int

const (
	ifmaProduct     ifmaOperation = C.LANECAST_PRODUCT
	ifmaSquare      ifmaOperation = C.LANECAST_SQUARE
	ifmaTwoProducts ifmaOperation = C.LANECAST_TWO_PRODUCTS
	ifmaSum         ifmaOperation = C.LANECAST_SUM
	ifmaDifference  ifmaOperation = C.LANECAST_DIFFERENCE
	ifmaPower       ifmaOperation = C.LANECAST_POWER
	ifmaCanonical   ifmaOperation = C.LANECAST_CANONICAL
)

func (o ifmaOperation) of(a, b *eight) (out eight) {
	C.lanecast_field(C.int(o), (*C.uint64_t)(unsafe.Pointer(&out)), (*C.uint64_t)(unsafe.Pointer(a)),
		(*C.uint64_t)(unsafe.Pointer(b)))
	return out
}

// The states are those of ifma.h and an int is what C takes an index for, or this does not compile.
var (
	_ [bad]byte                        = [C.LANECAST_BAD]byte{}
	_ [pending]byte                    = [C.LANECAST_PENDING]byte{}
	_ [good]byte                       = [C.LANECAST_GOOD]byte{}
	_ [lanes]byte                      = [C.LANECAST_LANES]byte{}
	_ [unsafe.Sizeof(blst.Fp12{})]byte = [12 * unsafe.Sizeof(fp.Element{})]byte{}
	_ [unsafe.Sizeof(0)]byte           = [unsafe.Sizeof(C.ptrdiff_t(0))]byte{}
)
