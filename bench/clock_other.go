//go:build !unix

package bench

import "time"

// Clock names what durations are measured in.
const Clock = "wall-clock time"

var began = time.Now()

func now() time.Duration { return time.Since(began) }
