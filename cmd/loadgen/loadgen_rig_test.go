package main

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
)

// asProgram is an environment variable that makes the test binary run the program instead of its
// tests.
const asProgram = "LANECAST_LOADGEN_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	// A process that a test, or its child, starts runs the program and never these tests again.
	if err := os.Setenv(asProgram, "1"); err != nil {
		panic(err)
	}
	clitest.Main(m)
}

// program returns a command that runs the program in a process of its own, which can be signalled
// and killed.
func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = os.Environ()
	return cmd
}

// loadgen runs the program in this process.
func loadgen(ctx context.Context, args ...string) clitest.Outcome {
	return clitest.Run(ctx, newRootCommand(), args...)
}
