package ed25519bench

import (
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// smallOrder are all encodings of the points whose order divides 8.
func smallOrder(t *testing.T) (all [][]byte) {
	for _, y := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000", // 0
		"0100000000000000000000000000000000000000000000000000000000000000", // 1
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // −1
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 0
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 1
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	} {
		for _, sign := range []byte{0, 0x80} {
			b, err := hex.DecodeString(y)
			if err != nil {
				t.Fatal(err)
			}
			b[31] |= sign
			all = append(all, b)
		}
	}
	return all
}

// special are signatures that ZIP-215 accepts, under keys of small order; R of small order, s = 0.
func special(t *testing.T) (all []*Signed) {
	for _, key := range smallOrder(t) {
		for i, r := range smallOrder(t) {
			s := &Signed{}
			s.Chunk = wire.Chunk{Sequencer: wire.PublicKey(key), Height: uint64(i)}
			copy(s.Signature[:], r)
			s.Message = message(&s.Chunk)
			all = append(all, s)
		}
	}
	return all
}

func TestWaysAcceptTheSignaturesThatZIP215Accepts(t *testing.T) {
	for name, all := range map[string][]*Signed{"ordinary": Sign(64), "small order": special(t)} {
		for _, w := range Ways() {
			one, every := w.Prepare(all)
			refused := 0
			for i := range all {
				if !one(i) {
					refused++
				}
			}
			if want := name == "ordinary" || w.ZIP215; want != (refused == 0) {
				t.Errorf("%s refuses %d of %d of %s", w.Name, refused, len(all), name)
			}
			for _, n := range []int{1, 8, 64} {
				if every != nil && !every(n) {
					t.Errorf("%s refuses a batch of %d of %s", w.Name, n, name)
				}
			}
		}
	}
}

// addOrder adds the order of the group to a scalar, little-endian.
func addOrder(s []byte) {
	order := "\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10"
	carry := 0
	for i := range s {
		carry += int(s[i]) + int(order[i])
		s[i] = byte(carry)
		carry >>= 8
	}
}

func TestNoWayAcceptsAWrongSignature(t *testing.T) {
	const wrong = 5
	for what, change := range map[string]func(s *Signed){
		"R":             func(s *Signed) { s.Signature[0] ^= 1 },
		"s":             func(s *Signed) { s.Signature[40] ^= 1 },
		"s not reduced": func(s *Signed) { addOrder(s.Signature[32:]) },
		"key":           func(s *Signed) { s.Chunk.Sequencer[3] ^= 1 },
		"message":       func(s *Signed) { s.Chunk.Payload[0]++; s.Message = message(&s.Chunk) },
	} {
		all := Sign(16)
		change(all[wrong])
		for _, w := range Ways() {
			one, every := w.Prepare(all)
			if one(wrong) || !one(wrong+1) {
				t.Errorf("%s, %s", w.Name, what)
			}
			if every != nil && (every(16) || !every(wrong)) {
				t.Errorf("%s, %s, in a batch", w.Name, what)
			}
		}
	}
}

// BenchmarkVerify reports the time of each way for a signature, in µs. All ways take turns within
// one benchmark; the cheapest turn of each counts.
func BenchmarkVerify(b *testing.B) {
	for _, n := range []int{1, 8, 16, 32, 64} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) { compare(b, Sign(n)) })
	}
}
