//go:build !linux

package host

import "time"

// ThreadCPU returns 0 on systems that do not give the CPU time of one thread; then the audit's time
// counts as the engines'.
func ThreadCPU() time.Duration { return 0 }
