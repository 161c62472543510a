// Command ordered shows a total order over package replica, which orders each lane and not all
// lanes: here, a key-value store in which every process may write every key.
//
//	go run ./examples/ordered          # four processes; some are killed and come back
//	go run ./examples/ordered serve    # four processes, until interrupted
//	go run ./examples/ordered put ADDRESS KEY VALUE
//	go run ./examples/ordered get ADDRESS KEY
//	go run ./examples/ordered status ADDRESS...
//
// # The order
//
// One process leads. Bodies of its lane begin with a cut: the locks of the other lanes that have
// grown. When a chunk of the leader is handed over, the chunks of the other lanes up to its cut are
// applied, lane by lane, and then its own pairs. The leader's lane is handed over in height order
// and its bodies are the same at all processes, so the order is the same, too. A validator approves
// a cut once it has all chunks that the cut names, so the order never waits for a body that no
// process has. A lane that does not grow delays no other.
//
// # Its limits
//
// If the leader stops, the order stops: the other lanes continue for maxAhead chunks and then wait.
// A hostile leader can omit a lane or be late, but nothing else, since its chunks are certified
// like all others. All processes must agree which process leads. The operator can change the leader
// while all processes are stopped at the same height of the leader's lane; or the leader can, by a
// command in its own lane, from the next height on. To replace a silent leader, the others must
// agree on the last valid height of its lane. That is consensus: if it is needed, use a consensus
// protocol that decides on cuts, which are small, instead of the leader's lane. See
// docs/ordering.md.
//
// This file is one process; order.go is the application, and demonstrate.go starts four processes.
// The state on disk, the batches of puts and the interface for clients are in internal/kv.
package main

import (
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lanecast/lanecast/examples/internal/keys"
	"github.com/lanecast/lanecast/examples/internal/kv"
	"github.com/lanecast/lanecast/examples/internal/spawn"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

const (
	processes = 4
	leader    = 0 // number of the process that leads: a setting of the network
)

var namespace = []byte("examples/ordered")

// run runs one process until it must stop.
func run(p *spawn.Process) error {
	ctx, listeners, err := p.Join(2)
	if err != nil {
		return err
	}
	epochs, err := keys.Epochs(namespace, p.Index, processes)
	if err != nil {
		return err
	}
	store, err := kv.Open(filepath.Join(p.Dir, "state"), true)
	if err != nil {
		return err
	}
	ids := keys.Identities(processes)
	o := newOrder(ids[p.Index], ids[leader], epochs, store)
	r, err := replica.New(replica.Config{
		Namespace: namespace, Key: keys.Key(p.Index), Epochs: epochs,
		Application: o, Next: store.Next,
		Dir: p.Dir, Create: p.First,
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
	o.lanes = r
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return r.Run(ctx) })
	all.Go(func() error { return kv.Serve(ctx, listeners[1], store, o.puts.Put) })
	all.Go(func() error { return store.SaveEvery(ctx, time.Second, r) })
	return all.Wait()
}

func main() { kv.Main(processes, run, demonstrate) }
