package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/internal/segment"
)

// history makes a log of several segments, in groups of two records. It returns the records, and
// the file system after a crash that lost nothing.
func history(t *testing.T, records int) (*memFS, map[Position]string) {
	t.Helper()
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{CompressAbove: 100})
	want := map[Position]string{}
	for i := range records {
		s := strings.Repeat(string(rune('a'+i%26)), 20+i*7%130)
		want[mustAppend(t, j, s)] = s
		if i%2 == 1 {
			cycleAll(t, j)
		}
	}
	cycleAll(t, j)
	crashed := fs.Crash(nil, 1)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return crashed, want
}

func segmentFile(fs *memFS, number uint64) *inode {
	return fs.Names[filepath.Join("j", segmentName(number))]
}

func tailNumber(fs *memFS) (n uint64) {
	for name := range fs.Names {
		n = max(n, segmentNumber(filepath.Base(name)))
	}
	return n
}

// tryOpen returns the replayed records, whether or not Open succeeded.
func tryOpen(fs FS) (j *Journal, found map[Position]string, err error) {
	return open(Config{Dir: "j", FS: fs, SegmentSize: 1 << 10, ReplayBuffer: 4 << 10, manual: true})
}

// frameOffsets lists the offsets of the frames of a sound segment in a new file, and the end of the
// last one.
func frameOffsets(data []byte) []int {
	offsets := []int{segment.HeadSize}
	for at := segment.HeadSize; at+segment.FrameHead <= len(data); {
		var f segment.Frame
		if f.Parse(data[at:at+segment.FrameHead], 0, 0); f.Kind == 0 {
			break // reserved room
		}
		at += int(f.Size())
		offsets = append(offsets, at)
	}
	return offsets
}

func TestATailTornAtAnyByteIsCutOffAfterTheLastWholeFrame(t *testing.T) {
	fs, want := history(t, 20)
	n := tailNumber(fs)
	whole := slices.Clone(segmentFile(fs, n).Data())
	offsets := frameOffsets(whole)
	whole = whole[:offsets[len(offsets)-1]]
	first := Position(len(want) - (len(offsets) - 2) + 1)
	for size := segment.HeadSize; size <= len(whole); size++ {
		for _, behind := range [][]byte{nil, make([]byte, 100), []byte("garbage that no journal wrote")} {
			cut := fs.Crash(nil, 1)
			content := append(slices.Clone(whole[:size]), behind...)
			segmentFile(cut, n).Versions = [][]byte{content}
			j, found, err := tryOpen(cut)
			if err != nil {
				t.Fatalf("cut to %d bytes: %v", size, err)
			}
			frames := 0 // compared with the whole log, since zeros may replace lost padding
			for frames+1 < len(offsets) && offsets[frames+1] <= len(content) &&
				slices.Equal(content[:offsets[frames+1]], whole[:offsets[frames+1]]) {
				frames++
			}
			if next := first + Position(frames); len(found) != int(next)-2 || j.Next() != next {
				t.Fatalf("cut to %d bytes: %d records, next position %d, want %d", size, len(found), j.Next(), next)
			}
			r := j.Recovery()
			if torn := r.Torn != 0; torn != anySet(content[offsets[frames]:]) {
				t.Fatalf("cut to %d bytes, %d behind: recovery %+v", size, len(behind), r)
			} else if torn && (r.File != segmentName(n) || r.Offset != int64(offsets[frames])) {
				t.Fatalf("cut to %d bytes: recovery %+v", size, r)
			}
			// The next appended record must not be taken for a part of the torn write.
			mustAppend(t, j, "next")
			cycleAll(t, j)
			mustClose(t, j)
			if j, found, err = tryOpen(cut); err != nil || found[j.Next()-1] != "next" {
				t.Fatalf("cut to %d bytes, then appended: %v", size, err)
			}
			mustClose(t, j)
		}
	}
}

func anySet(b []byte) bool { return slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }

func TestFramesOfATornGroupDoNotComeBackBehindTheNextOne(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	for range 3 {
		mustAppend(t, j, "same length")
	}
	cycleAll(t, j)
	torn := fs.Crash(nil, 1)
	mustClose(t, j)
	// The first frame of the group was lost, the others were not.
	at := segment.HeadSize + segment.FrameSize(len(firstRecord))
	clear(segmentFile(torn, 1).Data()[at : at+segment.FrameSize(11)])
	j, found, err := tryOpen(torn)
	if err != nil || len(found) != 0 {
		t.Fatalf("%d records, error %v", len(found), err)
	}
	mustAppend(t, j, "short again")
	cycleAll(t, j)
	torn = torn.Crash(nil, 0)
	mustClose(t, j)
	if j, found, err = tryOpen(torn); err != nil || len(found) != 1 || found[2] != "short again" {
		t.Fatalf("found %v, error %v", found, err)
	}
	mustClose(t, j)
}

