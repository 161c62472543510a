package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/examples/internal/spawn"
)

// TestMain makes the test's program a process of the network if package spawn has started it as
// one.
func TestMain(m *testing.M) {
	os.Exit(spawn.Main(main, m.Run))
}

func TestFourProcessesApplyAllChunksInOneOrderAlthoughTheLeaderWasKilled(t *testing.T) {
	var out bytes.Buffer
	if err := demonstrate(t.Context(), &out); err != nil {
		t.Fatalf("%v, after\n%s", err, out.String())
	}
	if n := strings.Count(out.String(), "in the same order"); n != 4 {
		t.Errorf("printed\n%s", out.String())
	}
}
