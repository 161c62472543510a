// Command node is one validator of a network whose processes run on separate machines: a program
// around packages engine, network and network/bridge with a key file, a list of members, metrics,
// and commands for the recovery of a lost journal. docs/operations.md explains its commands.
//
//	node key FILE                    draws an identity, keeps it in a new file and prints its public key
//	node run -key FILE -members FILE -journal FOLDER -listen ADDRESS [-http ADDRESS] …
//	node locks ADDRESS…              prints the highest locks that the processes behind those -http
//	                                 addresses know, for -adopt
//
// Its application has no real payloads: the payload of a place is a hash of the place. A program
// with payloads replaces app.
// To measure a network on its machines, «loadgen init» and «loadgen member» take less:
// docs/operations.md.
package main

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

func command(args []string) error {
	if len(args) == 0 {
		return errors.New("want a command: key FILE, run, or locks ADDRESS…")
	}
	switch args[0] {
	case "key":
		if len(args) != 2 {
			return errors.New("want key FILE")
		}
		return newKey(os.Stdout, args[1])
	case "locks":
		return printLocks(os.Stdout, args[1:])
	case "run":
		var o options
		if err := o.parse(args[1:]); err != nil {
			return err
		}
		o.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		reload := make(chan os.Signal, 1)
		signal.Notify(reload, syscall.SIGHUP)
		return run(ctx, &o, reload)
	}
	return fmt.Errorf("%q is no command: want key FILE, run, or locks ADDRESS…", args[0])
}

// newKey generates an identity. It never overwrites a file, which may be the only copy of a key.
func newKey(out io.Writer, name string) error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(file, "%x\n", private.Seed()); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%x\n", public)
	return err
}

func readKey(name string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s is not a key file: want the %d hexadecimal digits that «node key» wrote", name, 2*ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// parse reads the flags of run.
func (o *options) parse(args []string) error {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.StringVar(&o.namespace, "namespace", "", "the network's name, the same in every process; required")
	flags.StringVar(&o.key, "key", "", "the key file; required")
	flags.StringVar(&o.members, "members", "", "the list of members; required, read again on SIGHUP")
	flags.StringVar(&o.journal, "journal", "", "the journal's folder; required")
	flags.StringVar(&o.listen, "listen", "", "address at which other members connect; required")
	flags.StringVar(&o.http, "http", "", "address for /metrics and /locks; none if empty")
	flags.BoolVar(&o.first, "first-start", false, "this key starts for the first time ever")
	flags.BoolVar(&o.lost, "journal-lost", false, "this key had a journal, which is lost; needs -adopt")
	flags.StringVar(&o.adopt, "adopt", "", "file of locks that «node locks» printed")
	flags.BoolVar(&o.certificates, "send-certificates", false, "send certificates: needed before a network changes to -acks sequencer")
	flags.StringVar(&o.acks, "acks", "all", "receivers of acks: all or sequencer")
	flags.DurationVar(&o.pace, "pace", 100*time.Millisecond, "minimum time between two of our chunks")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("run takes no argument, got %q", flags.Arg(0))
	}
	for name, value := range map[string]string{
		"namespace": o.namespace, "key": o.key, "members": o.members, "journal": o.journal, "listen": o.listen,
	} {
		if value == "" {
			return fmt.Errorf("-%s is required", name)
		}
	}
	if o.acks != "all" && o.acks != "sequencer" {
		return fmt.Errorf("-acks is all or sequencer, got %q", o.acks)
	}
	if o.lost && o.adopt == "" {
		return errors.New("-journal-lost needs -adopt: a file of locks of the other processes, see «node locks»")
	}
	return nil
}
