package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// WriteDurably writes a file atomically: a crash leaves the old content or the new one, and the new
// one is durable on return.
func WriteDurably(name string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(name+NewSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(name+NewSuffix, name)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	// Some systems cannot sync a folder, and need not.
	if d, err := os.Open(filepath.Dir(name)); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
	return nil
}

// NewSuffix ends the name of the file that WriteDurably writes first, and that a process leaves
// which is killed meanwhile.
const NewSuffix = ".new"
