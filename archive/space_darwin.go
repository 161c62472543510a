package archive

import "syscall"

// blockSize returns the unit of the numbers of blocks.
func blockSize(s *syscall.Statfs_t) uint64 { return uint64(s.Bsize) }
