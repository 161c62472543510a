//go:build cgo

package curve

// #include "ifma.h"
import "C"

import (
	"slices"
	"sync"
	"unsafe"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
)

func ifmaInSubgroup1(p []affine[fp.Element]) []uint8 {
	inside := make([]uint8, len(p))
	C.lanecast_in_g1((*C.uint8_t)(unsafe.Pointer(&inside[0])), words(&p[0]), C.size_t(len(p)))
	return inside
}

func ifmaInSubgroup2(p []affine[bls12381.E2]) []uint8 {
	inside := make([]uint8, len(p))
	C.lanecast_in_g2((*C.uint8_t)(unsafe.Pointer(&inside[0])), words(&p[0]), C.size_t(len(p)))
	return inside
}

func ifmaSums1(sets [][]affine[fp.Element]) []affine[fp.Element] {
	return sumsTogether(sets, func(out *projective[fp.Element], p *affine[fp.Element], begin *C.ptrdiff_t, n C.size_t) {
		C.lanecast_sum_g1((*C.uint64_t)(unsafe.Pointer(out)), words(p), begin, n)
	})
}

func ifmaSums2(sets [][]affine[bls12381.E2]) []affine[bls12381.E2] {
	return sumsTogether(sets, func(out *projective[bls12381.E2], p *affine[bls12381.E2], begin *C.ptrdiff_t, n C.size_t) {
		C.lanecast_sum_g2((*C.uint64_t)(unsafe.Pointer(out)), words(p), begin, n)
	})
}

const (
	// addedTogether is the maximum number of points that one call into C adds up, unless one set
	// has more. The call cannot be preempted.
	addedTogether = 4096
	// longestSet is the maximum number of points of a set that is not added up in parts.
	longestSet = 2048
)

// sumsTogether adds up sets of points, in few calls into C, which reads them one after another in
// memory.
func sumsTogether[E any, P coordinate[E]](
	sets [][]affine[E], sum func(out *projective[E], p *affine[E], begin *C.ptrdiff_t, n C.size_t),
) []affine[E] {
	for i := range sets {
		if len(sets[i]) > longestSet {
			sets = slices.Clone(sets)
			for ; i < len(sets); i++ {
				if len(sets[i]) > longestSet {
					sets[i] = sumsTogether[E, P](slices.Collect(slices.Chunk(sets[i], longestSet)), sum)
				}
			}
			break
		}
	}
	out := make([]projective[E], len(sets))
	var points []affine[E]
	var begin []C.ptrdiff_t
	for first := 0; first < len(sets); {
		points, begin = points[:0], append(begin[:0], 0)
		last := first
		for ; last < len(sets) && (last == first || len(points)+len(sets[last]) <= addedTogether); last++ {
			points = append(points, sets[last]...)
			begin = append(begin, C.ptrdiff_t(len(points)))
		}
		if len(points) == 0 {
			points = append(points, affine[E]{}) // C does not read this one
		}
		sum(&out[first], &points[0], &begin[0], C.size_t(last-first))
		first = last
	}
	return fromProjective[E, P](out, blstInvert[E])
}

// ifmaProducts computes products of points of one group and their sums with SIMD. alone processes
// small numbers of points, and the remaining ones of many, if that is faster.
type ifmaProducts[E any, P coordinate[E]] struct {
	alone       *products[E, P]
	fewest      fewest
	multiply    func(out *projective[E], p *affine[E], digits *C.int8_t, places, n C.size_t, scratch unsafe.Pointer)
	multiplySum func(out *projective[E], p *affine[E], digits *C.int8_t, places, n C.size_t, scratch unsafe.Pointer)
	scratch     sync.Pool // tables for summedTogether points
	table       int       // the size of a table
}

// The maximum number of products that one call into C computes, and the maximum that it adds up.
// The call cannot be preempted; that many take about a millisecond in G2. Both are multiples of the
// width.
const (
	productsTogether = 32
	summedTogether   = 64
)

func newIFMAProducts1(f fewest) *ifmaProducts[fp.Element, *fp.Element] {
	return &ifmaProducts[fp.Element, *fp.Element]{
		alone: blstProducts1, fewest: f, table: C.LANECAST_TABLE1,
		multiply: func(out *projective[fp.Element], p *affine[fp.Element], digits *C.int8_t, places, n C.size_t, scratch unsafe.Pointer) {
			C.lanecast_multiply_g1((*C.uint64_t)(unsafe.Pointer(out)), words(p), digits, places, n, scratch)
		},
		multiplySum: func(out *projective[fp.Element], p *affine[fp.Element], digits *C.int8_t, places, n C.size_t, scratch unsafe.Pointer) {
			C.lanecast_multiply_sum_g1((*C.uint64_t)(unsafe.Pointer(out)), words(p), digits, places, n, scratch)
		},
	}
}

