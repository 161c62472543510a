package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/internal/segment"
)

// goldenLog is a log of format 2: two segments, with a first record, "a", 100 times "b" compressed,
// a copy of "a", and the mark of Close. If these bytes must change, the format has changed and
// needs a new version.
func goldenLog(t *testing.T) (first, second, mark []byte) {
	t.Helper()
	clean := func(s string) []byte {
		b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return clean(goldenFirst), clean(goldenSecond), clean(goldenMark)
}

const goldenFirst = `
	6c616e656a726e6c0200000000000000a00102030405060708090a0b0c0d0eaf
	0100000000000000010000000000000000000000000000000100000000000000
	000000009d0960bba956ba4c0100000005000000050000000100000000000000
	09000000090000006669727374000000e34dfcbf010000000100000001000000
	02000000000000000e0000000e0000006100000000000000b0eecbb901010000
	0a000000640000000300000000000000130000000e00000028b52ffd00002303
	00620000000000008ac0c5800300000000000000000000000400000000000000
	1900000019000000`

const goldenSecond = `
	6c616e656a726e6c0200000000000000a00102030405060708090a0b0c0d0eaf
	02000000000000000400000000000000c8000000000000000100000000000000
	00000000b02cf542ee0df3080200000001000000010000000200000000000000
	090000000900000061000000000000009623873a040000000000000000000000
	04000000000000000e0000000e000000`

const goldenMark = `
	6c616e656d61726b0200000000000000a00102030405060708090a0b0c0d0eaf
	0900000000000000020000000000000090000000000000000400000000000000
	00000000ce1b72d9`

func TestALogOfFormat2IsReadAsItWas(t *testing.T) {
	first, second, mark := goldenLog(t)
	fs := newMemFS()
	for name, b := range map[string][]byte{
		segmentName(1): first, segmentName(2): second, markName: append(mark, make([]byte, slotSize)...),
	} {
		fs.Names[filepath.Join("j", name)] = &inode{Versions: [][]byte{b}}
	}
	var got []string
	r, err := Inspect("j", fs, func(r RecordInfo) error {
		got = append(got, string(r.Record))
		return nil
	})
	want := []string{"first", "a", strings.Repeat("b", 100), "a"}
	if err != nil || !slices.Equal(got, want) || !r.Clean || r.Copies != 1 || r.Mark.Next != 4 {
		t.Errorf("records %q, recovery %+v, error %v", got, r, err)
	}
}

// The layout of doc.go, written by hand.
func TestHeadsFramesAndWatermarksAreAsDocumented(t *testing.T) {
	id := segment.Identity{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	le := binary.LittleEndian
	sum := func(parts ...[]byte) []byte {
		return le.AppendUint32(nil, crc32.Checksum(bytes.Join(parts, nil), crc32.MakeTable(crc32.Castagnoli)))
	}
	build := func(fields ...any) []byte {
		var b bytes.Buffer
		for _, f := range fields {
			if s, ok := f.(string); ok {
				b.WriteString(s)
			} else if err := binary.Write(&b, le, f); err != nil {
				t.Fatal(err)
			}
		}
		return b.Bytes()
	}
	check := func(what string, got, want []byte) {
		t.Helper()
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", what, got, want)
		}
	}
	h := head{identity: id, number: 7, first: 11, prevEnd: 1040, floor: 5, used: true}
	want := build("lanejrnl", uint32(2), uint32(1), id, uint64(7), uint64(11), uint64(1040), uint64(5), uint32(0))
	check("head", h.encode(), append(want, sum(want)...))

	m := watermark{identity: id, generation: 3, creating: true, segment: 7, offset: 1048, next: 12}
	want = build("lanemark", uint32(2), uint32(1), id, uint64(3), uint64(7), uint64(1048), uint64(12), uint32(0))
	check("watermark", m.encode(), append(want, sum(want)...))

	f := segment.Frame{Kind: segment.KindRecord, Flags: segment.FlagZstd, Stored: 5, Raw: 9, Position: 11}
	b := append(make([]byte, segment.FrameHead), "12345\x00\x00\x00"...)
	f.Put(b)
	segment.Finish(b, segment.Seed(id, 7), 104, 72)
	rest := build(uint8(1), uint8(1), uint16(0), uint32(5), uint32(9), uint64(11), uint32(13), uint32(9), "12345\x00\x00\x00")
	// A checksum that starts from another one is the checksum of both byte strings in sequence.
	check("frame", b, append(sum(build(id, uint64(7)), rest), rest...))
}
