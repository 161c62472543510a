package cluster

import (
	"context"
	"testing"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m) }

// loadgen runs a program that has only cluster mode.
func loadgen(ctx context.Context, args ...string) clitest.Outcome {
	return clitest.Run(ctx, NewCommand(), args...)
}
