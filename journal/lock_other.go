//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package journal

import (
	"errors"
	"fmt"
	"io"
)

func lockFile(name string) (io.Closer, error) {
	return nil, fmt.Errorf("locking %s: %w", name, errors.ErrUnsupported)
}