func newIFMAProducts2(f fewest) *ifmaProducts[bls12381.E2, *bls12381.E2] {
	return &ifmaProducts[bls12381.E2, *bls12381.E2]{
		alone: blstProducts2, fewest: f, table: 2 * C.LANECAST_TABLE1,
		multiply: func(out *projective[bls12381.E2], p *affine[bls12381.E2], digits *C.int8_t, places, n C.size_t, scratch unsafe.Pointer) {
			C.lanecast_multiply_g2((*C.uint64_t)(unsafe.Pointer(out)), words(p), digits, places, n, scratch)
		},
		multiplySum: func(out *projective[bls12381.E2], p *affine[bls12381.E2], digits *C.int8_t, places, n C.size_t, scratch unsafe.Pointer) {
			C.lanecast_multiply_sum_g2((*C.uint64_t)(unsafe.Pointer(out)), words(p), digits, places, n, scratch)
		},
	}
}

// each returns scalars[i]·points[i], point by point.
func (m *ifmaProducts[E, P]) each(points []affine[E], scalars []Scalar) []affine[E] {
	many := together(len(points), m.fewest.multiplied)
	out := make([]projective[E], many)
	if many > 0 {
		scratch := m.tables()
		defer m.scratch.Put(scratch)
		for start := 0; start < many; start += productsTogether {
			end := min(start+productsTogether, many)
			digits, places := fixedDigits(scalars[start:end])
			m.multiply(&out[start], &points[start], (*C.int8_t)(unsafe.Pointer(&digits[0])), C.size_t(places), C.size_t(end-start), scratch)
		}
	}
	products := fromProjective[E, P](out, blstInvert[E])
	if many < len(points) {
		products = append(products, m.alone.each(points[many:], scalars[many:])...)
	}
	return products
}

// sum returns Σ scalars[i]·points[i].
func (m *ifmaProducts[E, P]) sum(points []affine[E], scalars []Scalar) affine[E] {
	if len(points) < m.fewest.mulSummed {
		return m.alone.sum(points, scalars)
	}
	scratch := m.tables()
	defer m.scratch.Put(scratch)
	parts := make([]projective[E], (len(points)+summedTogether-1)/summedTogether)
	for i := range parts {
		start := i * summedTogether
		end := min(start+summedTogether, len(points))
		digits, places := fixedDigits(scalars[start:end])
		m.multiplySum(&parts[i], &points[start], (*C.int8_t)(unsafe.Pointer(&digits[0])), C.size_t(places), C.size_t(end-start), scratch)
	}
	sums := fromProjective[E, P](parts, blstInvert[E])
	if len(sums) == 1 {
		return sums[0]
	}
	var total jacobian[E]
	for i := range sums {
		m.alone.addAffine(&total, &sums[i])
	}
	return m.alone.toAffine([]jacobian[E]{total})[0]
}

// tables returns memory for the tables of summedTogether points.
func (m *ifmaProducts[E, P]) tables() unsafe.Pointer {
	if scratch, ok := m.scratch.Get().(unsafe.Pointer); ok {
		return scratch
	}
	return aligned(m.table * summedTogether / simdWidth)
}

// aligned returns memory without pointers whose address is a multiple of 64.
func aligned(size int) unsafe.Pointer {
	memory := make([]byte, size+63)
	skip := -int(uintptr(unsafe.Pointer(&memory[0]))) & 63
	return unsafe.Pointer(&memory[skip])
}

// This compiles only if the layouts are those of ifma.h.
var (
	_ [unsafe.Sizeof(projective[fp.Element]{})]byte  = [3 * 6 * 8]byte{}
	_ [unsafe.Sizeof(projective[bls12381.E2]{})]byte = [6 * 6 * 8]byte{}
	_ [longestSet]byte                               = [2048]byte{} // must hold in the tests too
	_ [digitBits]byte                                = [C.LANECAST_DOUBLINGS]byte{}
	_ [1 << (digitBits - 1)]byte                     = [C.LANECAST_DIGIT]byte{}
)
