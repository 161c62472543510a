package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestAnInterruptedSystemCallIsMadeAgain(t *testing.T) {
	calls := 0
	err := uninterrupted(func() error {
		if calls++; calls < 3 {
			return syscall.EINTR
		}
		return syscall.EIO
	})
	if err != syscall.EIO || calls != 3 {
		t.Errorf("error %v after %d calls", err, calls)
	}
}

// noDirSync is the operating system's file system, except that folders cannot be synced.
type noDirSync struct {
	FS
	err error
}

func (f noDirSync) SyncDir(string) error { return f.err }

func TestAFileSystemThatCannotSyncFoldersIsRefusedBeforeALogIsBegun(t *testing.T) {
	dir := t.TempDir()
	refused := noDirSync{OS(), unfit("cannot sync a folder", syscall.EINVAL)}
	open := func(c Config) error {
		c.Dir, c.FS = dir, refused
		_, err := Open(c, nil)
		return err
	}
	demand := func(err error) {
		t.Helper()
		if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, syscall.EINVAL) ||
			!strings.Contains(err.Error(), "cannot sync a folder") || !strings.Contains(err.Error(), "local file system") {
			t.Errorf("error %v", err)
		}
	}
	demand(open(creating(Config{})))
	if files := contents(t, dir); len(files) != 1 || files[lockName] != "" {
		t.Errorf("files %v", files)
	}
	j, _ := mustOpen(t, Config{Dir: dir})
	mustAppend(t, j, "a")
	mustClose(t, j)
	// A copy of the log on such a file system is not changed either.
	before := contents(t, dir)
	before[segmentName(1)] += "torn"
	if err := os.WriteFile(filepath.Join(dir, segmentName(1)), []byte(before[segmentName(1)]), 0o640); err != nil {
		t.Fatal(err)
	}
	demand(open(Config{}))
	for name, content := range contents(t, dir) {
		if content != before[name] {
			t.Errorf("%s has changed", name)
		}
	}
	j, _ = mustOpen(t, Config{Dir: dir}) // the lock was released
	mustClose(t, j)
}

func TestAFolderIsMadeWithItsParentsOrTheReasonGiven(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	for range 2 {
		if err := OS().MkdirAll(deep); err != nil {
			t.Error(err)
		}
	}
	if st, err := os.Stat(deep); err != nil || !st.IsDir() {
		t.Errorf("%v, %v", st, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	for path, reason := range map[string]string{
		file:                                  "not a folder",
		filepath.Join(file, "below"):          "not a directory",
		filepath.Join(file, "below", "again"): "not a directory",
		filepath.Join(dir, strings.Repeat("x", 5000), "a"): "too long",
	} {
		_, err := Open(creating(Config{Dir: path}), nil)
		if err == nil || !strings.Contains(err.Error(), "making the folder") || !strings.Contains(err.Error(), reason) {
			t.Errorf("%.80s: error %v", path, err)
		}
	}
}

func TestTheNameOfEachNewFolderIsSynced(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	var synced []string
	record := func(parent string) error {
		entries, err := os.ReadDir(parent)
		if err != nil || len(entries) != 1 {
			t.Errorf("%s is synced with %v in it, %v", parent, entries, err)
		}
		synced = append(synced, parent)
		return nil
	}
	want := []string{dir, filepath.Join(dir, "a"), filepath.Join(dir, "a", "b")}
	for range 2 { // the second time all exist
		if err := makeFolders(deep, record); err != nil || !slices.Equal(synced, want) {
			t.Errorf("synced %v, want %v; %v", synced, want, err)
		}
	}
	refused := errors.New("no")
	if err := makeFolders(filepath.Join(dir, "d", "e"), func(string) error { return refused }); err != refused {
		t.Errorf("error %v, want that of the sync", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "d", "e")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder was made below one whose name is not durable: %v", err)
	}
}

func TestAMissingFolderOrFileIsAnErrorThatNamesIt(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	_, listing := OS().ReadDir(missing)
	_, opening := OS().Open(missing)
	_, reading := OS().OpenRead(missing)
	_, creatingBelow := OS().Create(filepath.Join(missing, "a"))
	_, locking := OS().Lock(filepath.Join(missing, "a"))
	for what, err := range map[string]error{
		"ReadDir": listing, "Open": opening, "OpenRead": reading, "Create": creatingBelow, "Lock": locking,
		"Remove": OS().Remove(missing), "Rename": OS().Rename(missing, missing+"2"), "SyncDir": OS().SyncDir(missing),
	} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s: error %v", what, err)
		}
	}
}
