package host

import (
	"fmt"
	"syscall"
)

// fileSystem names the file system of a folder, by statfs(2).
func fileSystem(dir string) string {
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return ""
	}
	magic := uint32(s.Type)
	if name, ok := map[uint32]string{
		0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x01021994: "tmpfs", 0x794c7630: "overlay", 0x6969: "nfs",
		0x2fc12fc1: "zfs", 0xf2f52010: "f2fs", 0x65735546: "fuse", 0x858458f6: "ramfs", 0x01021997: "9p", 0xff534d42: "cifs",
	}[magic]; ok {
		return name
	}
	return fmt.Sprintf("type %#x", magic)
}
