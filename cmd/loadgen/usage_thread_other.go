//go:build !linux

package main

import "time"

// threadCPU is 0 where the CPU time of one thread cannot be asked for; then the audit's counts as the engines'.
func threadCPU() time.Duration { return 0 }
