//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package journal

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// lockFile takes an exclusive flock. It belongs to the open file, so it excludes a second one of
// this process too, and the kernel gives it back when the process ends, however it ends.
func lockFile(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	switch {
	case err == nil:
		return heldLock{f}, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = ErrLocked
	default:
		err = &os.PathError{Op: "flock", Path: name, Err: err}
	}
	_ = f.Close() // nothing was written through it
	return nil, err
}

// heldLock is a file with the lock on it.
type heldLock struct{ *os.File }

// Close gives the lock back by name before it closes the file: a child that this process has forked
// and that has not yet executed its program holds a copy of the descriptor, and the lock would live
// as long as that.
func (l heldLock) Close() error {
	return errors.Join(syscall.Flock(int(l.Fd()), syscall.LOCK_UN), l.File.Close())
}
