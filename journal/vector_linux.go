package journal

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxVector is the number of parts that the system takes at once.
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

// behind returns what of the parts is behind their first n bytes, without the empty ones in front. The
// parts given stay as they are.
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
