package journal

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/segment"
)

// reframe changes the frame at offset of a segment, and gives it a good checksum again.
func reframe(t *testing.T, fs *memFS, number uint64, offset int, change func(f *segment.Frame)) {
	t.Helper()
	data := segmentFile(fs, number).Data()
	var h head
	if why, err := h.decode(data); why != "" || err != nil {
		t.Fatal(why, err)
	}
	var f segment.Frame
	if why := f.Parse(data[offset:offset+segment.FrameHead], int64(offset), int64(len(data))); why != "" {
		t.Fatal(why)
	}
	change(&f)
	b := data[offset : offset+int(f.Size())]
	f.Put(b)
	segment.Finish(b, segment.Seed(h.identity, h.number), f.Offset, f.Group)
}

// rehead changes the head of a segment, and gives it a good checksum again.
func rehead(t *testing.T, fs *memFS, number uint64, change func(h *head)) {
	t.Helper()
	data := segmentFile(fs, number).Data()
	var h head
	if why, err := h.decode(data); why != "" || err != nil {
		t.Fatal(why, err)
	}
	change(&h)
	copy(data, h.encode())
}

// Heads and frames with good checksums whose content no journal writes.
func TestFramesAndHeadsThatContradictEachOtherAreCorruption(t *testing.T) {
	fs, _ := history(t, 40)
	last := tailNumber(fs)
	at := frameOffsets(segmentFile(fs, 2).Data())
	tail := frameOffsets(segmentFile(fs, last).Data())
	if len(at) < 6 || len(tail) < 4 {
		t.Fatalf("frames at %v and %v", at, tail)
	}
	mark := func(kind byte, by int) func(f *segment.Frame) { // replaces a record
		return func(f *segment.Frame) {
			f.Kind, f.Flags, f.Stored, f.Raw = kind, 0, 0, 0
			f.Position += uint64(by)
		}
	}
	for _, c := range []struct {
		what    string
		segment uint64
		offset  int64
		reason  string
		change  func(fs *memFS)
	}{
		{"a frame of a group that is not there", 2, int64(at[2]), "frame belongs to no group", func(fs *memFS) {
			reframe(t, fs, 2, at[2], func(f *segment.Frame) { f.Group = f.Offset - 8 })
		}},
		{"such a frame in the tail", last, int64(tail[1]), "frame belongs to no group", func(fs *memFS) {
			reframe(t, fs, last, tail[1], func(f *segment.Frame) { f.Group = f.Offset - 8 })
		}},
		{"a seal between records", 2, int64(at[1]), "seal before the end", func(fs *memFS) {
			reframe(t, fs, 2, at[1], mark(segment.KindSeal, 0))
		}},
		{"a mark of Close at another position", last, int64(tail[1]), "mark at position", func(fs *memFS) {
			reframe(t, fs, last, tail[1], mark(segment.KindClose, 1))
		}},
		{"a seal at another position", 2, int64(at[len(at)-2]), "no seal", func(fs *memFS) {
			reframe(t, fs, 2, at[len(at)-2], func(f *segment.Frame) { f.Position++ })
		}},
		{"a seal in another's group", 2, int64(at[len(at)-2]), "no seal", func(fs *memFS) {
			reframe(t, fs, 2, at[len(at)-2], func(f *segment.Frame) { f.Group = int64(at[len(at)-3]) })
		}},
		{"a record where the seal is said to be", 2, int64(at[2]), "no seal", func(fs *memFS) {
			rehead(t, fs, 3, func(h *head) { h.prevEnd = int64(at[2]) })
		}},
		{"a segment said to end within a frame", 2, int64(at[2]), "cut short", func(fs *memFS) {
			rehead(t, fs, 3, func(h *head) { h.prevEnd = int64(at[2]) + 40 })
		}},
		{"a segment said to end before its head does", 2, segment.HeadSize, "begins before this one", func(fs *memFS) {
			rehead(t, fs, 3, func(h *head) { h.prevEnd = 64 })
		}},
		{"a segment that begins at another position", 3, 40, "begins at position", func(fs *memFS) {
			rehead(t, fs, 3, func(h *head) { h.first++ })
		}},
		{"a record at a later position", last, int64(tail[0]), "record at position", func(fs *memFS) {
			reframe(t, fs, last, tail[0], func(f *segment.Frame) { f.Position++ })
		}},
		{"a copy from the future", last, int64(tail[0]), "record at position", func(fs *memFS) {
			reframe(t, fs, last, tail[0], func(f *segment.Frame) { f.Kind = segment.KindCopy })
		}},
		{"a payload that is no zstd", 2, int64(at[1]), "does not decompress", func(fs *memFS) {
			reframe(t, fs, 2, at[1], func(f *segment.Frame) { f.Flags, f.Raw = segment.FlagZstd, f.Raw+1 })
		}},
		{"a floor of 0", 2, 0, "head is inconsistent", func(fs *memFS) { rehead(t, fs, 2, func(h *head) { h.floor = 0 }) }},
		{"a floor above the segment", 2, 0, "head is inconsistent", func(fs *memFS) {
			rehead(t, fs, 2, func(h *head) { h.floor = 3 })
		}},
		{"no first position", 2, 0, "head is inconsistent", func(fs *memFS) { rehead(t, fs, 2, func(h *head) { h.first = 0 }) }},
		{"an odd end of the segment before", 3, 0, "head is inconsistent", func(fs *memFS) {
			rehead(t, fs, 3, func(h *head) { h.prevEnd++ })
		}},
	} {
		bad := fs.Crash(nil, 1)
		c.change(bad)
		_, _, err := tryOpen(bad)
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || corrupt.File != segmentName(c.segment) || corrupt.Offset != c.offset ||
			!strings.Contains(corrupt.Reason, c.reason) {
			t.Errorf("%s: error %v, want %s at %d: %s", c.what, err, segmentName(c.segment), c.offset, c.reason)
		}
	}
}

