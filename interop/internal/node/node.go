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
	v := &validator{
		Config: c, app: newApplication(c, nonce, log), handles: map[wire.PublicKey]*engine.Peer{}, registry: prometheus.NewRegistry(),
	}
	v.bridge = v.newBridge()
	if v.engine, err = engine.New(engine.Config{
		Namespace: c.Set.Namespace, Identity: c.Set.Identities[c.Index], Sequencer: c.Set.ChunkSigners[c.Index],
		Schemes: epochs, Sequencers: epochs, Monitor: epochs, Automaton: v.app, Relay: v.app, Reporter: v.app, Sender: v.bridge,
		Journal:            engine.JournalConfig{Dir: c.Dir, Create: created && !c.Recover, Recover: created && c.Recover},
		Adopt:              c.Adopt,
		RebroadcastTimeout: c.Rebroadcast, AckInterval: c.AckInterval,
		Metrics: v.registry, Logger: slog.New(slog.NewTextHandler(c.Log, nil)),
	}); err != nil {
		return err
	}
	for i, id := range c.Set.Identities {
		if i == c.Index {
			continue
		}
		if v.handles[id], err = v.engine.Peer(id); err != nil {
			return errors.Join(err, v.engine.Close())
		}
	}
	return v.run(ctx, reports)
}

// validator is our process.
type validator struct {
	Config
	app      *application
	bridge   *bridge.Bridge
	engine   *engine.Engine
	handles  map[wire.PublicKey]*engine.Peer // filled before the bridge runs
	refused  atomic.Uint64                   // messages that the engine did not take
	registry *prometheus.Registry
}

// newBridge returns the bridge between our process and the others.
func (v *validator) newBridge() *bridge.Bridge {
	peers := map[wire.PublicKey]string{}
	for i, id := range v.Set.Identities {
		if i != v.Index {
			peers[id] = v.Addresses[i]
		}
	}
	return bridge.New(bridge.Config{
		Identity: v.Set.Identities[v.Index], Listener: v.Listener, Peers: peers, Loss: v.Loss, Deliver: v.deliver,
	})
}

// deliver delivers a message that the bridge received to the engine.
func (v *validator) deliver(channel bridge.Channel, from wire.PublicKey, message []byte) {
	deliver := v.handles[from].DeliverAckBytes
	if channel == bridge.Node {
		deliver = v.handles[from].DeliverNodeBytes
		v.app.nodesIn.Add(1)
	} else {
		v.app.acksIn.Add(1)
	}
	if err := deliver(message); err != nil {
		v.refused.Add(1)
	}
}

// run runs the bridge and the engine until the engine ends.
func (v *validator) run(ctx context.Context, reports io.Writer) error {
	connected, disconnect := context.WithCancel(ctx)
	defer disconnect()
	carried := make(chan struct{})
	go func() {
		v.bridge.Run(connected)
		close(carried)
	}()
	ended := make(chan error, 1)
	go func() { ended <- v.engine.Run(ctx) }()
	start := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			v.app.count(v.registry)
			v.report(reports, start, false, nil)
		case err := <-ended:
			disconnect()
			<-carried
			v.report(reports, start, true, err)
			return err
		}
	}
}

// report writes a report. err is the error with which the engine ended, if it has.
func (v *validator) report(reports io.Writer, start time.Time, last bool, err error) {
	r := v.app.report(v.Set.Identities)
	r.Library, r.Validator, r.MS, r.Last = "lanecast", v.Index, time.Since(start).Milliseconds(), last
	r.Dropped = v.bridge.Dropped() + v.refused.Load()
	if err != nil {
		r.Ended = err.Error()
	}
	if line, err := json.Marshal(r); err == nil {
		_, _ = reports.Write(append(line, '\n'))
	}
}
