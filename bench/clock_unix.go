//go:build unix

package bench

import (
	"syscall"
	"time"
)

// Clock names the clock of the measurements.
const Clock = "CPU time of the process"

// now returns the CPU time that the process has used so far, in user and system mode. With one
// running thread it is the elapsed time minus the time that other programs used of the core.
func now() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("bench: " + err.Error()) // cannot happen: every process has usage
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
