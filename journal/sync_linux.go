package journal

import (
	"os"
	"syscall"
)

// syncData flushes content and the metadata needed to read it back, including the length, but not
// the times.
func syncData(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = conn.Control(func(fd uintptr) {
		syncErr = uninterrupted(func() error { return syscall.Fdatasync(int(fd)) })
	})
	if err == nil {
		err = syncErr
	}
	if err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}
