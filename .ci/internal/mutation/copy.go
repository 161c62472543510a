// Package mutation tests packages of a copy of the repository in which one file is changed.
// Commands .ci/mutants (faults written by hand) and .ci/mutator (generated faults) use it.
package mutation

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Copy is a copy of a repository in a temporary folder. Tests write to it: a failed property leaves
// its counterexample.
type Copy struct {
	root    string // the folder of the repository
	scratch string // a folder for test binaries and changed files
}

// NewCopy copies the repository at from, without its history.
func NewCopy(from string) (*Copy, error) {
	temporary, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return nil, err
	}
	c := &Copy{filepath.Join(temporary, "repository"), filepath.Join(temporary, "scratch")}
	err = os.Mkdir(c.scratch, 0o755)
	if err == nil {
		err = c.fill(from)
	}
	if err != nil {
		_ = os.RemoveAll(temporary) // the first error is returned
		return nil, err
	}
	return c, nil
}

func (c *Copy) fill(from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case name == ".git" && d.IsDir():
			return filepath.SkipDir
		case name == ".git": // a file in a linked work tree
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(c.root, name), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(c.root, name), b, 0o644)
	})
}

// Path returns the path of a file of the copy. Its name is relative to the root of the repository.
func (c *Copy) Path(name string) string { return filepath.Join(c.root, filepath.FromSlash(name)) }

// Remove deletes the copy.
func (c *Copy) Remove() error { return os.RemoveAll(filepath.Dir(c.root)) }
