package journal

import "github.com/lanecast/lanecast/internal/crashfs"

type (
	memFS = crashfs.FS[File]
	inode = crashfs.Inode
)

func newMemFS() *memFS { return crashfs.New(func(f crashfs.File) File { return f }, ErrLocked) }
