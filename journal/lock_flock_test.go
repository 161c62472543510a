//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package journal

import (
	"path/filepath"
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
