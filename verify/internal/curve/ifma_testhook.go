//go:build cgo

package curve

// #include "ifma_testhook.h"
import "C"

import "unsafe"

// Only tests use this file. It is no test file because Go allows no C in those.

// fe8 is eight field elements in the layout of ifma_field.h: limb j of element i at [j][i].
type fe8 [8][8]uint64

// ifmaOperation is an operation on field elements that has a test of its own.
type ifmaOperation int

const (
	ifmaProduct      ifmaOperation = C.LANECAST_PRODUCT
	ifmaSquare       ifmaOperation = C.LANECAST_SQUARE
	ifmaTwoProducts  ifmaOperation = C.LANECAST_TWO_PRODUCTS
	ifmaSum          ifmaOperation = C.LANECAST_SUM
	ifmaDifference   ifmaOperation = C.LANECAST_DIFFERENCE
	ifmaPower        ifmaOperation = C.LANECAST_POWER
	ifmaCanonical    ifmaOperation = C.LANECAST_CANONICAL
	ifmaSquare2      ifmaOperation = C.LANECAST_SQUARE_2
	ifmaProduct2     ifmaOperation = C.LANECAST_PRODUCT_2
	ifmaTwoProducts2 ifmaOperation = C.LANECAST_TWO_PRODUCTS_2
)

// of2 returns both parts of the result of an operation of Fp2.
func (o ifmaOperation) of2(a, b *fe8) (out [2]fe8) {
	C.lanecast_field(C.int(o), (*C.uint64_t)(unsafe.Pointer(&out[0])), (*C.uint64_t)(unsafe.Pointer(&out[1])),
		(*C.uint64_t)(unsafe.Pointer(a)), (*C.uint64_t)(unsafe.Pointer(b)))
	return out
}

func (o ifmaOperation) of(a, b *fe8) fe8 { return o.of2(a, b)[0] }