func TestDamageBeforeTheLastGroupIsCorruptionWhereverItIs(t *testing.T) {
	fs, _ := history(t, 40)
	last := tailNumber(fs)
	if last < 4 {
		t.Fatalf("only %d segments", last)
	}
	for n := uint64(1); n <= last; n++ {
		whole := segmentFile(fs, n).Data()
		offsets := frameOffsets(whole)
		limit := offsets[len(offsets)-1]
		if n == last { // the last group may have been torn
			limit = offsets[len(offsets)-3]
			if limit == segment.HeadSize {
				t.Fatal("the tail has one group only")
			}
		}
		for at := range limit {
			if n != 2 && n != last && at%5 != 0 {
				continue
			}
			for _, flip := range []byte{1, 0x80, 0xff} {
				bad := fs.Crash(nil, 1)
				segmentFile(bad, n).Data()[at] ^= flip
				j, _, err := tryOpen(bad)
				var c *CorruptError
				if !errors.As(err, &c) {
					if err == nil {
						_ = j.Close()
					}
					t.Fatalf("segment %d of %d, byte %d of %d: error %v", n, last, at, len(whole), err)
				}
				if c.File != segmentName(n) || c.Offset > int64(at) || c.Reason == "" {
					t.Fatalf("segment %d, byte %d: %v", n, at, c)
				}
				if slices.Compare(segmentFile(bad, n).Data(), whole) == 0 || len(bad.Locked) != 0 {
					t.Fatalf("segment %d, byte %d: Open repaired it, or kept the lock", n, at)
				}
			}
		}
	}
}

func TestAfterACleanCloseDamageAnywhereIsCorruption(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	mustAppend(t, j, "a")
	mustAppend(t, j, "b")
	mustClose(t, j)
	whole := segmentFile(fs, 1).Data()
	for at := range whole {
		bad := fs.Crash(nil, 1)
		segmentFile(bad, 1).Data()[at] ^= 4
		if _, found, err := tryOpen(bad); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d: %d records, error %v", at, len(found), err)
		}
	}
}

func TestASegmentCutAtAFrameBoundaryIsCorruption(t *testing.T) {
	fs, _ := history(t, 40)
	offsets := frameOffsets(segmentFile(fs, 2).Data())
	for _, size := range offsets[:len(offsets)-1] {
		bad := fs.Crash(nil, 1)
		n := segmentFile(bad, 2)
		n.Versions = [][]byte{n.Data()[:size]}
		if _, _, err := tryOpen(bad); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d bytes: error %v", size, err)
		}
	}
}

func TestMissingReorderedAndForeignSegmentsAreCorruption(t *testing.T) {
	fs, _ := history(t, 40)
	last := tailNumber(fs)
	name := func(n uint64) string { return filepath.Join("j", segmentName(n)) }
	check := func(what string, bad *memFS, file uint64) {
		t.Helper()
		_, _, err := tryOpen(bad)
		var c *CorruptError
		if !errors.As(err, &c) {
			t.Errorf("%s: error %v", what, err)
		} else if file != 0 && c.File != segmentName(file) {
			t.Errorf("%s: %v, want file %s", what, c, segmentName(file))
		}
	}
	for n := uint64(1); n <= last; n++ {
		bad := fs.Crash(nil, 1)
		delete(bad.Names, name(n))
		check(fmt.Sprintf("segment %d of %d is missing", n, last), bad, n)
		for m := uint64(1); m < n; m++ {
			bad := fs.Crash(nil, 1)
			bad.Names[name(n)], bad.Names[name(m)] = bad.Names[name(m)], bad.Names[name(n)]
			check(fmt.Sprintf("segments %d and %d change places", n, m), bad, 0)
		}
		other, _ := history(t, 40)
		bad = fs.Crash(nil, 1)
		bad.Names[name(n)] = other.Names[name(n)]
		check(fmt.Sprintf("segment %d is of another journal", n), bad, 0)
	}
	// A single file under the name of a later segment: nothing may be deleted.
	bad := newMemFS()
	bad.Names[name(2)] = fs.Names[name(last)]
	check("the only segment has another's name", bad, 2)
	if len(bad.Names) != 1 {
		t.Error("a segment was removed")
	}
}

