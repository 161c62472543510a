// Command network shows four processes that are one network: each is a validator and a sequencer of
// its own, over TLS between identities.
//
//	go run ./examples/network
//
// starts all four, tells them each other's addresses, and stops them when every one of them has seen
// a few certified chunks on every lane. The code of one process is on this page; spawn.go starts them.
package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"log"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

const (
	processes  = 4
	heights    = 5 // certified chunks per lane until a process says that it is done
	maxMessage = 64 << 10
)

var namespace = []byte("examples/network")

// key returns the identity of process i. A real one is drawn at random and kept.
func key(i int) ed25519.PrivateKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "not secret: process %d", i))
	return ed25519.NewKeyFromSeed(seed[:])
}

func identity(i int) wire.PublicKey { return wire.PublicKey(key(i).Public().(ed25519.PublicKey)) }

// app is the application: the payload of a place is its hash. It says when each lane has grown.
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

// run is process i. It reads the addresses of all from its input, and stops when that ends.
func run(i int, dir string) error {
	var ids []wire.PublicKey
	for j := range processes {
		ids = append(ids, identity(j))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	input := bufio.NewReader(os.Stdin)
	line, err := input.ReadString('\n')
	if err != nil {
		return err
	}
	addresses := make(map[wire.PublicKey]string)
	for j, address := range strings.Fields(line) {
		addresses[ids[j]] = address
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = input.ReadByte() // its end
		cancel()
	}()

	var b *bridge.Bridge
	transport, err := network.New(network.Config{
		Key: key(i), Types: bridge.Types(maxMessage),
		Settings: network.Settings{Namespace: namespace, Epochs: func() []network.Epoch { return b.Epochs() }},
		Listener: listener, Addresses: func() map[wire.PublicKey]string { return addresses },
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
	scheme, err := verify.NewEd25519(namespace, ids)
	if err != nil {
		return err
	}
	signer, err := scheme.Signer(key(i))
	if err != nil {
		return err
	}
	epochs, err := engine.NewStaticEpochs(scheme, signer, ids)
	if err != nil {
		return err
	}
	a := &app{certified: make(map[wire.PublicKey]uint64)}
	e, err := engine.New(engine.Config{
		Namespace: namespace, Identity: ids[i], Sequencer: verify.NewChunkSigner(namespace, key(i)),
		Schemes: epochs, Sequencers: epochs, Monitor: epochs,
		Automaton: a, Relay: a, Reporter: a, Sender: b, MaxMessage: maxMessage,
		Journal: engine.JournalConfig{Dir: dir, Create: true},
		// A node that was sent before the others were connected is sent again after this.
		RebroadcastTimeout: 200 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, e) }()
	if err := e.Run(ctx); err != nil {
		return err
	}
	return <-ended
}

func main() {
	log.SetFlags(0)
	var err error
	if len(os.Args) == 4 && os.Args[1] == "process" {
		var i int
		if i, err = strconv.Atoi(os.Args[2]); err == nil {
			err = run(i, os.Args[3])
		}
	} else {
		err = spawn(os.Stdout)
	}
	if err != nil {
		log.Fatal(err)
	}
}
