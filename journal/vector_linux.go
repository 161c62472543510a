package journal

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxVector is the maximum number of parts in one system call.
const maxVector = 1024

// WriteVectorAt implements [VectorWriter].
func (f osFile) WriteVectorAt(parts [][]byte, offset int64) (written int64, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	for parts = behind(parts, 0); len(parts) > 0; {
		var n int
		var writeErr error
		err := conn.Control(func(fd uintptr) {
			writeErr = uninterrupted(func() (err error) {
				n, err = unix.Pwritev(int(fd), parts[:min(len(parts), maxVector)], offset+written)
				return err
			})
		})
		if err == nil {
			err = writeErr
		}
		if err == nil && n == 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return written, &os.PathError{Op: "pwritev", Path: f.Name(), Err: err}
		}
		written += int64(n)
		parts = behind(parts, n)
	}
	return written, nil
}

// behind returns the parts without their first n bytes, and without empty parts in front. It does
// not change the given parts.
func behind(parts [][]byte, n int) [][]byte {
	for len(parts) > 0 && n >= len(parts[0]) {
		n -= len(parts[0])
		parts = parts[1:]
	}
	if n > 0 {
		parts = append([][]byte{parts[0][n:]}, parts[1:]...)
	}
	return parts
}
