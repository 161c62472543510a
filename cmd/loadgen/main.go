package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// The first signal asks for a clean end; by then a second one kills, as it would any program.
	context.AfterFunc(ctx, stop)
	status := cli.Run(ctx, newRootCommand(), os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}
