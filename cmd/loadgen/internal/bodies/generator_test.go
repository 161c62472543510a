package bodies

import (
	"bytes"
	"crypto/aes"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/wire"
)

// slowBody is the slow twin of generator.body: block by block, with the counter as one number.
func slowBody(seed uint64, lane wire.PublicKey, height, run uint64, made time.Time, size int) []byte {
	number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	key := sha256.Sum256(bytes.Join([][]byte{[]byte("lanecast loadgen body"), number(seed), number(run), number(uint64(size)), lane[:]}, nil))
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		panic(err)
	}
	body := append(number(run), number(uint64(made.UnixNano()))...)
	counter := new(big.Int).SetBytes(append(number(height), number(uint64(made.UnixNano()))...))
	for len(body) < size {
		var in, out [16]byte
		counter.FillBytes(in[:])
		block.Encrypt(out[:], in[:])
		body = append(body, out[:]...)
		counter.Add(counter, big.NewInt(1))
	}
	return body[:size]
}

func drawLane(t *rapid.T) wire.PublicKey {
	return wire.PublicKey{0: rapid.Byte().Draw(t, "lane"), 31: rapid.Byte().Draw(t, "lane's end")}
}

func TestTheGeneratorAgreesWithItsSlowTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, run, height := rapid.Uint64().Draw(t, "seed"), rapid.Uint64().Draw(t, "run"), rapid.Uint64().Draw(t, "height")
		made := time.Unix(0, rapid.Int64Range(0, 1<<62).Draw(t, "made"))
		size := rapid.OneOf(rapid.IntRange(MinSize, 100), rapid.IntRange(pieceSize-20, pieceSize+40), rapid.IntRange(3*pieceSize, 4*pieceSize)).Draw(t, "size")
		lane, g := drawLane(t), newGenerator(seed)
		body := g.body(lane, height, run, made, size)
		if !bytes.Equal(body, slowBody(seed, lane, height, run, made, size)) {
			t.Fatal("the bodies differ")
		}
		if at := madeAt(body); !at.Equal(made) {
			t.Fatalf("it says that it was made at %v", at)
		}
		if !newGenerator(seed).genuine(lane, height, body) {
			t.Fatal("a genuine body is refused")
		}
	})
}

func TestABodyIsGenuineAtItsPlaceAloneAndUnchanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, lane, height := newGenerator(7), drawLane(t), rapid.Uint64().Draw(t, "height")
		size := rapid.IntRange(MinSize, 3*pieceSize).Draw(t, "size")
		body := g.body(lane, height, rapid.Uint64().Draw(t, "run"), time.Now(), size)
		elsewhere := lane
		elsewhere[5] ^= 1
		flipped := bytes.Clone(body)
		flipped[rapid.IntRange(0, size-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if g.genuine(elsewhere, height, body) || g.genuine(lane, height+1, body) || newGenerator(8).genuine(lane, height, body) {
			t.Fatal("a body of another place or network is accepted")
		}
		if g.genuine(lane, height, flipped) || g.genuine(lane, height, body[:rapid.IntRange(0, size-1).Draw(t, "length")]) {
			t.Fatal("a changed body is accepted")
		}
	})
}

func BenchmarkBody(b *testing.B) {
	g := newGenerator(1)
	const size = 256 << 10
	b.Run("made", func(b *testing.B) {
		b.SetBytes(size)
		for height := range uint64(b.N) {
			g.body(wire.PublicKey{}, height, 1, time.Time{}, size)
		}
	})
	b.Run("checked", func(b *testing.B) {
		body := g.body(wire.PublicKey{}, 0, 1, time.Time{}, size)
		b.SetBytes(size)
		for b.Loop() {
			g.genuine(wire.PublicKey{}, 0, body)
		}
	})
	b.Run("copied", func(b *testing.B) {
		body := g.body(wire.PublicKey{}, 0, 1, time.Time{}, size)
		b.SetBytes(size)
		for b.Loop() {
			_ = bytes.Clone(body)
		}
	})
}
