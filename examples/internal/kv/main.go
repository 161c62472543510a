package kv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"time"

	"github.com/lanecast/lanecast/examples/internal/spawn"
)

// Main is the main function of a program. run is one process; the network has the given number of
// processes:
//
//	PROGRAM                          starts them for a demonstration
//	PROGRAM serve                    starts them, and stops them when it is interrupted
//	PROGRAM put ADDRESS KEY VALUE    and the other two commands are a client's
//	PROGRAM get ADDRESS KEY
//	PROGRAM status ADDRESS...
func Main(processes int, run func(*spawn.Process) error, demonstrate func(context.Context, io.Writer) error) {
	log.SetFlags(0)
	if p := spawn.Self(); p != nil {
		if err := run(p); err != nil {
			log.Fatalf("process %d: %v", p.Index, err)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 0:
		err = demonstrate(ctx, os.Stdout)
	case slices.Equal(args, []string{"serve"}):
		err = spawn.Run(processes, func(all *spawn.Processes) error {
			for i := range processes {
				fmt.Printf("process %d serves clients at %s\n", i, Clients(all, i)[0])
			}
			<-ctx.Done()
			return nil
		})
	default:
		err = command(ctx, os.Stdout, args)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// command runs a client's command line.
func command(ctx context.Context, out io.Writer, args []string) error {
	switch {
	case len(args) == 4 && args[0] == "put":
		return Put(ctx, args[1], Pair{Key: args[2], Value: args[3]})
	case len(args) == 3 && args[0] == "get":
		value, err := Get(ctx, args[1], args[2])
		if err == nil {
			fmt.Fprintln(out, value)
		}
		return err
	case len(args) > 1 && args[0] == "status":
		for _, address := range args[1:] {
			s, err := StatusOf(ctx, address)
			if err != nil {
				return err
			}
			fmt.Fprintln(out, address, s.Hash)
		}
		return nil
	}
	return errors.New("usage: no argument, serve, put ADDRESS KEY VALUE, get ADDRESS KEY, or status and addresses")
}

// Clients returns the addresses at which processes serve clients: the second address of each.
func Clients(all *spawn.Processes, which ...int) []string { return all.Addresses(1, which...) }

// Agreed waits until all processes at the addresses have the same status, and returns it.
func Agreed(ctx context.Context, addresses []string) (Status, error) {
	for {
		var all []Status
		for _, address := range addresses {
			s, err := StatusOf(ctx, address)
			if err != nil {
				return s, err
			}
			all = append(all, s)
		}
		agreed := true
		for _, s := range all[1:] {
			agreed = agreed && reflect.DeepEqual(s, all[0])
		}
		if agreed {
			return all[0], nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return Status{}, fmt.Errorf("kv: no agreement: %v", all)
		}
	}
}
