package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// result is the measurement of one process.
type result struct {
	Own       int     // number of chunks of its own lane
	Delivered int     // number of chunks handed over, of all lanes
	CPU       float64 // seconds
	P50, P99  float64 // ms
	Heap      uint64  // bytes, at the end
	Counters  map[string]float64
}

// chain proposes bodies that differ in their first bytes, approves all bodies, and counts.
type chain struct {
	id       wire.PublicKey
	random   []byte // of the size of a body
	interval time.Duration
	due      time.Time
	replica  *replica.Replica
	dir      string // of its cursors; empty: it keeps none

	mu        sync.Mutex
	begun     map[uint64]time.Time // times of proposals, by height
	took      []time.Duration
	own       int
	delivered int
	age       map[wire.PublicKey]time.Duration // of each lane's last chunk, when it was handed over
}

func (c *chain) Propose(ctx context.Context, at engine.Place) ([]byte, error) {
	due := time.Now()
	if c.interval > 0 {
		if c.due.IsZero() {
			c.due = due
		}
		due, c.due = c.due, c.due.Add(c.interval)
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	body := slices.Clone(c.random)
	binary.BigEndian.PutUint64(body, at.Height)
	stamp(body)
	c.mu.Lock()
	c.begun[at.Height] = due
	c.mu.Unlock()
	return body, nil
}

func (c *chain) Verify(context.Context, engine.Place, []byte) (bool, error) { return true, nil }

// pruneEvery is the number of chunks of a lane that are handed over between two calls of Prune.
const pruneEvery = 64

func (c *chain) Deliver(ctx context.Context, k replica.Chunk) error {
	c.mu.Lock()
	c.delivered++
	c.age[k.Sequencer] = time.Since(madeAt(k.Body))
	if k.Sequencer == c.id {
		c.own++
		if begun, ok := c.begun[k.Height]; ok {
			c.took = append(c.took, time.Since(begun))
			delete(c.begun, k.Height)
		}
	}
	c.mu.Unlock()
	if c.replica != nil && k.Height%pruneEvery == pruneEvery-1 {
		if c.dir != "" {
			if err := writeCursor(c.dir, k.Sequencer, k.Height+1); err != nil {
				return err
			}
		}
		go func() { _ = c.replica.Prune(ctx, k.Sequencer, k.Height) }()
	}
	return nil
}

// count returns the counts so far, and resets them.
func (c *chain) count() (r result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.took)
	if n := len(c.took); n > 0 {
		r.P50 = float64(c.took[n/2].Microseconds()) / 1e3
		r.P99 = float64(c.took[n*99/100].Microseconds()) / 1e3
	}
	r.Own, r.Delivered = c.own, c.delivered
	c.own, c.delivered, c.took = 0, 0, nil
	return r
}

var namespace = []byte("bench/replica")

// process runs one of the processes. It reads the addresses of all from its input.
func process(o options) error {
	kind := testkit.Kind(o.Scheme)
	set, err := testkit.New(kind, verify.MinSig, verify.Compressed, processes, namespace, 1)
	if err != nil {
		return err
	}
	var ids []wire.PublicKey
	for _, k := range set.Identities {
		ids = append(ids, testkit.Identity(k))
	}
	listener, err := net.Listen("tcp", cmp.Or(o.Address, "127.0.0.1:0"))
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
	for i, address := range strings.Fields(line) {
		addresses[ids[i]] = address
	}
	epochs, err := engine.NewStaticEpochs(set.Scheme, set.Signers[o.Process], ids)
	if err != nil {
		return err
	}
	app := &chain{id: ids[o.Process], random: make([]byte, max(o.Body, 8)), begun: make(map[uint64]time.Time), age: make(map[wire.PublicKey]time.Duration)}
	source := rand.NewChaCha8([32]byte{byte(o.Process)})
	_, _ = source.Read(app.random)
	if o.Rate > 0 {
		app.interval = time.Duration(float64(time.Second) / o.Rate)
	}
	acks := engine.AcksToAll
	if o.Acks == "sequencer" {
		acks = engine.AcksToSequencer
	}
	registry := prometheus.NewRegistry()
	node := parts{
		options: o, set: set, ids: ids, epochs: epochs, listener: listener, addresses: addresses, app: app, acks: acks, registry: registry,
	}
	run, err := node.replica()
	if o.Engine {
		run, err = node.engine()
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	if o.Away > 0 {
		err := node.obey(input, ended)
		cancel()
		return cmp.Or(err, <-ended)
	}
	select {
	case <-time.After(o.Duration/10 + time.Second):
	case err := <-ended:
		cancel()
		return err
	}
	if o.Profile != "" {
		file, err := os.Create(filepath.Join(o.Profile, fmt.Sprintf("replica%d.pprof", o.Process)))
		if err != nil {
			cancel()
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			cancel()
			return err
		}
	}
	app.count()
	before := cpuTime()
	time.Sleep(o.Duration)
	measured := app.count()
	measured.CPU = (cpuTime() - before).Seconds()
	pprof.StopCPUProfile()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	measured.Heap = memory.HeapAlloc
	measured.Counters = countersOf(registry)
	if err := json.NewEncoder(os.Stdout).Encode(measured); err != nil {
		cancel()
		return err
	}
	time.Sleep(500 * time.Millisecond) // the others may still measure
	cancel()
	return <-ended
}

// countersOf returns the counters and gauges of the replica, and those of dropped messages and
// rebroadcasts.
func countersOf(registry *prometheus.Registry) map[string]float64 {
	counters := make(map[string]float64)
	families, err := registry.Gather()
	if err != nil {
		return counters
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "lanecast_replica_") && !strings.HasPrefix(f.GetName(), "lanecast_network_dropped") && !strings.HasPrefix(f.GetName(), "lanecast_rebroadcast") {
			continue
		}
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "lanecast_")
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			if v := m.GetCounter().GetValue() + m.GetGauge().GetValue(); v != 0 {
				counters[name] = v
			}
		}
	}
	return counters
}

