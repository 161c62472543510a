//go:build unix

package main

import (
	"syscall"
	"time"
)

// cpuTime returns the CPU time that the process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("catchup: " + err.Error()) // there is no process without usage
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
