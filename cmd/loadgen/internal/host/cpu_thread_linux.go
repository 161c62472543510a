package host

import (
	"syscall"
	"time"
)

// ThreadCPU returns the CPU time of the calling thread.
func ThreadCPU() time.Duration {
	const thisThread = 1 // RUSAGE_THREAD, getrusage(2)
	var u syscall.Rusage
	if syscall.Getrusage(thisThread, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
