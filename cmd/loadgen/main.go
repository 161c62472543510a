package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	ctx, stop := signal.NotifyContext(ctx, endSignals()...)
	// The first signal asks for a clean end; by then a second one kills, as it would any program.
	// But a terminal that is closed may send several of its own.
	context.AfterFunc(ctx, func() {
		signal.Ignore(syscall.SIGHUP)
		stop()
	})
	// A closed pipe is then an error of writing, and ends the run as a signal does.
	signal.Ignore(syscall.SIGPIPE)
	status := cli.Run(ctx, newRootCommand(), os.Args[1:], cli.NewStream(os.Stdout, cancel), cli.NewStream(os.Stderr, cancel))
	stop()
	cancel()
	os.Exit(status)
}

// endSignals returns the signals that end a run. SIGHUP is not among them if it is ignored, as
// nohup has it.
func endSignals() []os.Signal {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}
