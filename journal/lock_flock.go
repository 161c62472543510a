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

// lockable returns an error if this system has no locks for a journal.
func lockable() error { return nil }

// lockFile takes an exclusive flock. It belongs to the open file, so it excludes a second one of
// this process too, and the kernel releases it when the process ends, for any reason.
func lockFile(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	err = flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		_ = signLock(f, strconv.Itoa(os.Getpid())) // the lock works without it, also on a full disk
		return heldLock{f}, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = lockedBy(f)
	default:
		err = unfit("cannot lock a file", err)
	}
	_ = f.Close() // nothing was written through it
	return nil, err
}

// signLock makes text the content of a held lock: the number of the process that holds it, for the
// error of other processes. Only that error depends on it. A file that holds more than a number is
// another file under this name, and is not changed.
func signLock(f *os.File, text string) error {
	info, err := f.Stat()
	if err != nil || info.Size() > pidDigits {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(text), 0)
	return err
}

const pidDigits = 20 // digits of the largest number of 64 bits

// lockedBy returns the error for a lock that another process holds. It names the process if the
// file does.
func lockedBy(f *os.File) error {
	var b [pidDigits]byte
	n, _ := f.ReadAt(b[:], 0)
	pid, err := strconv.ParseUint(strings.TrimSpace(string(b[:n])), 10, 63)
	switch {
	case err != nil:
		return ErrLocked
	case pid == uint64(os.Getpid()):
		return fmt.Errorf("%w, of this process", ErrLocked)
	}
	return fmt.Errorf("%w, of process %d; end that process before this one starts, and do not remove %s", ErrLocked, pid, filepath.Base(f.Name()))
}

func flock(f *os.File, how int) error {
	err := uninterrupted(func() error { return syscall.Flock(int(f.Fd()), how) })
	if err != nil {
		return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
	return nil
}

// heldLock is a file on which this process holds the lock.
type heldLock struct{ *os.File }

// Close releases the lock explicitly before it closes the file: a child that this process has
// forked and that has not executed its program yet holds a copy of the descriptor, and the lock
// would last as long as that.
func (l heldLock) Close() error {
	_ = signLock(l.File, "") // if it fails or the process is killed, the next one replaces it
	return errors.Join(flock(l.File, syscall.LOCK_UN), l.File.Close())
}

// InPlace returns an error if the name of the lock leads to another file than the locked one. Then
// the folder is another one, or another journal can take the lock of this folder. InPlace compares
// the file and not the folder, because a folder that is removed and made again may get the same
// inode number, but no new file gets the inode number of an open file.
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
		err = errors.New("another file has its name")
	}
	dir, name := filepath.Split(l.Name())
	return fmt.Errorf("%s was moved, replaced or mounted over while the journal was open, or the file %s in it was (%w). "+
		"Make sure that no other journal uses the folder, restore it, then start again", filepath.Clean(dir), name, err)
}
