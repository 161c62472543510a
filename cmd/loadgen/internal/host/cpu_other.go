//go:build !unix

package host

import "time"

// ProcessCPU returns 0: this system has no getrusage. CPU time and memory are reported as 0.
func ProcessCPU() time.Duration { return 0 }
func PeakMemory() int64         { return 0 }
