//go:build unix

package engine_test

import (
	"syscall"
	"time"
)

// cpuTime returns the CPU time that the process has used so far, including the kernel's on its
// behalf.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
