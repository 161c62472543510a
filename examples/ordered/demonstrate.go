package main

import (
	"context"
	"fmt"
	"io"
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

// demonstrate starts four processes, puts pairs through all at once, kills one and then the leader,
// and starts them again.
func demonstrate(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return spawn.Run(processes, func(all *spawn.Processes) error {
		return (&demonstration{Processes: all, ctx: ctx, out: out}).run()
	})
}

func (d *demonstration) run() error {
	fmt.Fprintln(d.out, "four processes: the same keys are put through all at once")
	if err := d.puts(0, 1, 2, 3); err != nil {
		return err
	}
	d.Kill(2)
	fmt.Fprintln(d.out, "process 2 is killed: puts through the others go on")
	if err := d.puts(0, 1, 3); err != nil {
		return err
	}
	fmt.Fprintln(d.out, "process 2 is back, and the leader is killed: the order stops")
	if err := d.Restart(2); err != nil {
		return err
	}
	if err := d.compare(0, 1, 2, 3); err != nil {
		return err
	}
	d.Kill(leader)
	waiting := make(chan error, 1)
	go func() {
		waiting <- kv.Put(d.ctx, kv.Clients(d.Processes, 1)[0], kv.Pair{Key: "waiting", Value: "for the leader"})
	}()
	select {
	case err := <-waiting:
		return fmt.Errorf("a put returned while the leader was down: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	fmt.Fprintln(d.out, "the leader is back: the order goes on")
	if err := d.Restart(leader); err != nil {
		return err
	}
	if err := <-waiting; err != nil {
		return err
	}
	return d.puts(0, 1, 2, 3)
}

// puts puts 15 pairs through each running process, all at once, and compares their states.
func (d *demonstration) puts(up ...int) error {
	clients, ctx := errgroup.WithContext(d.ctx)
	for _, address := range kv.Clients(d.Processes, up...) {
		clients.Go(func() error {
			for i := range 15 {
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

// compare waits until the processes have the same state, which includes a hash over the order of
// all chunks.
func (d *demonstration) compare(which ...int) error {
	s, err := kv.Agreed(d.ctx, kv.Clients(d.Processes, which...))
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
