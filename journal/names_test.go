package journal

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnErrorOfASegmentContainsTheCurrentNameOfItsFile(t *testing.T) {
	for _, c := range []struct {
		what  string
		begun int // number of segments begun
	}{{"the first segment", 1}, {"a new file", 2}, {"a file used before", 12}} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			j, _ := mustOpen(t, Config{Dir: dir, SegmentSize: 1 << 10, manual: true})
			for j.writer.ledger.tail().number < uint64(c.begun) {
				j.Release(mustAppend(t, j, strings.Repeat("x", 400)))
				cycleAll(t, j)
			}
			tail := j.writer.ledger.tail()
			if want := c.begun > 2; tail.used != want {
				t.Fatalf("used before: %v", tail.used)
			}
			path := filepath.Join(dir, segmentName(tail.number))
			f := j.writer.file
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			mustAppend(t, j, "a")
			j.cycle()
			errs := map[string]error{"Err": j.Err(), "Close": j.Close(), "Sync": f.Sync(), "Truncate": f.Truncate(0)}
			_, errs["ReadAt"] = f.ReadAt(make([]byte, 1), 0)
			_, errs["WriteAt"] = f.WriteAt(make([]byte, 1), 0)
			_, errs["Size"] = f.Size()
			for name, err := range errs {
				if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), tempName) {
					t.Errorf("%s: error %v", name, err)
				}
			}
		})
	}
}

// unfitFile is a file on a file system that cannot sync.
type unfitFile struct{ File }

func (unfitFile) Sync() error {
	return unfit("cannot sync a file", &fs.PathError{Op: "fdatasync", Path: filepath.Join("j", tempName), Err: errors.ErrUnsupported})
}

func TestTheErrorOfAFileSystemThatCannotSyncContainsTheCurrentNameOfTheFile(t *testing.T) {
	path := filepath.Join("j", segmentName(1))
	err := renamed{unfitFile{}, path}.Sync()
	var p *fs.PathError
	if !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &p) || p.Path != path {
		t.Fatalf("error %v", err)
	}
	if text := err.Error(); strings.Contains(text, tempName) || !strings.Contains(text, "fdatasync "+path) ||
		!strings.HasPrefix(text, "the file system cannot sync a file: ") || !strings.Contains(text, "Put the journal on") {
		t.Errorf("the error says %q", text)
	}
}

func TestTheErrorForARemovedNewestSegmentNamesIt(t *testing.T) {
	floors, watermarks := 0, 0
	for records := 5; records < 60; records++ {
		fs := newMemFS()
		j, _ := manualJournal(t, fs, Config{}) // no watermark is written between Open and Close
		for range records {
			p := mustAppend(t, j, strings.Repeat("x", 200))
			if cycleAll(t, j); p > 3 {
				j.Release(p - 3)
			}
		}
		tail := j.writer.ledger.tail()
		crashed := fs.Crash(nil, 1)
		mustClose(t, j)
		if tail.number == 1 {
			continue
		}
		for _, fs := range []*memFS{crashed, fs} {
			delete(fs.Names, filepath.Join("j", segmentName(tail.number)))
			_, _, err := tryOpen(fs)
			var c *CorruptError
			if !errors.As(err, &c) || c.File != segmentName(tail.number) {
				t.Fatalf("%d records, segment %d is gone: error %v", records, tail.number, err)
			}
			if errors.Is(err, ErrTruncated) {
				watermarks++
			} else if h, _, _ := newSurvey(fs, "j", 4<<10, 1<<10).head(tail.number - 1); h.floor < tail.floor {
				floors++ // the newest head that is left requires a segment that was removed later
			}
		}
	}
	if floors < 10 || watermarks < 10 {
		t.Errorf("%d times a former floor, %d times a watermark", floors, watermarks)
	}
}

func TestASegmentMissingInTheMiddleIsNamed(t *testing.T) {
	fs, _ := history(t, 60)
	last := tailNumber(fs)
	if last < 4 {
		t.Fatalf("%d segments", last)
	}
	delete(fs.Names, filepath.Join("j", segmentName(2)))
	_, _, err := tryOpen(fs)
	var c *CorruptError
	if !errors.As(err, &c) || c.File != segmentName(2) {
		t.Errorf("error %v", err)
	}
}
