// Command race runs upstream's engine and Lanecast's in turns on equal work and compares them. See
// interop/README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/lanecast/lanecast/interop/internal/keys"
	"github.com/lanecast/lanecast/interop/internal/upstream"
)

const usage = `usage: go run ./interop/cmd/race [flags]

Two races, each run in turns, so that what else the machine does falls on both:

  node     one engine of --validators, each of whom is a sequencer; the nodes and acks of all others
           are signed beforehand and handed to it as fast as it takes them
  cluster  the engines of four validators, all sequencers, in one process, as fast as they go

Lanecast is measured with cmd/loadgen, upstream with the program of interop/upstream.

`

// options are the settings.
type options struct {
	races      []string
	scheme     string
	validators int
	rounds     int
	duration   time.Duration
	dir        string // for journals
	upstream   string
}

func (o *options) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("race", pflag.ContinueOnError)
	f.StringSliceVar(&o.races, "race", []string{"node", "cluster"}, "races to run")
	f.StringVar(&o.scheme, "scheme", keys.Schemes[0], "signature scheme: "+strings.Join(keys.Schemes, ", "))
	f.IntVar(&o.validators, "validators", 100, "number of validators in the race of nodes")
	f.IntVar(&o.rounds, "rounds", 3, "number of rounds")
	f.DurationVar(&o.duration, "duration", 8*time.Second, "measured time of each run, in whole seconds")
	f.StringVar(&o.dir, "dir", "", "folder for journals, on the disk to measure (default: a temporary one)")
	f.StringVar(&o.upstream, "upstream", "", "upstream's program (default: built by cargo from interop/upstream)")
	return f
}

func (o *options) check() error {
	for _, r := range o.races {
		if r != "node" && r != "cluster" {
			return fmt.Errorf("--race must be node or cluster, got %q", r)
		}
	}
	switch {
	case !slices.Contains(keys.Schemes, o.scheme):
		return fmt.Errorf("--scheme must be one of %s, got %q", strings.Join(keys.Schemes, ", "), o.scheme)
	case o.validators < 4 || o.validators > 1000:
		return fmt.Errorf("--validators must be 4 to 1000, got %d", o.validators)
	case o.rounds < 1:
		return fmt.Errorf("--rounds must be at least 1, got %d", o.rounds)
	case o.duration < time.Second || o.duration%time.Second != 0:
		return fmt.Errorf("--duration must be whole seconds, at least 1s, got %v", o.duration)
	}
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := execute(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "race:", err)
		os.Exit(2)
	}
}

func execute(ctx context.Context, args []string, out, progress io.Writer) error {
	var o options
	f := o.flags()
	f.SetOutput(progress)
	f.Usage = func() { fmt.Fprint(progress, usage, f.FlagUsages()) }
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		f.Usage()
		return fmt.Errorf("unknown argument %q", f.Arg(0))
	}
	if err := o.check(); err != nil {
		return err
	}
	work, err := os.MkdirTemp(o.dir, "race")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	o.dir = work
	if o.upstream, err = upstream.Find(ctx, o.upstream, progress); err != nil {
		return err
	}
	loadgen := filepath.Join(work, "loadgen")
	build := exec.CommandContext(ctx, "go", "build", "-o", loadgen, "github.com/lanecast/lanecast/cmd/loadgen")
	build.Stderr = progress
	if err := build.Run(); err != nil {
		return fmt.Errorf("building loadgen: %w", err)
	}
	for _, name := range o.races {
		if err := o.race(ctx, name, loadgen, out); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// race runs both in turns and prints each round and the medians.
func (o *options) race(ctx context.Context, name, loadgen string, out io.Writer) error {
	validators := o.validators
	if name == "cluster" {
		validators = 4
	}
	fmt.Fprintf(out, "%s: %d validators, %s\n", name, validators, o.scheme)
	var theirs, ours []result
	for seed := range o.rounds {
		program := upstream.Program{Path: o.upstream, Scheme: o.scheme, Seed: uint64(seed + 1), Validators: validators}
		their, err := measureUpstream(ctx, program, name, o)
		if err != nil {
			return err
		}
		our, err := measureLanecast(ctx, loadgen, name, validators, seed+1, o)
		if err != nil {
			return err
		}
		theirs, ours = append(theirs, their), append(ours, our)
		fmt.Fprintf(out, "  round %d  upstream %v\n           Lanecast %v\n", seed+1, their, our)
	}
	fmt.Fprint(out, compare(theirs, ours))
	return nil
}
