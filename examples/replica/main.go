// Command replica shows a key-value store on package replica without a total order. The hash of a
// key determines the lane that may write it. So all values of a key are in the order of one lane,
// and lanes need no order among each other: each process applies chunks as they are handed over,
// and all get the same state.
//
//	go run ./examples/replica          # four processes; one is killed and comes back
//	go run ./examples/replica serve    # four processes, until interrupted
//	go run ./examples/replica put ADDRESS KEY VALUE
//	go run ./examples/replica get ADDRESS KEY
//	go run ./examples/replica status ADDRESS...
//
// A read sees the pairs that its process has applied, so a pair may be readable at another process
// a moment later. While the process of a lane is down, the keys of that lane can be read but not
// put; all other keys can be put.
//
// This file is the application and one process. demonstrate.go starts four; the state on disk, the
// batches of puts and the interface for clients are in internal/kv.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/examples/internal/keys"
	"github.com/lanecast/lanecast/examples/internal/kv"
	"github.com/lanecast/lanecast/examples/internal/spawn"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

const processes = 4

var namespace = []byte("examples/replica")

// app is the application of one process.
type app struct {
	ids       []wire.PublicKey
	self      int
	addresses func(i int) string // address at which process i serves clients
	store     *kv.Store
	puts      *kv.Puts
}

// owner returns the process whose lane writes a key. If the sets change, this rule changes, and the
// new lane must not begin before the old one's last chunk: that requires an order of both.
func owner(key string) int {
	hash := sha256.Sum256([]byte(key))
	return int(binary.BigEndian.Uint64(hash[:]) % processes)
}

// put puts a pair through the process that may write its key.
func (a *app) put(ctx context.Context, p kv.Pair) error {
	if i := owner(p.Key); i != a.self {
		return kv.Put(ctx, a.addresses(i), p)
	}
	return a.puts.Put(ctx, p)
}

// Propose waits until there are pairs. The replica calls it one height ahead, so pairs gather while
// the previous chunk is certified.
func (a *app) Propose(ctx context.Context, at engine.Place) ([]byte, error) {
	for {
		if body := a.puts.Take(at.Height); body != nil {
			return body, nil
		}
		select {
		case <-a.puts.Some():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Verify approves bodies that write only keys of their lane. The answer depends only on the body
// and its place, so that every process always gives the same one.
func (a *app) Verify(_ context.Context, at engine.Place, body []byte) (bool, error) {
	pairs, ok := kv.ReadPairs(body)
	if !ok {
		return false, nil
	}
	for _, p := range pairs {
		if a.ids[owner(p.Key)] != at.Sequencer {
			return false, nil
		}
	}
	return true, nil
}

// Deliver applies a chunk. Lanes are delivered concurrently, in any order among each other.
func (a *app) Deliver(_ context.Context, c replica.Chunk) error {
	pairs, ok := kv.ReadPairs(c.Body)
	if !ok {
		return fmt.Errorf("a quorum approved a wrong body: height %d of lane %v", c.Height, c.Sequencer)
	}
	if err := a.store.Apply(&c, pairs); err != nil {
		return err
	}
	if c.Sequencer == a.ids[a.self] {
		a.puts.Applied(c.Height, c.Body)
	}
	return nil
}

// run runs one process until it must stop.
func run(p *spawn.Process) error {
	ctx, listeners, err := p.Join(2)
	if err != nil {
		return err
	}
	ids := keys.Identities(processes)
	a := &app{ids: ids, self: p.Index, addresses: func(i int) string { return p.Addresses()[i][1] }, puts: kv.NewPuts()}
	if a.store, err = kv.Open(filepath.Join(p.Dir, "state"), false); err != nil {
		return err
	}
	epochs, err := keys.Epochs(namespace, p.Index, processes)
	if err != nil {
		return err
	}
	r, err := replica.New(replica.Config{
		Namespace: namespace, Key: keys.Key(p.Index), Epochs: epochs,
		Application: a, Next: a.store.Next,
		Dir: p.Dir, Create: p.First, MaxPayload: kv.MaxPairs,
		// A process that restarts at another address dials the others; see also Replica.Recheck.
		Listener: listeners[0], Addresses: func() map[wire.PublicKey]string {
			addresses := make(map[wire.PublicKey]string)
			for i, each := range p.Addresses() {
				addresses[ids[i]] = each[0]
			}
			return addresses
		},
		Logger: p.Logger(),
	})
	if err != nil {
		return err
	}
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return r.Run(ctx) })
	all.Go(func() error { return kv.Serve(ctx, listeners[1], a.store, a.put) })
	all.Go(func() error { return a.store.SaveEvery(ctx, time.Second, r) })
	return all.Wait()
}

func main() { kv.Main(processes, run, demonstrate) }
