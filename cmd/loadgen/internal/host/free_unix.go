//go:build linux || darwin

package host

import (
	"math"
	"math/bits"
	"syscall"
)

// FreeSpace returns the bytes that this process may still write to the file system of a folder, or
// very many if that is not known.
func FreeSpace(dir string) int64 {
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return math.MaxInt64
	}
	high, low := bits.Mul64(s.Bavail, uint64(s.Bsize))
	if high > 0 || low > math.MaxInt64 { // some file systems have no end
		return math.MaxInt64
	}
	return int64(low)
}
