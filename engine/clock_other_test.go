//go:build !unix

package engine_test

import "time"

var processBegan = time.Now()

func cpuTime() time.Duration { return time.Since(processBegan) }
