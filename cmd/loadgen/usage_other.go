//go:build !unix

package main

import "time"

// No getrusage here: CPU time and memory are reported as 0.
func processCPU() time.Duration { return 0 }
func peakMemory() int64         { return 0 }
