package journal

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/internal/crashfs"
	"github.com/lanecast/lanecast/internal/segment"
)

// openExisting opens without Create and returns all records.
func openExisting(fs FS) (j *Journal, found map[Position]string, err error) {
	found = map[Position]string{}
	j, err = Open(Config{Dir: "j", FS: fs, SegmentSize: 1 << 10, manual: true}, func(p Position, record []byte) error {
		found[p] = string(record)
		return nil
	})
	return j, found, err
}

func TestALogIsBegunOnlyWithCreateAndWithItsFirstRecord(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	_, err := Open(Config{Dir: dir}, nil)
	if !errors.Is(err, ErrNoJournal) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "Create") {
		t.Errorf("missing folder: error %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time LOCK exists
		if _, err := Open(Config{Dir: dir}, nil); !errors.Is(err, ErrNoJournal) {
			t.Errorf("empty folder: error %v", err)
		}
	}
	if _, err := Inspect(dir, nil, func(RecordInfo) error { return nil }); !errors.Is(err, ErrNoJournal) {
		t.Errorf("inspecting an empty folder: error %v", err)
	}

	found := map[Position]string{}
	replay := func(p Position, record []byte) error {
		found[p] = string(record)
		return nil
	}
	j, err := Open(Config{Dir: dir, Create: true, First: []byte("one")}, replay)
	if err != nil {
		t.Fatal(err)
	}
	r := j.Recovery()
	if !r.Created || r.Records != 1 || found[1] != "one" || len(found) != 1 || j.Next() != 2 || j.Durable() != 1 {
		t.Errorf("recovery %+v, records %v, next %d, durable %d", r, found, j.Next(), j.Durable())
	}
	mustClose(t, j)

	for _, c := range []Config{{Dir: dir}, {Dir: dir, Create: true, First: []byte("another")}} {
		clear(found)
		if j, err = Open(c, replay); err != nil {
			t.Fatal(err)
		}
		if r := j.Recovery(); r.Created || r.Records != 1 || found[1] != "one" || len(found) != 1 {
			t.Errorf("opened again with %+v: recovery %+v, records %v", c, r, found)
		}
		mustClose(t, j)
	}
}

func TestAFirstRecordMayBeEmptyOrLongerThanASegmentButNotThanMaxRecord(t *testing.T) {
	for _, n := range []int{0, 1, 5000} {
		fs := newMemFS()
		j, err := Open(Config{Dir: "j", FS: fs, SegmentSize: 1 << 10, Create: true, First: make([]byte, n), MaxRecord: 5000}, nil)
		if err != nil {
			t.Fatal(err)
		}
		mustClose(t, j)
		j, found, err := openExisting(fs)
		if err != nil || len(found) != 1 || len(found[1]) != n {
			t.Errorf("%d bytes: %d records, error %v", n, len(found), err)
		} else {
			mustClose(t, j)
		}
	}
	_, err := Open(Config{Dir: "j", FS: newMemFS(), Create: true, First: make([]byte, 5001), MaxRecord: 5000}, nil)
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v", err)
	}
}

func TestAFirstRecordThatReplayRefusesIsNotWritten(t *testing.T) {
	fs, no := newMemFS(), errors.New("no")
	_, err := Open(creating(Config{Dir: "j", FS: fs}), func(Position, []byte) error { return no })
	if !errors.Is(err, no) || len(fs.Names) != 0 || len(fs.Locked) != 0 {
		t.Errorf("error %v, files %v", err, fs.Names)
	}
}

func TestACreatedLogIsDurableOnceOpenReturns(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	lost := fs.Crash(nil, 0)
	mustClose(t, j)
	j, found, err := openExisting(lost)
	if err != nil || len(found) != 1 || found[1] != firstRecord {
		t.Fatalf("records %v, error %v", found, err)
	}
	if m := j.Recovery().Mark; m.File != segmentName(1) || m.Offset != int64(segment.HeadSize+segment.FrameSize(len(firstRecord))) || m.Next != 2 {
		t.Errorf("watermark %+v", m)
	}
	mustClose(t, j)
}

func TestACrashAtEveryStepOfCreationLeavesNoLogOrOneWithItsFirstRecord(t *testing.T) {
	const modes = 12
	none, whole := 0, 0
	for at, over := 1, false; !over; at++ {
		for mode := range modes + 1 {
			fs := newMemFS()
			fs.CrashAt = at
			rng := rand.New(rand.NewPCG(uint64(at), uint64(mode)))
			// Crashes happen also while the creation begins again.
			for generation := range 4 {
				j, err := Open(creating(Config{Dir: "j", FS: fs, manual: true}), nil)
				if err == nil {
					over = over || generation == 0
					mustCloseOrCrash(t, j)
				} else if !errors.Is(err, crashfs.ErrCrashed) {
					t.Fatalf("crash at operation %d, outcome %d, generation %d: %v", at, mode, generation, err)
				}
				if mode == modes {
					fs = fs.Kill()
				} else {
					fs = fs.Crash(rng, mode)
				}
				// Without Create there is no log, or one that holds the first record.
				_, inspected := Inspect("j", fs, func(RecordInfo) error { return nil })
				j, found, err := openExisting(fs)
				switch {
				case errors.Is(err, ErrNoJournal):
					none++
					if tailNumber(fs) != 0 || !errors.Is(inspected, ErrNoJournal) {
						t.Fatalf("crash at operation %d, outcome %d: no log, yet a segment; Inspect says %v", at, mode, inspected)
					}
				case err != nil || len(found) != 1 || found[1] != firstRecord || inspected != nil:
					t.Fatalf("crash at operation %d, outcome %d: records %v, error %v, Inspect says %v", at, mode, found, err, inspected)
				default:
					whole++
					mustClose(t, j)
				}
				fs.CrashAt = fs.Ops + 1 + rng.IntN(20)
			}
		}
		if at > 100 {
			t.Fatal("creation has no end")
		}
	}
	if none < 100 || whole < 100 {
		t.Errorf("%d times no log, %d times a log", none, whole)
	}
}

func mustCloseOrCrash(t *testing.T, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil && !errors.Is(err, crashfs.ErrCrashed) {
		t.Fatal(err)
	}
}

func TestAFolderOfAnotherVersionIsRefusedByName(t *testing.T) {
	for _, version := range []byte{1, 3} {
		fs, _ := history(t, 2)
		data := segmentFile(fs, 1).Data()
		data[8] = version
		fixHead(data)
		if version == 1 { // it had no watermark
			delete(fs.Names, filepath.Join("j", markName))
		}
		_, _, err := tryOpen(fs)
		if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "version "+string('0'+version)) ||
			!strings.Contains(err.Error(), "version 2") || !strings.Contains(err.Error(), segmentName(1)) {
			t.Errorf("version %d: error %v", version, err)
		}
	}
	fs, _ := history(t, 2)
	data := fs.Names[filepath.Join("j", markName)].Data()
	data[8] = 3
	fixHead(data)
	if _, _, err := tryOpen(fs); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), markName) {
		t.Errorf("error %v", err)
	}
}

func TestALogIsBegunAtTheRootOfAFreshVolume(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	found := filepath.Join(c.Dir, "lost+found")
	if err := os.Mkdir(found, 0o700); err != nil {
		t.Fatal(err)
	}
	j, _ := mustOpen(t, c)
	mustAppend(t, j, "a")
	mustClose(t, j)
	j, records := mustOpen(t, c)
	mustClose(t, j)
	if _, err := os.Stat(found); err != nil || len(records) != 1 {
		t.Errorf("records %v, %v", records, err)
	}
}
