package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lanecast/lanecast/examples/internal/kv"
	"github.com/lanecast/lanecast/examples/internal/spawn"
)

// demonstration is a network and its clients.
type demonstration struct {
	*spawn.Processes
	ctx context.Context
	out io.Writer
}

// demonstrate starts four processes, puts through all at once, kills one and then the leader, and
// starts them again.
func demonstrate(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	dir, err := os.MkdirTemp("", "lanecast")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	all, err := spawn.Start(processes, dir)
	if err != nil {
		return err
	}
	defer all.Kill()
	d := &demonstration{Processes: all, ctx: ctx, out: out}

	fmt.Fprintln(out, "four processes: the same keys are put through all at once")
	if err := d.puts(0, 1, 2, 3); err != nil {
		return err
	}
	all.Kill(2)
	fmt.Fprintln(out, "process 2 is killed: puts through the others go on")
	if err := d.puts(0, 1, 3); err != nil {
		return err
	}
	fmt.Fprintln(out, "process 2 is back, and the leader is killed: the order stops")
	if err := all.Restart(2); err != nil {
		return err
	}
	if err := d.compare(0, 1, 2, 3); err != nil {
		return err
	}
	all.Kill(leader)
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := kv.Put(short, d.clients(1)[0], kv.Pair{Key: "waiting", Value: "for the leader"}); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("a put while the leader is down: %v", err)
	}
	fmt.Fprintln(out, "the leader is back: the order goes on")
	if err := all.Restart(leader); err != nil {
		return err
	}
	if err := d.puts(0, 1, 2, 3); err != nil {
		return err
	}
	for _, address := range d.clients(0, 1, 2, 3) {
		if value, err := kv.Get(ctx, address, "waiting"); err != nil || value != "for the leader" {
			return fmt.Errorf("what was put while the leader was down is %q at %s: %v", value, address, err)
		}
	}
	return all.Stop()
}

func (d *demonstration) clients(which ...int) (addresses []string) {
	for _, i := range which {
		addresses = append(addresses, d.Addresses()[i][1])
	}
	return addresses
}

// puts puts 25 pairs through each of the processes that are up, all at once, and compares their states.
func (d *demonstration) puts(up ...int) error {
	clients, ctx := errgroup.WithContext(d.ctx)
	for _, address := range d.clients(up...) {
		clients.Go(func() error {
			for i := range 25 {
				pair := kv.Pair{Key: fmt.Sprintf("key %d", i%5), Value: fmt.Sprintf("%d, through %s", i, address)}
				if err := kv.Put(ctx, address, pair); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := clients.Wait(); err != nil {
		return err
	}
	return d.compare(up...)
}

// compare waits until some processes have the same state, a hash over the order of all chunks in it.
func (d *demonstration) compare(which ...int) error {
	s, err := kv.Agreed(d.ctx, d.clients(which...))
	if err != nil {
		return err
	}
	chunks := uint64(0)
	for _, next := range s.Next {
		chunks += next
	}
	fmt.Fprintf(d.out, "  processes %v have applied %d chunks in the same order: state %.16s\n", which, chunks, s.Hash)
	return nil
}

// serve starts four processes and lets them work until ctx ends.
func serve(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "lanecast")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	all, err := spawn.Start(processes, dir)
	if err != nil {
		return err
	}
	defer all.Kill()
	for i, addresses := range all.Addresses() {
		fmt.Fprintf(out, "process %d serves clients at %s\n", i, addresses[1])
	}
	<-ctx.Done()
	return all.Stop()
}
