package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/lanecast/lanecast/examples/internal/kv"
	"github.com/lanecast/lanecast/examples/internal/spawn"
)

// demonstration is a network and its client.
type demonstration struct {
	*spawn.Processes
	ctx  context.Context
	out  io.Writer
	last int     // number of the last pair
	read kv.Pair // the last pair that was put
}

// demonstrate starts four processes, puts and reads through each, kills one and starts it again.
func demonstrate(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return spawn.Run(processes, func(all *spawn.Processes) error {
		return (&demonstration{Processes: all, ctx: ctx, out: out}).run()
	})
}

func (d *demonstration) run() error {
	fmt.Fprintln(d.out, "four processes: pairs are put through each of them")
	if err := d.puts(0, 1, 2, 3); err != nil {
		return err
	}
	d.Kill(2)
	fmt.Fprintln(d.out, "process 2 is killed: pairs are put through the others")
	if err := d.puts(0, 1, 3); err != nil {
		return err
	}
	fmt.Fprintln(d.out, "process 2 is back")
	if err := d.Restart(2); err != nil {
		return err
	}
	if err := d.compare(0, 1, 2, 3); err != nil {
		return err
	}
	return d.puts(0, 1, 2, 3)
}

// puts puts 20 pairs through each running process, one after the other, and compares their states.
// Pairs whose lane is down must be refused.
func (d *demonstration) puts(up ...int) error {
	refused := 0
	for i := range 20 * len(up) {
		d.last++
		pair := kv.Pair{Key: fmt.Sprintf("key %d", d.last%50), Value: fmt.Sprint(d.last)}
		mayFail := !slices.Contains(up, owner(pair.Key))
		err := kv.Put(d.ctx, kv.Clients(d.Processes, up...)[i%len(up)], pair)
		for errors.Is(err, kv.ErrNotPut) && !mayFail { // the new address of the other is not known
			time.Sleep(20 * time.Millisecond)
			err = kv.Put(d.ctx, kv.Clients(d.Processes, up...)[i%len(up)], pair)
		}
		switch {
		case errors.Is(err, kv.ErrNotPut):
			refused++
		case err != nil:
			return err
		case mayFail:
			return fmt.Errorf("%q was put although its lane is down", pair.Key)
		default:
			d.read = pair
		}
	}
	fmt.Fprintf(d.out, "  %d pairs were put; %d were refused, whose lane is down\n", 20*len(up)-refused, refused)
	return d.compare(up...)
}

// compare waits until the processes have the same state, and reads a pair at each.
func (d *demonstration) compare(which ...int) error {
	s, err := kv.Agreed(d.ctx, kv.Clients(d.Processes, which...))
	if err != nil {
		return err
	}
	for _, address := range kv.Clients(d.Processes, which...) {
		value, err := kv.Get(d.ctx, address, d.read.Key)
		if err != nil {
			return err
		} else if value != d.read.Value {
			return fmt.Errorf("%q is %q at %s, want %q", d.read.Key, value, address, d.read.Value)
		}
	}
	fmt.Fprintf(d.out, "  processes %v have the same state, %.16s\n", which, s.Hash)
	return nil
}
