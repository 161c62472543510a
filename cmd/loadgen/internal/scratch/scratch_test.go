//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package scratch

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func mustNew(t *testing.T, parent string) *Folder {
	t.Helper()
	f, err := New(parent)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAFolderIsRemovedByTheNextRunIfNobodyHoldsItsLock(t *testing.T) {
	parent := t.TempDir()
	held, left := mustNew(t, parent), mustNew(t, parent)
	if err := os.WriteFile(filepath.Join(left.Dir, "file"), []byte("of a run that was killed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := left.lock.Close(); err != nil { // as the kernel does
		t.Fatal(err)
	}
	next := mustNew(t, parent)
	want := []string{filepath.Base(held.Dir), filepath.Base(next.Dir)}
	slices.Sort(want)
	if got := names(t, parent); !slices.Equal(got, want) {
		t.Errorf("%q are left, want %q", got, want)
	}
	held.Remove()
	next.Remove()
	if got := names(t, parent); len(got) != 0 {
		t.Errorf("%q are left", got)
	}
}

func TestAFolderOfAnotherProgramStays(t *testing.T) {
	parent, elsewhere := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{prefix + "without-a-lock", "other"} {
		if err := os.Mkdir(filepath.Join(parent, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(parent, "other", lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(parent, prefix+"file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(parent, prefix+"link")); err != nil {
		t.Fatal(err)
	}
	before := names(t, parent)
	mustNew(t, parent).Remove()
	if got := names(t, parent); !slices.Equal(got, before) || len(names(t, elsewhere)) != 1 {
		t.Errorf("%q are left of %q", got, before)
	}
}

func TestProcessesThatBeginTogetherDoNotTakeEachOthersFolders(t *testing.T) {
	parent := t.TempDir()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				f, err := New(parent)
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(f.Dir, "file"), nil, 0o600); err != nil {
					t.Error(err)
				}
				f.Remove()
			}
		})
	}
	group.Wait()
}
