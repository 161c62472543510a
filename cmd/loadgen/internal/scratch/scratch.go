// Package scratch makes temporary folders that do not outlive their process for long: a later run
// removes those that a killed one left behind.
package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	prefix   = "lanecast-loadgen-"
	lockName = "loadgen.lock"
)

// Folder is a temporary folder. Its process holds a lock on a file in it.
type Folder struct {
	Dir  string
	lock *os.File // nil where the system has no such locks
}

// New makes a folder in a parent folder, by default the system's for temporary files, and removes
// folders there whose lock no process holds.
func New(parent string) (*Folder, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	removeStale(parent)
	const tries = 10
	for range tries {
		dir, err := os.MkdirTemp(parent, prefix)
		if err != nil {
			return nil, fmt.Errorf("making a temporary folder: %w", err)
		}
		lock, err := lockFile(filepath.Join(dir, lockName), true)
		switch {
		case err == nil:
			return &Folder{dir, lock}, nil
		case errors.Is(err, errHeld), errors.Is(err, fs.ErrNotExist): // another process took it for stale
			continue
		}
		_ = os.RemoveAll(dir) // the error of the lock says more
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	return nil, fmt.Errorf("making a temporary folder in %s: other processes removed it %d times", parent, tries)
}

// Remove removes the folder. There is nothing that can be done about an error, and the next run
// removes it.
func (f *Folder) Remove() {
	_ = os.RemoveAll(f.Dir)
	if f.lock != nil {
		_ = f.lock.Close()
	}
}

// errHeld is returned for a lock that a process holds or has just removed.
var errHeld = errors.New("the lock is held")

// removeStale removes the folders in a parent folder whose lock no process holds. A folder without
// the file of a lock may be one that is being made, or another program's.
func removeStale(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		lock, err := lockFile(filepath.Join(dir, lockName), false)
		if err != nil || lock == nil {
			continue
		}
		_ = os.RemoveAll(dir) // folders of other users stay
		_ = lock.Close()
	}
}
