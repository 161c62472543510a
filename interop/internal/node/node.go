// Package node is one validator of a mixed network that runs Lanecast's engine: the counterpart of
// upstream's, in interop/upstream/src/node.rs.
package node

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/interop/internal/bridge"
	"github.com/lanecast/lanecast/interop/internal/keys"
	"github.com/lanecast/lanecast/wire"
)

// Epoch is the only epoch, as in upstream's processes.
const Epoch = 7

// Config describes a process.
type Config struct {
	Set   *keys.Set
	Index int // our participant number
	// Addresses are the addresses of the validators; Listener listens at ours. Run closes it.
	Addresses []string
	Listener  net.Listener

	Dir   string // folder of the journal
	Locks string // file to which locks are appended
	// Recover means that the identity has signed before, elsewhere; Adopt are the locks that others
	// know.
	Recover bool
	Adopt   []wire.Lock

	Pace                     time.Duration // time that a proposal waits
	Rebroadcast, AckInterval time.Duration // of the engine; 0 for its defaults
	Loss                     float64       // probability that a sent message is lost
	Log                      io.Writer
}

// Run runs the process until ctx ends, and writes a report each second.
func Run(ctx context.Context, c Config, reports io.Writer) error {
	defer c.Listener.Close()
	if c.Index < 0 || c.Index >= len(c.Set.Identities) {
		return fmt.Errorf("node: index %d; there are %d validators", c.Index, len(c.Set.Identities))
	}
	log, err := os.OpenFile(c.Locks, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	epochs := engine.NewEpochs(Epoch)
	if err := epochs.Add(Epoch, c.Set.Scheme, c.Set.AckSigners[c.Index], c.Set.Identities); err != nil {
		return err
	}
	created := false
	if _, err := os.Stat(c.Dir); errors.Is(err, os.ErrNotExist) {
		created = true
	}
	var nonce [8]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return err
	}
	app := newApplication(c, nonce, log)

	peers, handles := map[wire.PublicKey]string{}, map[wire.PublicKey]*engine.Peer{}
	for i, id := range c.Set.Identities {
		if i != c.Index {
			peers[id] = c.Addresses[i]
		}
	}
	var refused atomic.Uint64
	b := bridge.New(bridge.Config{
		Identity: c.Set.Identities[c.Index], Listener: c.Listener, Peers: peers, Loss: c.Loss,
		Deliver: func(channel bridge.Channel, from wire.PublicKey, message []byte) {
			deliver := handles[from].DeliverAckBytes
			if channel == bridge.Node {
				deliver = handles[from].DeliverNodeBytes
				app.nodesIn.Add(1)
			} else {
				app.acksIn.Add(1)
			}
			if err := deliver(message); err != nil {
				refused.Add(1)
			}
		},
	})
	registry := prometheus.NewRegistry()
	e, err := engine.New(engine.Config{
		Namespace: c.Set.Namespace, Identity: c.Set.Identities[c.Index], Sequencer: c.Set.ChunkSigners[c.Index],
		Schemes: epochs, Sequencers: epochs, Monitor: epochs, Automaton: app, Relay: app, Reporter: app, Sender: b,
		Journal:            engine.JournalConfig{Dir: c.Dir, Create: created && !c.Recover, Recover: created && c.Recover},
		Adopt:              c.Adopt,
		RebroadcastTimeout: c.Rebroadcast, AckInterval: c.AckInterval,
		Metrics: registry, Logger: slog.New(slog.NewTextHandler(c.Log, nil)),
	})
	if err != nil {
		return err
	}
	for id := range peers {
		if handles[id], err = e.Peer(id); err != nil {
			return errors.Join(err, e.Close())
		}
	}
	connected, disconnect := context.WithCancel(ctx)
	carried := make(chan struct{})
	go func() {
		b.Run(connected)
		close(carried)
	}()
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	start := time.Now()
	report := func(last bool, err error) {
		r := app.report(c.Set.Identities)
		r.Library, r.Validator, r.MS, r.Last = "lanecast", c.Index, time.Since(start).Milliseconds(), last
		r.Dropped = b.Dropped() + refused.Load()
		if err != nil {
			r.Ended = err.Error()
		}
		if line, err := json.Marshal(r); err == nil {
			_, _ = reports.Write(append(line, '\n'))
		}
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			app.count(registry)
			report(false, nil)
			continue
		case err = <-ended:
		}
		break
	}
	disconnect()
	<-carried
	report(true, err)
	return err
}