func TestAFileThatGetsShorterWhileItIsReadIsAnErrorButNoCorruption(t *testing.T) {
	fs, _ := history(t, 4)
	_, err := Inspect("j", shrinking{fs}, func(RecordInfo) error { return nil })
	if err == nil || errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("error %v", err)
	}
}

// shrinking is a file system whose files become shorter after their size was read.
type shrinking struct{ FS }

func (s shrinking) OpenRead(name string) (File, error) {
	f, err := s.FS.OpenRead(name)
	return longer{f}, err
}

type longer struct{ File }

func (f longer) Size() (int64, error) {
	n, err := f.File.Size()
	return n + 100, err
}

func TestOtherFilesInTheFolderAreLeftAlone(t *testing.T) {
	fs, _ := history(t, 20)
	others := []string{
		"000000000000000A.seg", "000000000000000a.SEG", "00000000000000000.seg", "0000000000000000.seg", "+000000000000009.seg",
		"000000000000zzzz.seg", "9.seg", "0000000000000009.segs", "0000000000000009", "notes", "next.tmp2", "WATERMARK~",
	}
	for _, name := range others {
		fs.Names[filepath.Join("j", name)] = &inode{Versions: [][]byte{[]byte("other")}}
	}
	j, found, err := tryOpen(fs)
	if err != nil || len(found) != 20 {
		t.Fatalf("%d records, error %v", len(found), err)
	}
	mustClose(t, j)
	for _, name := range others {
		if n := fs.Names[filepath.Join("j", name)]; n == nil || string(n.Data()) != "other" {
			t.Errorf("%s was changed", name)
		}
	}
}

func TestARecoveryIsLoggedAsOneGroup(t *testing.T) {
	r := Recovery{
		Records: 7, Copies: 1, Bytes: 1000, Segments: 2, Torn: 40, File: segmentName(2), Offset: 104, Duration: time.Second,
	}
	want := "[records=7 copies=1 bytes=1000 segments=2 created=false clean=false torn=40 file=0000000000000002.seg offset=104 duration=1s]"
	if got := r.LogValue().String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r = Recovery{Records: 1, Bytes: 120, Segments: 1, Created: true, Clean: true}
	want = "[records=1 copies=0 bytes=120 segments=1 created=true clean=true torn=0 duration=0s]"
	if got := r.LogValue().String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestABurstIsNotKeptInMemory(t *testing.T) {
	j, _ := manualJournal(t, newMemFS(), Config{SegmentSize: 1 << 20, WriteBuffer: 4 << 10})
	for range 70_000 {
		j.Release(mustAppend(t, j, ""))
	}
	cycleAll(t, j)
	if w := &j.writer; cap(w.spare.frames) > 8<<10 || cap(w.spare.released) > 1<<16 {
		t.Errorf("%d bytes and %d releases are kept", cap(w.spare.frames), cap(w.spare.released))
	}
	mustClose(t, j)
}
