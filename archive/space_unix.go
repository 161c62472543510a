//go:build linux || darwin

package archive

import (
	"errors"
	"math"
	"math/bits"
	"syscall"
)

// freeBytes returns the bytes of the disk that this process may still write.
func freeBytes(dir string) (int64, error) {
	var s syscall.Statfs_t
	for {
		switch err := syscall.Statfs(dir, &s); err {
		case nil:
			high, low := bits.Mul64(s.Bavail, blockSize(&s))
			if high > 0 || low > math.MaxInt64 {
				return math.MaxInt64, nil // some file systems have no end
			}
			return int64(low), nil
		case syscall.EINTR:
		default:
			return 0, err
		}
	}
}

// isFull reports whether a write failed because the disk is full.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
