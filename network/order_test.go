package network

import (
	"fmt"
	"testing"
	"time"

	"filippo.io/edwards25519"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

func TestKeysOfSmallOrderAreKnownInEveryEncoding(t *testing.T) {
	canonical := make(map[[32]byte]bool)
	for _, key := range smallOrder {
		for _, sign := range []byte{0, 0x80} {
			k := key
			k[31] |= sign
			if !hasSmallOrder(k) || !verify.HasSmallOrder(k) {
				t.Errorf("%v is not taken for a key of small order", k)
			}
			p, err := new(edwards25519.Point).SetBytes(k[:])
			if err != nil {
				t.Fatalf("%v is no point: %v", k, err)
			}
			if new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) != 1 {
				t.Errorf("%v is not of small order", k)
			}
			canonical[[32]byte(p.Bytes())] = true
		}
	}
	if len(canonical) != 8 {
		t.Errorf("%d points of small order, not 8", len(canonical))
	}
	for i := range 100 {
		if k := publicKey(testKey(i)); hasSmallOrder(k) {
			t.Errorf("%v is taken for a key of small order", k)
		}
	}
	// crypto/ed25519 accepts a quarter of the signatures of zeros for a key of order 4.
	for i := range 64 {
		p := KeyProof{NotAfter: time.Unix(2, 0)}
		if p.valid(fmt.Append(nil, i), wire.PublicKey{}, time.Unix(1, 0)) {
			t.Fatal("anybody can prove a key for an identity of small order")
		}
	}
}
