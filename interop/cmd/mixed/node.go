package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/lanecast/lanecast/interop/internal/keys"
	"github.com/lanecast/lanecast/interop/internal/node"
	"github.com/lanecast/lanecast/interop/internal/record"
	"github.com/lanecast/lanecast/wire"
)

// nodeCommand is the hidden command that makes this program a process of a network.
const nodeCommand = "node"

func runNode(ctx context.Context, args []string, out io.Writer) error {
	c := node.Config{Log: os.Stderr}
	var set string
	var duration time.Duration
	var adopt []string
	f := pflag.NewFlagSet(nodeCommand, pflag.ContinueOnError)
	f.StringVar(&set, "keys", "", "file of the set's keys")
	f.IntVar(&c.Index, "index", 0, "number of the validator")
	port := f.Int("port", 0, "of the first validator")
	f.StringVar(&c.Dir, "dir", "", "folder of the journal")
	f.StringVar(&c.Locks, "locks", "", "file for locks")
	f.StringArrayVar(&adopt, "adopt", nil, "file of locks of another validator, when this one's journal is lost")
	f.DurationVar(&duration, "duration", 0, "time to run")
	f.DurationVar(&c.Pace, "pace", 0, "wait before each proposal")
	f.DurationVar(&c.Rebroadcast, "rebroadcast", 0, "the engine's RebroadcastTimeout")
	f.Float64Var(&c.Loss, "loss", 0, "probability that a message is lost")
	if err := f.Parse(args); err != nil {
		return err
	}
	var err error
	if c.Set, err = keys.Load(set); err != nil {
		return err
	}
	if len(adopt) > 0 {
		c.Recover = true
		if c.Adopt, err = highest(adopt); err != nil {
			return err
		}
	}
	for i := range c.Set.Identities {
		c.Addresses = append(c.Addresses, net.JoinHostPort("127.0.0.1", strconv.Itoa(*port+i)))
	}
	if c.Index < 0 || c.Index >= len(c.Addresses) {
		return fmt.Errorf("--index must be 0 to %d, got %d", len(c.Addresses)-1, c.Index)
	}
	if c.Listener, err = net.Listen("tcp", c.Addresses[c.Index]); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	return node.Run(ctx, c, out)
}

// highest returns the highest lock of each lane in files of locks.
func highest(files []string) ([]wire.Lock, error) {
	top := map[wire.PublicKey]wire.Lock{}
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		err = record.ReadLocks(file, func(l record.Lock) {
			if known, there := top[l.Chunk.Sequencer]; !there || l.Chunk.Height > known.Chunk.Height {
				top[l.Chunk.Sequencer] = l.Lock
			}
		})
		_ = file.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	var locks []wire.Lock
	for _, l := range top {
		locks = append(locks, l)
	}
	return locks, nil
}
