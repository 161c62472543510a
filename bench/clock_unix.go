//go:build unix

package bench

import (
	"syscall"
	"time"
)

// Clock names what durations are measured in.
const Clock = "CPU time of the process"

// now is the CPU time that the process has used so far, its own and the kernel's on its behalf.
// With one thread at work it is the time that passed, but for what other programs took of the core
// meanwhile.
func now() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("bench: " + err.Error()) // there is no process without usage
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
