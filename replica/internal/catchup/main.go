// Catchup measures how a replica that was away gets the headers of its lanes.
//
//	go run ./replica/internal/catchup --lanes 100 --headers 1000000
//
// The replica runs in a process of its own. Three peers run in another process, over TLS on
// loopback, and answer from a chain that they have made. Catchup prints for the replica's process:
// the seconds until all headers have arrived, the CPU seconds until then, the peak of the heap, and
// the number of signatures checked for each lane. With --take the host takes the chunks, whose
// bodies are empty, and Catchup prints the figures again once it has taken all.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/metrics"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

// options holds the values of the flags.
type options struct {
	Lanes, Headers int
	Take           bool
	Latency        time.Duration // of each answer
	Slow           time.Duration // added to each answer of one peer
	Dir, Profile   string
}

// environment is the name of the variable that gives the peers' process its options.
const environment = "LANECAST_CATCHUP"

func main() {
	var err error
	if text := os.Getenv(environment); text != "" {
		var o options
		if err = json.Unmarshal([]byte(text), &o); err == nil {
			err = serve(o)
		}
	} else {
		err = run(os.Args[1:], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "catchup:", err)
		os.Exit(1)
	}
}

func run(arguments []string, out io.Writer) error {
	flags := flag.NewFlagSet("catchup", flag.ContinueOnError)
	var o options
	flags.IntVar(&o.Lanes, "lanes", 100, "lanes")
	flags.IntVar(&o.Headers, "headers", 1e6, "headers of all lanes together")
	flags.BoolVar(&o.Take, "take", false, "have the host take the chunks")
	flags.DurationVar(&o.Latency, "latency", 0, "how long each answer takes besides")
	flags.DurationVar(&o.Slow, "slow", 0, "how much longer one of the three peers takes")
	flags.StringVar(&o.Dir, "dir", "", "folder for the data; empty: a temporary one")
	flags.StringVar(&o.Profile, "profile", "", "folder for a CPU profile and one of the heap")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if o.Lanes < 1 || o.Headers < o.Lanes {
		return fmt.Errorf("--lanes is %d and --headers %d, want at least one header for each lane", o.Lanes, o.Headers)
	}
	addresses, stop, err := spawn(o)
	if err != nil {
		return err
	}
	defer stop()
	return measure(o, addresses, out)
}

// spawn starts the process of the peers, and returns the peers' addresses.
func spawn(o options) (addresses []string, stop func(), err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(program)
	cmd.Env, cmd.Stderr = append(os.Environ(), environment+"="+string(text)), os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		_ = input.Close()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("the process of the peers did not start: %w", err)
	}
	return strings.Fields(line), stop, nil
}

// host is an application that takes chunks, or none.
type host struct {
	take    bool
	taken   atomic.Int64
	replica *replica.Replica
}

// pruneEvery is the number of chunks of a lane between two calls of Prune.
const pruneEvery = 64

func (h *host) Propose(context.Context, engine.Place) ([]byte, error)      { return nil, engine.ErrDeclined }
func (h *host) Verify(context.Context, engine.Place, []byte) (bool, error) { return true, nil }

func (h *host) Deliver(ctx context.Context, c replica.Chunk) error {
	if !h.take {
		<-ctx.Done()
		return ctx.Err()
	}
	h.taken.Add(1)
	if c.Height%pruneEvery == pruneEvery-1 {
		go func() { _ = h.replica.Prune(ctx, c.Sequencer, c.Height) }()
	}
	return nil
}

// measure runs the replica.
func measure(o options, addresses []string, out io.Writer) error {
	w, err := newWorld(o)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.Dir, "lanecast-catchup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	epochs, err := engine.NewStaticEpochs(w.set.Scheme, w.set.Signers[peers], w.lanes)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	app := &host{take: o.Take}
	dialled := make(map[wire.PublicKey]string)
	for i, address := range addresses {
		dialled[w.ids[i]] = address
	}
	r, err := replica.New(replica.Config{
		Namespace: namespace, Key: w.set.Identities[peers], Epochs: epochs, Application: app,
		Next: func(wire.PublicKey) uint64 { return 0 }, Dir: dir, Create: true,
		Addresses: func() map[wire.PublicKey]string { return dialled },
		Archive:   archive.Config{MinFree: -1, Retain: -1},
		Network:   network.Config{MinBackoff: 10 * time.Millisecond},
		Metrics:   registry,
	})
	if err != nil {
		return err
	}
	app.replica = r
	if o.Profile != "" {
		file, err := os.Create(filepath.Join(o.Profile, "catchup.pprof"))
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	m := meter{out: out, registry: registry, lanes: o.Lanes, began: time.Now(), cpu: cpuTime()}
	go func() { ended <- r.Run(ctx) }()
	await := func(what string, holds func() bool) error {
		for !holds() {
			select {
			case err := <-ended:
				return fmt.Errorf("the replica ended: %w", err)
			case <-time.After(2 * time.Millisecond):
				m.sample()
			}
		}
		m.print(what)
		return nil
	}
	if err := await("all headers are there", func() bool { return m.read("lanecast_replica_fetched_headers_total") >= float64(o.Headers) }); err != nil {
		return err
	}
	if o.Profile != "" {
		file, err := os.Create(filepath.Join(o.Profile, "catchup-heap.pprof"))
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.WriteHeapProfile(file); err != nil {
			return err
		}
	}
	if o.Take {
		if err := await("all chunks are taken", func() bool { return app.taken.Load() >= int64(o.Headers) }); err != nil {
			return err
		}
	}
	cancel()
	return <-ended
}

// meter measures this process.
type meter struct {
	out      io.Writer
	registry *prometheus.Registry
	lanes    int
	began    time.Time
	cpu      time.Duration
	heap     uint64 // its peak
}

const heapMetric = "/memory/classes/heap/objects:bytes"

func (m *meter) sample() {
	sample := []metrics.Sample{{Name: heapMetric}}
	metrics.Read(sample)
	m.heap = max(m.heap, sample[0].Value.Uint64())
}

func (m *meter) print(what string) {
	fmt.Fprintf(m.out, "%-24s %6.2f s, %6.2f s of CPU, heap at most %5.1f MiB, signatures checked for each lane %.2f, requests failed %.0f\n",
		what, time.Since(m.began).Seconds(), (cpuTime() - m.cpu).Seconds(), float64(m.heap)/(1<<20),
		m.read("lanecast_statements_total")/float64(m.lanes), m.read("lanecast_replica_requests_failed_total"))
}

// read returns the sum of a counter over its labels.
func (m *meter) read(name string) (sum float64) {
	families, err := m.registry.Gather()
	if err != nil {
		return 0
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, each := range f.GetMetric() {
				sum += each.GetCounter().GetValue()
			}
		}
	}
	return sum
}
