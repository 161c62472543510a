// Command mixed runs Lanecast's engines and upstream's in one network, each validator in a process
// of its own and also a sequencer, and prints whether they agreed. See interop/README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/lanecast/lanecast/interop/internal/keys"
	"github.com/lanecast/lanecast/interop/internal/upstream"
)

const usage = `usage: go run ./interop/cmd/mixed MIX [flags]

MIX has a letter for each validator: U runs upstream's engine, L Lanecast's. Exit status 0: every lane
grew to the end at every process, every certificate verified with both libraries, no two payloads were
certified at one place, and nothing was refused as wrong. 1: not so. 2: the command line is wrong, or
something could not be run.

  go run ./interop/cmd/mixed UULL --scheme threshold-minpk
  go run ./interop/cmd/mixed UUUL --kill 3@5s-9s --kill 0@14s-18s --late 1@8s
  go run ./interop/cmd/mixed ULLL --loss 0.5 --rebroadcast 150ms
  go run ./interop/cmd/mixed UUUU --move 0@5s --move 1@12s
  go run ./interop/cmd/mixed table                        all schemes, mixes and scenarios of docs/compatibility.md
  go run ./interop/cmd/mixed table --scheme ed25519

`

// options are the settings of one run.
type options struct {
	scheme           string
	kill, late, move []string
	duration, pace   time.Duration
	rebroadcast      time.Duration
	loss             float64
	seed             uint64
	port             int
	dir              string // folder for all files of a run
	upstream         string // path of upstream's program
}

func (o *options) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("mixed", pflag.ContinueOnError)
	f.StringVar(&o.scheme, "scheme", keys.Schemes[0], "signature scheme: "+strings.Join(keys.Schemes, ", "))
	f.StringArrayVar(&o.kill, "kill", nil, "kill a validator's process and start it again: I@FROM-TO, such as 2@5s-8s; may be repeated")
	f.StringArrayVar(&o.late, "late", nil, "start a validator late: I@TIME; may be repeated")
	f.StringArrayVar(&o.move, "move", nil, "move a validator from upstream to Lanecast, with its keys: I@TIME; may be repeated")
	f.DurationVar(&o.duration, "duration", 20*time.Second, "time to run, in whole seconds")
	f.DurationVar(&o.pace, "pace", 50*time.Millisecond, "wait before each proposal; 0: none")
	f.DurationVar(&o.rebroadcast, "rebroadcast", time.Second, "time after which an uncertified chunk is sent again")
	f.Float64Var(&o.loss, "loss", 0, "probability that a message is lost, from 0 to less than 1")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the keys")
	f.IntVar(&o.port, "port", 21000, "port of the first validator; the others follow")
	f.StringVar(&o.dir, "dir", "", "folder to write to and keep (default: a temporary one)")
	f.StringVar(&o.upstream, "upstream", "", "upstream's program (default: built by cargo from interop/upstream)")
	return f
}

func (o *options) check() error {
	switch {
	case !slices.Contains(keys.Schemes, o.scheme):
		return fmt.Errorf("--scheme must be one of %s, got %q", strings.Join(keys.Schemes, ", "), o.scheme)
	case o.duration < time.Second || o.duration%time.Second != 0:
		return fmt.Errorf("--duration must be whole seconds, at least 1s, got %v", o.duration)
	case o.pace < 0 || o.rebroadcast <= 0:
		return fmt.Errorf("--pace must be at least 0 and --rebroadcast above it, got %v and %v", o.pace, o.rebroadcast)
	case o.loss < 0 || o.loss >= 1:
		return fmt.Errorf("--loss must be from 0 to less than 1, got %v", o.loss)
	case o.port < 1 || o.port > 65000:
		return fmt.Errorf("--port must be 1 to 65000, got %d", o.port)
	}
	return nil
}

// errUnsound means that the processes did not agree.
var errUnsound = errors.New("the network is not sound")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	err := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil || errors.Is(err, pflag.ErrHelp):
		return
	case errors.Is(err, errUnsound):
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "mixed:", err)
	os.Exit(2)
}

func execute(ctx context.Context, args []string, out, progress io.Writer) error {
	if len(args) > 0 && args[0] == nodeCommand {
		return runNode(ctx, args[1:], out)
	}
	var o options
	f := o.flags()
	f.SetOutput(progress)
	f.Usage = func() { fmt.Fprint(progress, usage, f.FlagUsages()) }
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		f.Usage()
		return fmt.Errorf("one mix is needed, %d are given", f.NArg())
	}
	if err := o.check(); err != nil {
		return err
	}
	program, err := upstream.Find(ctx, o.upstream, progress)
	if err != nil {
		return err
	}
	o.upstream = program
	if f.Arg(0) == "table" {
		schemes := keys.Schemes
		if f.Changed("scheme") {
			schemes = []string{o.scheme}
		}
		return table(ctx, schemes, o, out)
	}
	r, err := run(ctx, f.Arg(0), o)
	if err != nil {
		return err
	}
	r.print(out)
	if len(r.Problems) > 0 {
		return errUnsound
	}
	return nil
}
