package journal

import "io"

// FS is the part of a file system that a journal needs. Names are paths. Errors for missing files
// match fs.ErrNotExist, and errors for unsupported operations match errors.ErrUnsupported.
//
// While a journal is open, one goroutine uses the FS and all files except WATERMARK, and another
// goroutine uses that file.
type FS interface {
	// Abs returns a path that leads to dir independent of the working directory. The folder need
	// not exist.
	Abs(dir string) (string, error)
	// MkdirAll makes the folder and its parents, durably.
	MkdirAll(dir string) error
	// ReadDir returns the names of the files in the folder, in any order.
	ReadDir(dir string) ([]string, error)
	// Create makes an empty file, or empties an existing one, and opens it for reading and writing.
	Create(name string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// OpenRead opens an existing file for reading.
	OpenRead(name string) (File, error)
	// Rename gives a file a new name, atomically.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// SyncDir makes creations, renamings and removals in the folder durable.
	SyncDir(dir string) error
	// Lock takes the lock of the file of this name, which it makes if necessary, or returns an
	// error that matches ErrLocked. Close and the end of the process release the lock. If the
	// result has a method InPlace() error, the journal calls it before it uses names in the folder
	// again, and fails with its error. OS uses that to detect that the path now leads to another
	// lock file, in the same folder or in another one.
	Lock(name string) (io.Closer, error)
}

// File is an open file of an [FS].
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes content and length durable.
	Sync() error
	// Truncate sets the length.
	Truncate(size int64) error
	// Size returns the length in bytes.
	Size() (int64, error)
}

// VectorWriter is a [File] that can write several pieces of memory at once.
type VectorWriter interface {
	// WriteVectorAt writes the parts one after another, the first at the offset, and returns the
	// number of bytes written. If that is less than all, the error is not nil.
	WriteVectorAt(parts [][]byte, offset int64) (int64, error)
}