// parts are the parts of a process.
type parts struct {
	options
	set       *testkit.Set
	ids       []wire.PublicKey
	epochs    *engine.StaticEpochs
	listener  net.Listener
	addresses map[wire.PublicKey]string
	app       *chain
	acks      engine.Acks
	registry  *prometheus.Registry
}

func (p *parts) dir() string { return filepath.Join(p.Dir, strconv.Itoa(p.Process)) }

// replica returns the Run of a replica.
func (p *parts) replica() (func(context.Context) error, error) {
	if p.Engine {
		return nil, nil
	}
	retain := time.Second
	if p.Away > 0 {
		if err := os.MkdirAll(p.dir(), 0o700); err != nil {
			return nil, err
		}
		retain, p.app.dir = 0, p.dir()
	}
	r, err := replica.New(replica.Config{
		Metrics: p.registry, Namespace: namespace, Key: p.set.Identities[p.Process], Epochs: p.epochs, Application: p.app,
		Next: func(id wire.PublicKey) uint64 { return readCursor(p.dir(), id) },
		Dir:  p.dir(), Create: !p.Again,
		Listener: p.listener, Addresses: func() map[wire.PublicKey]string { return p.addresses },
		Engine:  engine.Config{Acks: p.acks},
		Archive: archive.Config{Retain: retain},
		Network: network.Config{MinBackoff: 10 * time.Millisecond},
	})
	if err != nil {
		return nil, err
	}
	p.app.replica = r
	return r.Run, nil
}

// engine returns the Run of an engine without bodies.
func (p *parts) engine() (func(context.Context) error, error) {
	var b *bridge.Bridge
	n, err := network.New(network.Config{
		Key: p.set.Identities[p.Process], Types: bridge.Types(0), Listener: p.listener,
		Settings:   network.Settings{Namespace: namespace, Epochs: func() []network.Epoch { return b.Epochs() }},
		Addresses:  func() map[wire.PublicKey]string { return p.addresses },
		MinBackoff: 10 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	b = bridge.New(n, bridge.Config{Admit: func(wire.PublicKey) network.Role { return network.Member }})
	bare := bareChain{p.app}
	e, err := engine.New(engine.Config{
		Namespace: namespace, Identity: p.ids[p.Process], Sequencer: p.set.ChunkSigners[p.Process],
		Schemes: p.epochs, Sequencers: p.epochs, Monitor: p.epochs, Automaton: bare, Relay: bare, Reporter: bare, Sender: b,
		Acks: p.acks, Metrics: p.registry, Journal: engine.JournalConfig{Dir: p.dir(), Create: true},
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx, e) }()
		err := e.Run(ctx)
		return cmp.Or(err, <-ended)
	}, nil
}

// bareChain is the chain over an engine alone: a digest stands for the body.
type bareChain struct{ *chain }

func (c bareChain) Propose(ctx context.Context, at engine.Place) (wire.Digest, error) {
	_, err := c.chain.Propose(ctx, at)
	return wire.Digest{byte(at.Height), byte(at.Height >> 8), byte(at.Height >> 16)}, err
}

func (c bareChain) Verify(context.Context, engine.Place, wire.Digest) (bool, error) { return true, nil }

func (c bareChain) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {}

func (c bareChain) Report(ctx context.Context, a wire.Activity) error {
	if k, ok := a.(*wire.Certified); ok {
		return c.Deliver(ctx, replica.Chunk{Place: engine.Place{Sequencer: k.Lock.Chunk.Sequencer, Height: k.Lock.Chunk.Height}})
	}
	return nil
}
