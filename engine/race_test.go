//go:build race

package engine_test

import "testing"

func skipUnderRaceDetector(t *testing.T) { t.Skip("the race detector allocates") }
