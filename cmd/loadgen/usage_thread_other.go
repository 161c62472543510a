//go:build !linux

package main

import "time"

// threadCPU returns 0 on systems that do not give the CPU time of one thread; then the audit's time
// counts as the engines'.
func threadCPU() time.Duration { return 0 }
