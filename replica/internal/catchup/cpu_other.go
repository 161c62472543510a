//go:build !unix

package main

import "time"

var began = time.Now()

// cpuTime returns the time that has passed, where no CPU time is to be had.
func cpuTime() time.Duration { return time.Since(began) }
