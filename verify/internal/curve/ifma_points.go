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

// ifmaInside1 and ifmaInside2 are the inside of a group.
func ifmaInside1(p []blst.P1Affine) []uint8 {
	inside := make([]uint8, len(p))
	C.lanecast_in_g1((*C.uint8_t)(unsafe.Pointer(&inside[0])), words(as[affine[fp.Element]](&p[0])), C.size_t(len(p)))
	return inside
}

func ifmaInside2(p []blst.P2Affine) []uint8 {
	inside := make([]uint8, len(p))
	C.lanecast_in_g2((*C.uint8_t)(unsafe.Pointer(&inside[0])), words(as[affine[bls12381.E2]](&p[0])), C.size_t(len(p)))
	return inside
}