func TestASegmentWithoutHeadIsCorruption(t *testing.T) {
	// A segment gets its name only once its head is on disk, so no crash leaves this state.
	fs, _ := history(t, 4)
	if n := tailNumber(fs); n != 1 {
		t.Fatalf("%d segments", n)
	}
	for _, n := range []uint64{1, 2} {
		for _, content := range [][]byte{
			nil, []byte(magic), make([]byte, segment.HeadSize-1), make([]byte, 500), slices.Repeat([]byte{0xa5}, 300),
		} {
			bad := fs.Crash(nil, 1)
			bad.Names[filepath.Join("j", segmentName(n))] = &inode{Versions: [][]byte{content}}
			files := len(bad.Names)
			_, _, err := tryOpen(bad)
			var c *CorruptError
			if !errors.As(err, &c) || c.File != segmentName(n) {
				t.Errorf("segment %d of %d bytes: error %v", n, len(content), err)
			}
			if len(bad.Names) != files {
				t.Errorf("segment %d of %d bytes: a file was removed", n, len(content))
			}
		}
	}
}

func TestADamagedHeadIsCorruption(t *testing.T) {
	fs, _ := history(t, 40)
	n := tailNumber(fs)
	clear(segmentFile(fs, n).Data()[:segment.HeadSize])
	_, _, err := tryOpen(fs)
	var c *CorruptError
	if !errors.As(err, &c) || c.File != segmentName(n) {
		t.Errorf("error %v", err)
	}
}

func TestAPayloadCannotPassForALaterGroup(t *testing.T) {
	// An attacker knows the format but not the journal's identity, and gets a record journaled that
	// contains a frame which claims to begin a group of its own. If the real frame around it is
	// torn, that must remain a torn tail.
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	inner := make([]byte, segment.FrameHead)
	f := segment.Frame{Kind: segment.KindRecord, Position: 3}
	f.Put(inner)
	outer := segment.HeadSize + segment.FrameSize(len(firstRecord))
	at := int64(outer + segment.FrameHead)
	segment.Finish(inner, segment.Seed(segment.Identity{}, 1), at, at)
	mustAppend(t, j, string(inner))
	cycleAll(t, j)
	torn := fs.Crash(nil, 1)
	mustClose(t, j)
	segmentFile(torn, 1).Data()[outer] ^= 1
	j, found, err := tryOpen(torn)
	if err != nil || len(found) != 0 {
		t.Fatalf("%d records, error %v", len(found), err)
	}
	mustClose(t, j)
}

func TestRandomDamageIsNeverMistakenForOtherRecords(t *testing.T) {
	fs, want := history(t, 30)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		bad := fs.Crash(nil, 1)
		data := segmentFile(bad, 1+uint64(rng.IntN(int(tailNumber(fs))))).Data()
		at := rng.IntN(len(data))
		for i := at; i < min(at+1+rng.IntN(64), len(data)); i++ {
			data[i] = byte(rng.Uint32())
		}
		j, found, err := tryOpen(bad)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
		for p, s := range found {
			if want[p] != s {
				t.Fatalf("record %d is %q, want %q", p, s, want[p])
			}
		}
		if err == nil {
			mustClose(t, j)
		}
	}
}

func TestAFrameThatWasWrittenToAnotherPlaceToo(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	for i := range 4 {
		mustAppend(t, j, fmt.Sprint("same length ", i))
		cycleAll(t, j)
	}
	crashed := fs.Crash(nil, 1)
	mustClose(t, j)
	at := frameOffsets(segmentFile(crashed, 1).Data())
	frame := slices.Clone(segmentFile(crashed, 1).Data()[at[1]:at[2]])

	// After the end of the log it has no meaning.
	behind := crashed.Crash(nil, 1)
	n := segmentFile(behind, 1)
	n.Versions = [][]byte{append(n.Data(), frame...)}
	j, found, err := tryOpen(behind)
	if err != nil || len(found) != 4 || j.Recovery().Torn == 0 {
		t.Errorf("behind the end: %d records, error %v", len(found), err)
	} else {
		mustClose(t, j)
	}
	// In place of another frame it is damage.
	copy(segmentFile(crashed, 1).Data()[at[2]:], frame)
	_, _, err = tryOpen(crashed)
	var c *CorruptError
	if !errors.As(err, &c) || c.Offset != int64(at[2]) || !strings.Contains(c.Reason, "belongs to another offset") {
		t.Errorf("in place of another: error %v", err)
	}
}
