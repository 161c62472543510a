//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockable returns why this system has no locks for a journal.
func lockable() error { return nil }

// lockFile takes an exclusive flock. It belongs to the open file, so it excludes a second one of
// this process too, and the kernel gives it back when the process ends, however it ends. The file
// holds the number of the process, for the error of others.
func lockFile(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	err = flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		noteHolder(f)
		return heldLock{f}, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = lockedBy(f)
	default:
		err = unfit("cannot lock a file", err)
	}
	_ = f.Close() // nothing was written through it
	return nil, err
}

// noteHolder writes the number of this process into the file of its lock. Without it the lock is the
// same, so an error, such as of a full disk, is no reason to fail.
func noteHolder(f *os.File) {
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
}

// lockedBy returns ErrLocked, with the number of the process that holds the lock if it is known. What
// stands in the file may be of an earlier process, for a moment.
func lockedBy(f *os.File) error {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0) // the end of the file is an error as well
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil || pid <= 0 {
		return ErrLocked
	}
	return fmt.Errorf("%w, of process %d; end that first, or use another folder", ErrLocked, pid)
}

func flock(f *os.File, how int) error {
	err := uninterrupted(func() error { return syscall.Flock(int(f.Fd()), how) })
	if err != nil {
		return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
	return nil
}

// heldLock is a file with the lock on it.
type heldLock struct{ *os.File }

// Close gives the lock back by name before it closes the file: a child that this process has forked
// and that has not yet executed its program holds a copy of the descriptor, and the lock would live
// as long as that.
func (l heldLock) Close() error { return errors.Join(flock(l.File, syscall.LOCK_UN), l.File.Close()) }

// InPlace returns an error if the name of the lock leads to another file than the one that holds it.
// Then the folder is another one, or another journal can have the lock of this one. The file itself
// is compared and not the folder, because a folder that is removed and made again may get the same
// inode number, which a file that is held open keeps to itself.
func (l heldLock) InPlace() error {
	held, err := l.Stat()
	if err != nil {
		return err
	}
	now, err := os.Stat(l.Name())
	switch {
	case err != nil:
	case os.SameFile(now, held):
		return nil
	default:
		err = errors.New("another file is there")
	}
	dir, name := filepath.Split(l.Name())
	return fmt.Errorf("%s was moved, replaced or mounted over while the journal was open, or the file %s in it was (%w). "+
		"See that no other journal uses the folder, put it back as it was, then start again", filepath.Clean(dir), name, err)
}
