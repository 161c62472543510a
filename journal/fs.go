package journal

import "io"

// FS is the part of a file system that a journal needs. Names are paths. Errors for missing files
// match fs.ErrNotExist, and those for what the system cannot do match errors.ErrUnsupported.
//
// While a journal is open, one goroutine uses the FS and all files but one, and another that one
// file.
type FS interface {
	// Abs returns a path that leads to dir whatever the working directory becomes. The folder need
	// not be there.
	Abs(dir string) (string, error)
	// MkdirAll makes the folder and its parents, durably.
	MkdirAll(dir string) error
	// ReadDir returns the names of the files in the folder, in any order.
	ReadDir(dir string) ([]string, error)
	// Create makes an empty file, or empties the one that is there, open for reading and writing.
	Create(name string) (File, error)
	// Open opens a file that is there, for reading and writing.
	Open(name string) (File, error)
	// OpenRead opens a file that is there, for reading.
	OpenRead(name string) (File, error)
	// Rename gives a file a new name, atomically.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// SyncDir makes what was created, renamed and removed in the folder durable.
	SyncDir(dir string) error
	// Lock takes the lock that the file of this name stands for, making the file if needed, or
	// returns an error that matches ErrLocked. The lock is given back by Close, and by the end of
	// the process. If what Lock returns has a method InPlace() error, the journal calls it before
	// it uses names in the folder again, and fails with its error. OS uses that to notice that the
	// path leads to another lock file by now, be it in the same folder or in another one.
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
	// Size returns the length.
	Size() (int64, error)
}

// VectorWriter is a [File] that can write several pieces of memory at once.
type VectorWriter interface {
	// WriteVectorAt writes the parts behind each other, the first at the offset, and returns the number
	// of bytes written. If that is not all, the error says why.
	WriteVectorAt(parts [][]byte, offset int64) (int64, error)
}
