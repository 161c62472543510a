package network

import (
	"encoding/hex"

	"github.com/lanecast/lanecast/wire"
)

// smallOrder holds the encodings of the points of edwards25519 whose order divides 8, without the
// sign bit, including those that are not canonical. Anybody can sign for such a key. A test checks
// the list with the curve's arithmetic.
var smallOrder = func() (keys [7]wire.PublicKey) {
	for i, text := range [7]string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		if n, err := hex.Decode(keys[i][:], []byte(text)); err != nil || n != len(keys[i]) {
			panic("network: a key of small order is no key")
		}
	}
	return keys
}()

func hasSmallOrder(key wire.PublicKey) bool {
	key[31] &= 0x7f
	for i := range smallOrder {
		if key == smallOrder[i] {
			return true
		}
	}
	return false
}
