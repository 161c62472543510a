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

func TestFourProcessesCertifyEachOthersChunks(t *testing.T) {
	var out bytes.Buffer
	if err := demonstrate(&out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "5 certified chunks on each of 4 lanes"); n != processes {
		t.Errorf("printed\n%s", out.String())
	}
}
