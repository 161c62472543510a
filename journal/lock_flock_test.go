//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package journal

import (
	"errors"
	"os"
	"path/filepath"
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
	child, err := syscall.Dup(int(lock.(heldLock).Fd())) // what fork does
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
