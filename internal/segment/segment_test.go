package segment

import (
	"bytes"
	"hash/crc32"
	"testing"
)

// frameOf returns a whole frame, with its payload given in parts.
func frameOf(f Frame, seed uint32, parts ...[]byte) []byte {
	payload := bytes.Join(parts, nil)
	f.Stored, f.Raw = uint32(len(payload)), uint32(len(payload))
	b := make([]byte, FrameSize(len(payload)))
	f.Put(b)
	copy(b[FrameHead:], payload)
	Finish(b, seed, f.Offset, f.Group)
	return b
}

func TestAFrameIsSoundInItsPlaceOfItsFileOnly(t *testing.T) {
	seed := Seed(Identity{1}, 7)
	f := Frame{Kind: KindRecord, Position: 3, Offset: HeadSize, Group: HeadSize}
	b := frameOf(f, seed, []byte("some "), []byte("bytes"))
	var got Frame
	if why := got.Parse(b, HeadSize, HeadSize+int64(len(b))); why != "" || got.Stored != 10 || got.Position != 3 {
		t.Fatalf("parsed as %+v: %s", got, why)
	}
	if !Sound(b, seed) {
		t.Fatal("its checksum is not good")
	}
	for name, other := range map[string]uint32{
		"another file":     Seed(Identity{1}, 8),
		"another identity": Seed(Identity{2}, 7),
	} {
		if Sound(b, other) {
			t.Errorf("it is sound in %s", name)
		}
	}
	if why := got.Parse(b, HeadSize+8, 1<<20); why == "" {
		t.Error("it is a frame elsewhere in its file")
	}
	for i := range b {
		b[i] ^= 1
		if got.Parse(b, HeadSize, 1<<20) == "" && Sound(b, seed) {
			t.Errorf("a flipped bit in byte %d is not found", i)
		}
		b[i] ^= 1
	}
}

func TestAChecksumOverPartsIsThatOfTheWhole(t *testing.T) {
	f := Frame{Kind: KindRecord, Stored: 16, Raw: 16, Position: 1}
	whole := make([]byte, FrameSize(16))
	f.Put(whole)
	copy(whole[FrameHead:], "sixteen bytes ..")
	parts := bytes.Clone(whole[:FrameHead])
	Finish(whole, 5, 80, HeadSize)
	Finish(parts, 5, 80, HeadSize, PartOf([]byte("sixteen")), PartOf(nil), PartOf([]byte(" bytes ..")))
	if !bytes.Equal(parts, whole[:FrameHead]) {
		t.Fatalf("%x, want %x", parts, whole[:FrameHead])
	}
}

func TestAPartCountsLikeItsBytesWhateverItsLength(t *testing.T) {
	b := make([]byte, 300_000)
	for i := range b {
		b[i] = byte(i * i >> 5)
	}
	for _, n := range []int{0, 1, 2, 3, 7, 8, 255, 256, 65_535, 65_536, 262_144, 299_999} {
		for _, sum := range []uint32{0, 1, 0xdeadbeef, 0xffffffff} {
			if got, want := PartOf(b[:n]).after(sum), crc32.Update(sum, Castagnoli, b[:n]); got != want {
				t.Errorf("%d bytes after %08x: %08x, want %08x", n, sum, got, want)
			}
		}
	}
}

func TestOnlyTheExactNameIsThatOfAFile(t *testing.T) {
	for name, want := range map[string]uint64{
		"0000000000000001.seg": 1, "00000000000000ff.seg": 255, "ffffffffffffffff.seg": 1<<64 - 1,
		"00000000000000FF.seg": 0, "1.seg": 0, "0000000000000001.data": 0, "0000000000000001": 0,
		"000000000000000g.seg": 0, "0000000000000000.seg": 0, "+000000000000001.seg": 0,
	} {
		if got := Number(name, ".seg"); got != want {
			t.Errorf("%s is file %d, want %d", name, got, want)
		}
	}
	if got := Name(255, ".seg"); got != "00000000000000ff.seg" {
		t.Error(got)
	}
}
