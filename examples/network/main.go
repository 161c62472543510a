// Command network shows a network of four processes. Each is a validator and a sequencer. They use
// TLS between identities.
//
//	go run ./examples/network
//
// starts all four, sends them each other's addresses, and stops them when each has seen a few
// certified chunks on every lane. The code of one process is in this file; demonstrate.go starts
// them.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/examples/internal/keys"
	"github.com/lanecast/lanecast/examples/internal/spawn"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

const (
	processes  = 4
	heights    = 5 // certified chunks per lane after which a process is done
	maxMessage = 64 << 10
)

var namespace = []byte("examples/network")

// app is the application: the payload of a place is its hash. It reports when all lanes have grown.
type app struct{ certified map[wire.PublicKey]uint64 }

func payload(at engine.Place) wire.Digest {
	return sha256.Sum256(fmt.Appendf(nil, "%v %d %v", at.Sequencer, at.Height, at.Parent))
}

func (a *app) Propose(_ context.Context, at engine.Place) (wire.Digest, error) {
	return payload(at), nil
}

func (a *app) Verify(_ context.Context, at engine.Place, d wire.Digest) (bool, error) {
	return d == payload(at), nil
}

func (a *app) Report(_ context.Context, activity wire.Activity) error {
	if c, ok := activity.(*wire.Certified); ok && a.certified[c.Lock.Chunk.Sequencer] < heights {
		a.certified[c.Lock.Chunk.Sequencer]++
		grown := 0
		for _, n := range a.certified {
			grown += int(n)
		}
		if grown == processes*heights {
			fmt.Println("done")
		}
	}
	return nil
}

func (a *app) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {}

// run runs one process until it must stop.
func run(p *spawn.Process) error {
	ids := keys.Identities(processes)
	ctx, listeners, err := p.Join(1)
	if err != nil {
		return err
	}
	addresses := make(map[wire.PublicKey]string)
	for j, each := range p.Addresses() {
		addresses[ids[j]] = each[0]
	}

	var b *bridge.Bridge
	transport, err := network.New(network.Config{
		Key: keys.Key(p.Index), Types: bridge.Types(maxMessage),
		Settings: network.Settings{Namespace: namespace, Epochs: func() []network.Epoch { return b.Epochs() }},
		Listener: listeners[0], Addresses: func() map[wire.PublicKey]string { return addresses },
	})
	if err != nil {
		return err
	}
	b = bridge.New(transport, bridge.Config{Admit: func(id wire.PublicKey) network.Role {
		if slices.Contains(ids, id) {
			return network.Member
		}
		return network.Refused
	}})
	epochs, err := keys.Epochs(namespace, p.Index, processes)
	if err != nil {
		return err
	}
	a := &app{certified: make(map[wire.PublicKey]uint64)}
	e, err := engine.New(engine.Config{
		Namespace: namespace, Identity: ids[p.Index], Sequencer: verify.NewChunkSigner(namespace, keys.Key(p.Index)),
		Schemes: epochs, Sequencers: epochs, Monitor: epochs,
		Automaton: a, Relay: a, Reporter: a, Sender: b, MaxMessage: maxMessage,
		Journal: engine.JournalConfig{Dir: p.Dir, Create: p.First},
		// A node that was sent before the others were connected is sent again after this time.
		RebroadcastTimeout: 200 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	go func() {
		err := b.Run(ctx, e)
		cancel(err)
		ended <- err
	}()
	err = e.Run(ctx)
	cancel(bridge.Cause(err)) // a journal that is stale is said to peers
	return errors.Join(err, <-ended)
}

func main() {
	log.SetFlags(0)
	var err error
	if p := spawn.Self(); p != nil {
		err = run(p)
	} else {
		err = demonstrate(os.Stdout)
	}
	if err != nil {
		log.Fatal(err)
	}
}
