package archive

import (
	"syscall"
	"testing"
)

func TestBlocksAreCountedInFragmentsWhereThereAreAny(t *testing.T) {
	if got := blockSize(&syscall.Statfs_t{Bsize: 1 << 20, Frsize: 4 << 10}); got != 4<<10 {
		t.Error(got)
	}
	if got := blockSize(&syscall.Statfs_t{Bsize: 4 << 10}); got != 4<<10 {
		t.Error(got)
	}
}
