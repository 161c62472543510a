//go:build !unix

package bench

import "time"

// Clock names the clock of the measurements.
const Clock = "wall-clock time"

var began = time.Now()

func now() time.Duration { return time.Since(began) }
