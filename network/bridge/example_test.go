package bridge_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/simnet"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// exampleApp proposes one chunk in each lane and approves every payload. It reports each lane whose
// first chunk was certified.
type exampleApp struct{ certified chan wire.PublicKey }

func (exampleApp) Propose(_ context.Context, at engine.Place) (wire.Digest, error) {
	if at.Height > 0 {
		return wire.Digest{}, engine.ErrDeclined
	}
	return sha256.Sum256(at.Sequencer[:]), nil
}

func (exampleApp) Verify(context.Context, engine.Place, wire.Digest) (bool, error) { return true, nil }

func (exampleApp) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {}

func (a exampleApp) Report(_ context.Context, activity wire.Activity) error {
	if c, ok := activity.(*wire.Certified); ok {
		a.certified <- c.Lock.Chunk.Sequencer
	}
	return nil
}

// Four engines certify each other's chunks over a transport, here one in memory; network.New makes
// one over TCP.
func Example() {
	namespace := []byte("example.net")
	set, err := testkit.New(testkit.Ed25519, verify.MinSig, verify.Compressed, 4, namespace, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "bridge")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	memory, err := simnet.New(simnet.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer memory.Close()

	var ids []wire.PublicKey
	for _, key := range set.Identities {
		ids = append(ids, testkit.Identity(key))
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	app := exampleApp{make(chan wire.PublicKey, 4*4*2)}
	for i, id := range ids {
		b := bridge.New(memory.NewTransport(id, bridge.Types(0)), bridge.Config{Admit: func(wire.PublicKey) network.Role { return network.Member }})
		epochs, err := engine.NewStaticEpochs(set.Scheme, set.Signers[i], ids)
		if err != nil {
			panic(err)
		}
		e, err := engine.New(engine.Config{
			Namespace: namespace, Identity: id, Sequencer: set.ChunkSigners[i], Schemes: epochs, Sequencers: epochs, Monitor: epochs,
			Automaton: app, Relay: app, Reporter: app, Sender: b,
			Journal: engine.JournalConfig{Dir: filepath.Join(dir, strconv.Itoa(i)), Create: true},
		})
		if err != nil {
			panic(err)
		}
		running.Go(func() { _ = b.Run(ctx, e) })
		running.Go(func() { _ = e.Run(ctx) })
	}
	lanes := make(map[wire.PublicKey]bool)
	for len(lanes) < 4 {
		lanes[<-app.certified] = true
	}
	fmt.Println(len(lanes), "lanes are certified")
	cancel()
	running.Wait()
	// Output:
	// 4 lanes are certified
}
