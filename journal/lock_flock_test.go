//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package journal

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestALockEndsWithCloseEvenIfAForkedChildStillHoldsTheDescriptor(t *testing.T) {
	name := filepath.Join(t.TempDir(), "LOCK")
	lock, err := lockFile(name)
	if err != nil {
		t.Fatal(err)
	}
	child, err := syscall.Dup(int(lock.(heldLock).Fd())) // as fork does
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(child)
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockFile(name)
	if err != nil {
		t.Fatalf("locking again: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTheErrorOfALockedFolderNamesTheProcess(t *testing.T) {
	name := filepath.Join(t.TempDir(), lockName)
	for content, says := range map[string]string{
		"":                              "locked by another journal",
		"4711":                          "of process 4711; end that process",
		strconv.Itoa(os.Getpid()):       "of this process",
		"-1":                            "locked by another journal",
		"someone else's file, and long": "locked by another journal",
	} {
		lock, err := lockFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		_, err = lockFile(name)
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), says) || says[:2] != "of" && strings.Contains(err.Error(), "process") {
			t.Errorf("with %q in the file: %v", content, err)
		}
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
		left, err := os.ReadFile(name)
		if want := content; err != nil || len(content) <= pidDigits && len(left) > 0 || len(content) > pidDigits && string(left) != want {
			t.Errorf("with %q in the file, %q is left of it, %v", content, left, err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALockThatAKilledProcessLeftNamesTheNextOne(t *testing.T) {
	name := filepath.Join(t.TempDir(), lockName)
	if err := os.WriteFile(name, []byte("4711471147114711"), 0o640); err != nil {
		t.Fatal(err)
	}
	lock, err := lockFile(name)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if b, err := os.ReadFile(name); err != nil || string(b) != strconv.Itoa(os.Getpid()) {
		t.Errorf("it holds %q, %v", b, err)
	}
}

func TestAnErrorOfFlockNamesTheFile(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), lockName))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	err = flock(f, syscall.LOCK_UN)
	if !errors.Is(err, syscall.EBADF) || !strings.Contains(err.Error(), "flock "+f.Name()) {
		t.Errorf("error %v", err)
	}
}

func TestALockIsOutOfPlaceOnceItsNameLeadsToAnotherFile(t *testing.T) {
	for _, c := range []struct {
		what string
		with func(dir, name string) error
		says string
	}{
		{"the folder is removed and made again", func(dir, name string) error {
			return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o750))
		}, "no such file"},
		{"the folder is removed and another journal made", func(dir, name string) error {
			return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o750), os.WriteFile(name, nil, 0o640))
		}, "another file has its name"},
		{"the file is removed", func(dir, name string) error { return os.Remove(name) }, "no such file"},
		{"the file is removed and made again", func(dir, name string) error {
			return errors.Join(os.Remove(name), os.WriteFile(name, nil, 0o640))
		}, "another file has its name"},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "j")
			name := filepath.Join(dir, lockName)
			if err := os.Mkdir(dir, 0o750); err != nil {
				t.Fatal(err)
			}
			lock, err := lockFile(name)
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Close()
			if err := lock.(heldLock).InPlace(); err != nil {
				t.Errorf("before: %v", err)
			}
			if err := c.with(dir, name); err != nil {
				t.Fatal(err)
			}
			err = lock.(heldLock).InPlace()
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), dir+" was moved") {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
		})
	}
}
