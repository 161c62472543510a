//go:build !(linux || darwin)

package archive

import (
	"errors"
	"math"
	"syscall"
)

// freeBytes returns no limit: the free room is not known on this system, so MinFree has no effect.
func freeBytes(string) (int64, error) { return math.MaxInt64, nil }

// isFull reports whether a write failed because the disk is full.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }
