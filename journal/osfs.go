package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// OS returns the operating system's file system. Files are synced with fdatasync if the system has
// it. On systems without flock, such as Windows, MkdirAll and Lock return an error that matches
// errors.ErrUnsupported.
func OS() FS { return osFS{} }

type osFS struct{}

type osFile struct{ *os.File }

func (f osFile) Sync() error { return unfit("cannot sync a file", syncData(f.File)) }

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// uninterrupted repeats a system call as long as a signal interrupts it. Package os does that by
// itself; direct calls of package syscall need it.
func uninterrupted(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}

// unfit adds advice to the error of a file system that lacks an operation. It returns other errors
// unchanged.
func unfit(what string, err error) error {
	if !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return &unfitError{what, err}
}

// unfitError is the error of unfit. It is a type, because renamed changes the name in err.
type unfitError struct {
	what string
	err  error
}

func (e *unfitError) Error() string {
	return fmt.Sprintf("the file system %s: %v (%v). Put the journal on a local file system that supports it, "+
		"such as ext4, XFS or APFS", e.what, e.err, errors.ErrUnsupported)
}

func (e *unfitError) Unwrap() []error { return []error{e.err, errors.ErrUnsupported} }

func (osFS) Abs(dir string) (string, error) { return filepath.Abs(dir) }

func (o osFS) MkdirAll(dir string) error {
	if err := lockable(); err != nil {
		return err // before a folder is made in which no journal can be
	}
	return makeFolders(filepath.Clean(dir), o.SyncDir)
}

// makeFolders makes a folder and its parents, and syncs each parent in which it made one.
func makeFolders(dir string, syncDir func(string) error) error {
	st, err := os.Stat(dir)
	if err == nil {
		if !st.IsDir() {
			return fmt.Errorf("%s is not a folder", dir)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeFolders(parent, syncDir); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

func (osFS) ReadDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (osFS) Create(name string) (File, error) {
	return asFile(os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640))
}

func (osFS) Open(name string) (File, error) { return asFile(os.OpenFile(name, os.O_RDWR, 0)) }

func (osFS) OpenRead(name string) (File, error) { return asFile(os.Open(name)) }

func asFile(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err // not a File with a nil *os.File in it
	}
	return osFile{f}, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = unfit("cannot sync a folder, so after a power failure files that were durable could be missing", d.Sync())
	return errors.Join(err, d.Close())
}

func (osFS) Lock(name string) (io.Closer, error) { return lockFile(name) }
