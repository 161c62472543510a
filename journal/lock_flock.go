//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// lockable returns why this system has no locks for a journal.
func lockable() error { return nil }

// lockFile takes an exclusive flock. It belongs to the open file, so it excludes a second one of
// this process too, and the kernel gives it back when the process ends, however it ends.
func lockFile(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	dir, err := os.Stat(filepath.Dir(name))
	if err == nil {
		err = flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
	}
	switch {
	case err == nil:
		return heldLock{f, dir}, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = ErrLocked
	default:
		err = unfit("cannot lock a file", err)
	}
	_ = f.Close() // nothing was written through it
	return nil, err
}

func flock(f *os.File, how int) error {
	err := uninterrupted(func() error { return syscall.Flock(int(f.Fd()), how) })
	if err != nil {
		return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
	return nil
}

// heldLock is a file with the lock on it.
type heldLock struct {
	*os.File
	dir os.FileInfo // the folder that it lies in
}

// Close gives the lock back by name before it closes the file: a child that this process has forked
// and that has not yet executed its program holds a copy of the descriptor, and the lock would live
// as long as that.
func (l heldLock) Close() error { return errors.Join(flock(l.File, syscall.LOCK_UN), l.File.Close()) }

// InPlace returns an error if the path of the folder leads to another one than when the lock was
// taken.
func (l heldLock) InPlace() error {
	path := filepath.Dir(l.Name())
	now, err := os.Stat(path)
	switch {
	case err != nil:
	case os.SameFile(now, l.dir):
		return nil
	default:
		err = errors.New("another folder is there")
	}
	return fmt.Errorf("%s was moved, replaced or mounted over while the journal was open (%w). "+
		"Put the folder back as it was, then start again", path, err)
}
