package main

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// acks measures one connection into the handle of a running engine. The acks are on the lane of no
// sequencer, so that the engine does little: it takes them in, decodes them and counts them.
func acks(o options, out io.Writer) error {
	return receiveInto(o, out, nil, 1, "acks")
}

// many measures many connections, each of which gets one ack per write.
func many(o options, out io.Writer) error {
	return receiveInto(o, out, new(histogram), o.connections, "many", strconv.Itoa(o.connections), strconv.Itoa(o.rate))
}

// receiver is the engine that receives the acks.
var receiver = key("receiver", 0)

// receiveInto runs an engine over a network, makes another process send on the given number of
// connections, and measures, with delays if delays is not nil.
func receiveInto(o options, out io.Writer, delays *histogram, connections int, mode string, more ...string) (err error) {
	dir, err := os.MkdirTemp("", "lanecast")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	n, address, err := transport(receiver, nil, func(c *network.Config) { c.ReadPause = o.pause })
	if err != nil {
		return err
	}
	connected := make(chan wire.PublicKey, connections)
	b := bridge.New(n, bridge.Config{
		Admit:     func(wire.PublicKey) network.Role { return network.Member },
		Connected: func(id wire.PublicKey, _ network.Role) { connected <- id },
	})
	e, err := newEngine(dir, b)
	if err != nil {
		return err
	}
	b.Attach(e)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func() error{func() error { return e.Run(ctx) }, func() error { return n.Run(ctx, counting{b, delays}) }} {
		running.Go(func() {
			if e := run(); e != nil && err == nil {
				err = e
			}
		})
	}
	defer running.Wait()
	defer cancel()
	stop, err := startSender(append([]string{mode, address}, more...)...)
	if err != nil {
		return err
	}
	defer stop()
	for range connections {
		<-connected
	}
	time.Sleep(o.duration / 2)
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	fmt.Fprint(out, "acks/s      cores    acks/s and core  reads       allocations per ack")
	if delays != nil {
		fmt.Fprint(out, "  p50 ms   p99 ms")
	}
	fmt.Fprintln(out)
	best := 0.0
	for range o.slices {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if delays != nil {
			delays.reset()
		}
		count, batches, cpu, began := received.Load(), reads.Load(), cpuTime(), time.Now()
		time.Sleep(o.duration)
		took := time.Since(began).Seconds()
		used := (cpuTime() - cpu).Seconds()
		acks := float64(received.Load() - count)
		runtime.ReadMemStats(&after)
		best = max(best, acks/used)
		fmt.Fprintf(out, "%-11.0f %-8.2f %-16.0f %-11.0f %-20.4f", acks/took, used/took, acks/used, float64(reads.Load()-batches)/took, float64(after.Mallocs-before.Mallocs)/acks)
		if delays != nil {
			fmt.Fprintf(out, " %-8.3f %.3f", delays.at(0.5).Seconds()*1000, delays.at(0.99).Seconds()*1000)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "best: %.0f acks/s and core\n", best)
	return nil
}

// received and reads count the acks delivered to the engine, and the calls that delivered them.
var received, reads atomic.Int64

// counting is a bridge whose messages are counted.
type counting struct {
	*bridge.Bridge
	delays *histogram // durations of acks from Send to Messages; nil: not measured
}

func (c counting) Messages(from wire.PublicKey, batch []network.Message) {
	received.Add(int64(len(batch)))
	reads.Add(1)
	if c.delays != nil {
		now := time.Now().UnixNano()
		for i := range batch {
			b := batch[i].Buffer.Bytes()
			c.delays.add(time.Duration(now - int64(binary.BigEndian.Uint64(b[len(b)-stampSize:]))))
		}
	}
	c.Bridge.Messages(from, batch)
}

// histogram counts durations by steps of 1 %.
type histogram struct{ counts [2048]atomic.Int64 }

const histogramStep = 0.01

func (h *histogram) add(d time.Duration) {
	place := math.Log(float64(max(1, d.Microseconds()))) / histogramStep
	h.counts[min(int(place), len(h.counts)-1)].Add(1)
}

func (h *histogram) reset() {
	for i := range h.counts {
		h.counts[i].Store(0)
	}
}

// at returns the q-quantile of the durations.
func (h *histogram) at(q float64) time.Duration {
	var all int64
	for i := range h.counts {
		all += h.counts[i].Load()
	}
	rest := int64(q * float64(all))
	for i := range h.counts {
		if rest -= h.counts[i].Load(); rest < 0 {
			return time.Duration(math.Exp((float64(i)+0.5)*histogramStep) * float64(time.Microsecond))
		}
	}
	return 0
}

// newEngine makes an engine that is no validator.
func newEngine(dir string, sender engine.Sender) (*engine.Engine, error) {
	set, err := testkit.New(testkit.Ed25519, verify.MinSig, verify.Compressed, 4, []byte("bench"), 1)
	if err != nil {
		return nil, err
	}
	epochs, err := engine.NewStaticEpochs(set.Scheme, nil, []wire.PublicKey{testkit.Identity(set.Identities[0])})
	if err != nil {
		return nil, err
	}
	return engine.New(engine.Config{
		Namespace: []byte("bench"), Schemes: epochs, Sequencers: epochs, Monitor: epochs,
		Automaton: nobody{}, Reporter: new(testkit.Recorder), Sender: sender,
		PeerQuota: 1 << 16, MaxPeers: 128, Journal: engine.JournalConfig{Dir: dir, Create: true},
	})
}

// nobody is an application that is never called.
type nobody struct{}

func (nobody) Propose(context.Context, engine.Place) (wire.Digest, error) {
	return wire.Digest{}, engine.ErrDeclined
}
func (nobody) Verify(context.Context, engine.Place, wire.Digest) (bool, error) { return false, nil }

// stampSize is the number of bytes at the end of an ack that hold the time of sending, in the place
// of its signature.
const stampSize = 8

// ack returns an ack on no sequencer's lane, with the current time.
func ack() []byte {
	a := wire.Ack{Signature: binary.BigEndian.AppendUint64(make([]byte, ackSize-67-stampSize), uint64(time.Now().UnixNano()))}
	return a.AppendTo(nil)
}

// sendAcks sends as many acks as one connection takes.
func sendAcks(ctx context.Context, address string) error {
	return sending(ctx, key("sender", 0), address, func(n *network.Network, to []wire.PublicKey) {
		for ctx.Err() == nil {
			message := ack()
			for range 256 {
				n.Send(to, bridge.Ack, message)
			}
			for n.Waiting() > 1024 && ctx.Err() == nil {
				time.Sleep(20 * time.Microsecond)
			}
		}
	})
}

// sending runs a network that dials the receiver, and calls send when it is connected.
func sending(ctx context.Context, k ed25519.PrivateKey, address string, send func(*network.Network, []wire.PublicKey)) error {
	to := identity(receiver)
	n, _, err := transport(k, map[wire.PublicKey]string{to: address}, nil)
	if err != nil {
		return err
	}
	connected := make(chan wire.PublicKey, 100)
	go func() {
		select {
		case <-connected:
			send(n, []wire.PublicKey{to})
		case <-ctx.Done():
		}
	}()
	return n.Run(ctx, handler{connected: connected})
}

// sendMany sends acks at the given rate on each of the given number of connections, one per write.
func sendMany(ctx context.Context, address string, connections, rate int) error {
	type sender struct {
		n  *network.Network
		to []wire.PublicKey
	}
	ready := make(chan sender, connections)
	failed := make(chan error, connections)
	for i := range connections {
		go func() {
			failed <- sending(ctx, key("sender", i), address, func(n *network.Network, to []wire.PublicKey) { ready <- sender{n, to} })
		}()
	}
	var all []sender
	for range connections {
		select {
		case s := <-ready:
			all = append(all, s)
		case err := <-failed:
			return err
		}
	}
	// Each ack is due at a time of its own, so that the connections are not served in bursts. A
	// sleep would take a millisecond or more; the writers run while this loop yields.
	began := time.Now()
	perSecond := float64(rate * connections)
	for k := int64(0); ctx.Err() == nil; {
		due := int64(time.Since(began).Seconds() * perSecond)
		if k >= due {
			runtime.Gosched()
			continue
		}
		k = max(k, due-int64(connections)) // acks that are long overdue are skipped
		s := all[k%int64(connections)]
		if s.n.Waiting() == 0 { // otherwise one write would carry two acks
			s.n.Send(s.to, bridge.Ack, ack())
		}
		k++
	}
	for range connections {
		if err := <-failed; err != nil {
			return err
		}
	}
	return nil
}
