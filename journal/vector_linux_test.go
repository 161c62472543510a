package journal

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The slow twin writes the parts one by one.
func TestAVectorOfPartsIsWrittenBehindEachOther(t *testing.T) {
	for _, n := range []int{0, 1, 2, maxVector - 1, maxVector, maxVector + 1, 2*maxVector + 7} {
		name := filepath.Join(t.TempDir(), "f")
		f, err := OS().Create(name)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]byte, 3)
		var parts [][]byte
		for i := range n {
			p := bytes.Repeat([]byte{byte(i) | 1}, i%5)
			parts, want = append(parts, p), append(want, p...)
		}
		before := slices.Clone(parts)
		written, err := f.(VectorWriter).WriteVectorAt(parts, 3)
		if err != nil || written != int64(len(want)-3) {
			t.Errorf("%d parts: %d bytes written, %v", n, written, err)
		}
		for i := range parts {
			if !bytes.Equal(parts[i], before[i]) {
				t.Fatalf("part %d was changed", i)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil || len(want) > 3 && !bytes.Equal(got, want) {
			t.Errorf("%d parts: other content, %v", n, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := f.(VectorWriter).WriteVectorAt([][]byte{{1}}, 0); err == nil {
			t.Error("a closed file is written to")
		}
	}
}

// The system may write only a part of a vector.
func TestTheRestOfAVectorAfterItsFirstBytes(t *testing.T) {
	parts := [][]byte{{1, 2}, {}, {3}, {4, 5, 6}}
	for n := range 7 {
		rest := slices.Concat(behind(parts, n)...)
		if want := []byte{1, 2, 3, 4, 5, 6}[n:]; !bytes.Equal(rest, want) {
			t.Errorf("behind %d bytes: %v, want %v", n, rest, want)
		}
	}
	if len(behind(parts, 6)) != 0 || !bytes.Equal(slices.Concat(parts...), []byte{1, 2, 3, 4, 5, 6}) {
		t.Error("parts are left, or were changed")
	}
}
