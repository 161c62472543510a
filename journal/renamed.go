package journal

import "io/fs"

// renamed is a file that was renamed after it was opened. Errors of package os contain the name
// under which a file was opened, which for a segment is next.tmp: now another file may have that
// name, or none.
type renamed struct {
	File
	path string // its name now
}

func (f renamed) named(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return &fs.PathError{Op: e.Op, Path: f.path, Err: e.Err}
	case *unfitError:
		return &unfitError{e.what, f.named(e.err)}
	}
	return err
}

func (f renamed) ReadAt(b []byte, offset int64) (int, error) {
	n, err := f.File.ReadAt(b, offset)
	return n, f.named(err)
}

func (f renamed) WriteAt(b []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(b, offset)
	return n, f.named(err)
}

func (f renamed) Sync() error { return f.named(f.File.Sync()) }

func (f renamed) Truncate(size int64) error { return f.named(f.File.Truncate(size)) }

func (f renamed) Size() (int64, error) {
	size, err := f.File.Size()
	return size, f.named(err)
}

func (f renamed) Close() error { return f.named(f.File.Close()) }
