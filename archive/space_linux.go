package archive

import "syscall"

// blockSize returns the unit of the numbers of blocks: the fragment size where there is one, which
// network file systems and those in user space have smaller than the block size.
func blockSize(s *syscall.Statfs_t) uint64 {
	if s.Frsize > 0 {
		return uint64(s.Frsize)
	}
	return uint64(s.Bsize)
}
