package journal

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/internal/segment"
)

// reusedTail returns the file system of a log whose tail, of four groups of two records, is in the
// file of an older segment. It also returns the number of the tail, the former content of the file,
// and the live records.
func reusedTail(t *testing.T) (fs *memFS, tail uint64, before []byte, alive map[Position]string) {
	t.Helper()
	fs = newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	alive = map[Position]string{}
	keep := 0
	for round := 0; keep < 4; round++ {
		for p := range alive {
			if !j.writer.ledger.tail().used {
				j.Release(p)
				delete(alive, p)
			}
		}
		if n := fs.Names[filepath.Join("j", tempName)]; n != nil {
			before = slices.Clone(n.Data())
		}
		for i := range 2 {
			s := strings.Repeat(string(rune('a'+(2*round+i)%26)), 70+round%3*8)
			alive[mustAppend(t, j, s)] = s
		}
		cycleAll(t, j)
		if j.writer.ledger.tail().used {
			keep++
		}
		if round > 100 {
			t.Fatal("no segment was used again")
		}
	}
	tail = j.writer.ledger.tail().number
	after := fs.Crash(nil, 1)
	mustClose(t, j)
	return after, tail, before, alive
}

func TestTheFileOfADeadSegmentBecomesALaterOne(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	for range 100 {
		j.Release(mustAppend(t, j, strings.Repeat("x", 300)))
		cycleAll(t, j)
	}
	if tail := j.writer.ledger.tail(); tail.number < 20 || !tail.used {
		t.Errorf("tail %+v", tail.head)
	}
	if n := fs.Calls["create"]; n > 4 {
		t.Errorf("%d files were made", n)
	}
	if n := len(fs.Names); n > 4 {
		t.Errorf("%d files are left", n)
	}
	mustClose(t, j)
	if size := len(segmentFile(fs, tailNumber(fs)).Data()); int64(size) != j.writer.ledger.tail().size+segment.FrameHead {
		t.Errorf("Close left %d bytes in the tail", size)
	}
}

func TestAFileThatIsMuchTooLongIsNotUsedAgain(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	j.Release(mustAppend(t, j, strings.Repeat("x", 5000)))
	for range 20 {
		j.Release(mustAppend(t, j, strings.Repeat("x", 300)))
		cycleAll(t, j)
		for name, n := range fs.Names {
			if segmentNumber(filepath.Base(name)) == 0 {
				continue
			}
			if n := len(n.Data()); n > 2<<10 && j.writer.ledger.segments[0].number > 1 {
				t.Fatalf("%s has %d bytes", name, n)
			}
		}
	}
	mustClose(t, j)
}

func TestATornTailIsFoundBeforeTheFormerContentOfTheFile(t *testing.T) {
	fs, n, before, alive := reusedTail(t)
	whole := slices.Clone(segmentFile(fs, n).Data())
	offsets := frameOffsets(whole)
	end := offsets[len(offsets)-1]
	last := Position(0)
	for p := range alive {
		last = max(last, p)
	}
	first := last + 1 - Position(len(offsets)-1)
	for size := offsets[0]; size <= end; size++ {
		cut := fs.Crash(nil, 1)
		content := append(slices.Clone(whole[:size]), before[size:]...)
		segmentFile(cut, n).Versions = [][]byte{content}
		j, found, err := tryOpen(cut)
		if err != nil {
			t.Fatalf("cut to %d bytes: %v", size, err)
		}
		frames := 0
		for frames+1 < len(offsets) && slices.Equal(content[:offsets[frames+1]], whole[:offsets[frames+1]]) {
			frames++
		}
		if want := first + Position(frames); j.Next() != want {
			t.Fatalf("cut to %d bytes: next position %d, want %d", size, j.Next(), want)
		}
		for p, s := range alive {
			if p < j.Next() && found[p] != s {
				t.Fatalf("cut to %d bytes: record %d is %q, want %q", size, p, found[p], s)
			}
		}
		// A write whose frame head reached the disk is reported, the former content of the file is
		// not.
		r := j.Recovery()
		into := size - offsets[frames]
		if into == 0 && r.Torn > 0 || into >= segment.FrameHead && r.Torn == 0 || r.Torn > 0 && (r.File != segmentName(n) || r.Offset != int64(offsets[frames])) {
			t.Fatalf("cut to %d bytes, after %d frames: recovery %+v", size, frames, r)
		}
		if len(segmentFile(cut, n).Data()) != offsets[frames] {
			t.Fatalf("cut to %d bytes: the file was not cut behind the last whole frame", size)
		}
		mustAppend(t, j, "next")
		cycleAll(t, j)
		mustClose(t, j)
		if j, found, err = tryOpen(cut); err != nil || found[j.Next()-1] != "next" {
			t.Fatalf("cut to %d bytes, then appended: %v", size, err)
		}
		mustClose(t, j)
	}
}

func TestDamageInAReusedTailBeforeItsLastGroupIsCorruption(t *testing.T) {
	fs, n, _, _ := reusedTail(t)
	offsets := frameOffsets(segmentFile(fs, n).Data())
	for at := range offsets[len(offsets)-3] {
		bad := fs.Crash(nil, 1)
		segmentFile(bad, n).Data()[at] ^= 0x10
		_, _, err := tryOpen(bad)
		if c := (*CorruptError)(nil); !errors.As(err, &c) || c.File != segmentName(n) {
			t.Fatalf("byte %d: error %v", at, err)
		}
	}
}

func TestAMissingSealIsWrittenAgainIfTheReusedTailHoldsNoFrame(t *testing.T) {
	fs, n, before, _ := reusedTail(t)
	spoil := func(fs *memFS) {
		data := segmentFile(fs, n-1).Data()
		offsets := frameOffsets(data)
		clear(data[offsets[len(offsets)-2]:])
	}
	bad := fs.Crash(nil, 1)
	spoil(bad)
	if _, _, err := tryOpen(bad); !errors.Is(err, ErrCorrupt) {
		t.Errorf("with frames behind it: error %v", err)
	}
	empty := fs.Crash(nil, 1)
	spoil(empty)
	copy(segmentFile(empty, n).Data()[segment.HeadSize:], before[segment.HeadSize:])
	for range 2 {
		j, _, err := tryOpen(empty)
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, j, "a")
		mustClose(t, j)
	}
}
