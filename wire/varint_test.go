package wire_test

import (
	"bytes"
	"testing"

	"github.com/lanecast/lanecast/wire"
	"pgregory.net/rapid"
)

// varint64 and varint32 read one integer as a field of a message: a chunk's height, an ack's
// participant.
func varint64(b []byte) (uint64, error) {
	message := append(filled(32, 0x11), b...)
	var c wire.Chunk
	err := c.Decode(append(message, filled(32, 0x22)...))
	return c.Height, err
}

func varint32(b []byte) (uint64, error) {
	message := append(append(filled(32, 0x11), 0), filled(32, 0x22)...)
	var a wire.Ack
	err := a.Decode(append(append(message, 0), b...))
	if err == nil && len(a.Signature) != 0 {
		return 0, wire.ErrTrailing
	}
	return uint64(a.Participant), err
}

// uvarintSize returns the bytes that an integer adds to the Size of a message.
func uvarintSize(v uint64) int {
	c := wire.Chunk{Height: v}
	return c.Size() - wire.PublicKeySize - wire.DigestSize
}

func TestVarintsAreCanonicalAtEveryBoundary(t *testing.T) {
	for _, c := range []struct {
		encoded string
		value   uint64
	}{
		{"00", 0}, {"01", 1}, {"7f", 1<<7 - 1},
		{"80 01", 1 << 7}, {"ff 7f", 1<<14 - 1},
		{"80*2 01", 1 << 14}, {"ff*2 7f", 1<<21 - 1},
		{"80*3 01", 1 << 21}, {"ff*3 7f", 1<<28 - 1},
		{"80*4 01", 1 << 28}, {"ff*4 0f", 1<<32 - 1},
		{"80*4 10", 1 << 32}, {"ff*4 7f", 1<<35 - 1},
		{"80*5 01", 1 << 35}, {"ff*5 7f", 1<<42 - 1},
		{"80*6 01", 1 << 42}, {"ff*6 7f", 1<<49 - 1},
		{"80*7 01", 1 << 49}, {"ff*7 7f", 1<<56 - 1},
		{"80*8 01", 1 << 56}, {"ff*8 7f", 1<<63 - 1},
		{"80*9 01", 1 << 63}, {"ff*9 01", 1<<64 - 1},
	} {
		b := unhex(t, c.encoded)
		if got := wire.AppendUvarint(nil, c.value); !bytes.Equal(got, b) || uvarintSize(c.value) != len(b) {
			t.Errorf("%d is encoded as %x (size %d), want %x", c.value, got, uvarintSize(c.value), b)
		}
		if got, err := varint64(b); err != nil || got != c.value {
			t.Errorf("%x as u64 is %d, %v, want %d", b, got, err, c.value)
		}
		got, err := varint32(b)
		if c.value < 1<<32 && (err != nil || got != c.value) {
			t.Errorf("%x as u32 is %d, %v, want %d", b, got, err, c.value)
		}
		if c.value >= 1<<32 {
			mustFail(t, err, wire.ErrVarint)
		}
		// One more byte that adds no value makes it overlong.
		overlong := append([]byte(nil), b...)
		overlong[len(b)-1] |= 0x80
		overlong = append(overlong, 0)
		_, err = varint64(overlong)
		mustFail(t, err, wire.ErrVarint)
		_, err = varint32(overlong)
		mustFail(t, err, wire.ErrVarint)
	}
}

func TestVarintsPastTheirWidthAreRefused(t *testing.T) {
	for _, encoded := range []string{
		"80*9 02", "ff*9 02", "ff*9 03", "ff*9 7f", "ff*9 81 00", "80*9 80 01", "80*10 01", "ff*10 00", "ff*11 01", "80*9 00",
	} {
		_, err := varint64(unhex(t, encoded))
		mustFail(t, err, wire.ErrVarint)
	}
	for _, encoded := range []string{
		"ff*4 10", "80*4 10", "ff*4 1f", "ff*4 7f", "ff*4 8f 00", "ff*4 8f 01", "80*5 01", "ff*9 01", "80*4 00",
	} {
		_, err := varint32(unhex(t, encoded))
		mustFail(t, err, wire.ErrVarint)
	}
}

func TestAVarintThatEndsTooEarlyIsTruncated(t *testing.T) {
	for n := range 10 {
		var c wire.Chunk
		mustFail(t, c.Decode(append(filled(32, 0x11), filled(n, 0x80)...)), wire.ErrTruncated)
	}
	for n := range 5 {
		_, err := varint32(filled(n, 0xFF))
		mustFail(t, err, wire.ErrTruncated)
	}
}

// The reader is compared with the definition, worked out bit by bit.
func TestVarintsDecodeAsDefined(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(rapid.Uint64(), rapid.Map(rapid.IntRange(0, 63), func(n int) uint64 { return 1 << n })).Draw(t, "v")
		b := wire.AppendUvarint(nil, v)
		if len(b) != uvarintSize(v) {
			t.Fatalf("%d takes %d bytes, Size says %d", v, len(b), uvarintSize(v))
		}
		var sum uint64
		for i, c := range b {
			sum += uint64(c&0x7F) << (7 * i)
			if last := i == len(b)-1; (c&0x80 == 0) != last {
				t.Fatalf("%x: continuation bit of byte %d", b, i)
			}
		}
		if got, err := varint64(b); sum != v || err != nil || got != v {
			t.Fatalf("%x is %d, decoded to %d, %v", b, v, got, err)
		}
	})
}
