package journal

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lanecast/lanecast/internal/segment"
)

// faultyJournal returns a journal with three durable records of 100 bytes. The next op on a file of
// that name and all later ones fail.
func faultyJournal(t *testing.T, op, name string, short int, fault error) (*Journal, *memFS) {
	t.Helper()
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	for range 3 {
		mustAppend(t, j, strings.Repeat("x", 100))
	}
	cycleAll(t, j)
	fs.ShortWrite = short
	fs.Fault = func(o, n string) error {
		if o == op && strings.Contains(n, name) {
			return fault
		}
		return nil
	}
	return j, fs
}

func TestAfterAFailureNothingBecomesDurable(t *testing.T) {
	for _, c := range []struct {
		what, op, name string
		short          int
		err            error
	}{
		{"no space", "write", "", 0, syscall.ENOSPC},
		{"no space after a part", "write", "", 40, syscall.ENOSPC},
		{"a write error", "write", "", 0, syscall.EIO},
		{"a sync error", "sync", "", 0, syscall.EIO},
		{"a sync error, and truncating fails", "sync|truncate", "", 0, syscall.EIO},
		{"no space for a segment", "create", tempName, 0, syscall.ENOSPC},
		{"a rename error", "rename", segmentName(2), 0, syscall.EIO},
		{"a folder sync error", "syncdir", "", 0, syscall.EIO},
	} {
		t.Run(c.what, func(t *testing.T) {
			op, _, both := strings.Cut(c.op, "|")
			j, fs := faultyJournal(t, op, c.name, c.short, c.err)
			if both {
				fs.Fault = func(string, string) error { return c.err }
			}
			notices := 0
			j.cfg.Notify = func() { notices++ }
			size := 10
			if c.op == "create" || c.op == "rename" || c.op == "syncdir" {
				size = 800 // begins the next segment
			}
			mustAppend(t, j, strings.Repeat("y", size))
			j.cycle()
			if !errors.Is(j.Err(), c.err) || notices != 1 {
				t.Fatalf("Err %v, %d notices", j.Err(), notices)
			}
			if j.Durable() != 4 {
				t.Fatalf("durable %d", j.Durable())
			}
			// The disk works again, but the journal must not.
			fs.Fault = nil
			if _, err := j.Append(nil); !errors.Is(err, c.err) {
				t.Errorf("Append: %v", err)
			}
			j.Release(1)
			pending := j.Pending()
			if err := j.Close(); !errors.Is(err, c.err) {
				t.Errorf("Close: %v", err)
			}
			if j.Durable() != 4 || j.Pending() != pending || pending == 0 {
				t.Errorf("durable %d, pending %d", j.Durable(), j.Pending())
			}
			for mode := range 2 {
				next, found, err := tryOpen(fs.Crash(nil, mode))
				if err != nil {
					t.Fatalf("opening after the failure: %v", err)
				}
				if len(found) < 3 || len(found) > 4 {
					t.Errorf("%d records", len(found))
				}
				if !both && len(found) != 3 {
					t.Errorf("a record that was never durable is there")
				}
				mustClose(t, next)
			}
		})
	}
}

func TestAShortWriteWithoutErrorIsAnError(t *testing.T) {
	if err := writeAt(shortFile{}, make([]byte, 10), 0); err == nil {
		t.Error("no error")
	}
}

type shortFile struct{ File }

func (shortFile) WriteAt(b []byte, _ int64) (int, error) { return len(b) - 1, nil }

func TestAFailureReachesTheOwnerFromTheJournalsGoroutine(t *testing.T) {
	fs := newMemFS()
	notices := make(chan struct{}, 10)
	j, _ := mustOpen(t, Config{Dir: "j", FS: fs, Notify: func() { notices <- struct{}{} }})
	fs.Mu.Lock()
	fs.Fault = func(op, _ string) error {
		if op == "sync" {
			return syscall.EIO
		}
		return nil
	}
	fs.Mu.Unlock()
	mustAppend(t, j, "a")
	<-notices
	if !errors.Is(j.Err(), syscall.EIO) || j.Durable() != 1 {
		t.Errorf("Err %v, durable %d", j.Err(), j.Durable())
	}
	if err := j.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Close: %v", err)
	}
}

func TestAFailureWhileOpeningIsReturnedAndTheLockGivenBack(t *testing.T) {
	good, _ := history(t, 20)
	opens := []func() *memFS{
		newMemFS,
		func() *memFS { return good.Crash(nil, 1) },
		func() *memFS { // with all kinds of repairs
			fs := good.Crash(nil, 1)
			n := segmentFile(fs, tailNumber(fs))
			n.Versions = [][]byte{n.Data()[:segment.HeadSize+10]}
			fs.Names[filepath.Join("j", tempName)] = &inode{Versions: [][]byte{nil}}
			return fs
		},
		func() *memFS { // with a missing seal
			fs := good.Crash(nil, 1)
			n, before := segmentFile(fs, tailNumber(fs)), segmentFile(fs, tailNumber(fs)-1)
			n.Versions = [][]byte{n.Data()[:segment.HeadSize]}
			before.Versions = [][]byte{before.Data()[:len(before.Data())-5]}
			return fs
		},
	}
	failed := map[string]bool{}
	for i, open := range opens {
		for _, op := range []string{"lock", "readdir", "openread", "open", "read", "create", "write", "sync", "syncdir", "rename", "remove", "truncate"} {
			fs := open()
			fs.Fault = func(o, _ string) error {
				if o == op {
					return syscall.EIO
				}
				return nil
			}
			j, _, err := tryOpen(fs)
			if fs.Calls[op] == 0 {
				fs.Fault = nil
				mustClose(t, j)
				continue
			}
			failed[op] = true
			if !errors.Is(err, syscall.EIO) || errors.Is(err, ErrCorrupt) {
				t.Errorf("case %d, %s: error %v", i, op, err)
			}
			if len(fs.Locked) != 0 {
				t.Errorf("case %d, %s: still locked", i, op)
			}
			fs.Fault = nil
			if j, _, err = tryOpen(fs); err != nil {
				t.Errorf("case %d, %s: second try: %v", i, op, err)
			} else {
				mustClose(t, j)
			}
		}
	}
	if len(failed) != 12 {
		t.Errorf("only %v were tried", failed)
	}
}

func TestTheFolderIsLockedAcrossProcesses(t *testing.T) {
	if dir := os.Getenv("LANECAST_TEST_LOCKED_DIR"); dir != "" {
		if _, err := Open(Config{Dir: dir}, nil); !errors.Is(err, ErrLocked) {
			t.Fatalf("error %v", err)
		}
		return
	}
	dir := t.TempDir()
	j, _ := mustOpen(t, Config{Dir: dir})
	cmd := exec.Command(os.Args[0], "-test.run=^TestTheFolderIsLockedAcrossProcesses$")
	cmd.Env = append(os.Environ(), "LANECAST_TEST_LOCKED_DIR="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the other process: %v\n%s", err, out)
	}
	mustClose(t, j)
}
