//go:build !unix

package main

import "time"

var began = time.Now()

// cpuTime returns the elapsed time, on systems without a CPU time.
func cpuTime() time.Duration { return time.Since(began) }
