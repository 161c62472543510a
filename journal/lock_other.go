//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package journal

import (
	"errors"
	"fmt"
	"io"
	"runtime"
)

// lockable returns an error if this system has no locks for a journal.
func lockable() error {
	return fmt.Errorf("a journal needs flock to keep two processes from writing it at once, and %s has none: %w",
		runtime.GOOS, errors.ErrUnsupported)
}

func lockFile(string) (io.Closer, error) { return nil, lockable() }
