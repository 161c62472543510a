package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"os"
	"runtime"
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

// acks measures one connection into the handle of an engine that runs. The acks are of no sequencer,
// so that the engine's part is small: it takes them in, decodes them and counts them.
func acks(o options, out io.Writer) error {
	return receiveInto(o, out, "acks", 1)
}

// many measures 99 connections, each of which gets one ack per write.
func many(o options, out io.Writer) error {
	return receiveInto(o, out, "many", manyConnections)
}

const (
	manyConnections = 99
	manyRate        = 3000 // acks per second and connection
)

// receiver is where the acks come in.
var receiver = key("receiver", 0)

// receiveInto runs an engine over a network, lets another process send, and measures.
func receiveInto(o options, out io.Writer, mode string, connections int) (err error) {
	dir, err := os.MkdirTemp("", "lanecast")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	n, address, err := transport(receiver, nil, nil)
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
	for _, run := range []func() error{func() error { return e.Run(ctx) }, func() error { return n.Run(ctx, counting{b}) }} {
		running.Go(func() {
			if e := run(); e != nil && err == nil {
				err = e
			}
		})
	}
	defer running.Wait()
	defer cancel()
	stop, err := startSender(mode, address)
	if err != nil {
		return err
	}
	defer stop()
	for range connections {
		<-connected
	}
	time.Sleep(o.duration / 2)
	fmt.Fprintln(out, "acks/s      cores    acks/s and core  reads       allocations per ack")
	best := 0.0
	for range o.slices {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		count, batches, cpu, began := received.Load(), reads.Load(), cpuTime(), time.Now()
		time.Sleep(o.duration)
		took := time.Since(began).Seconds()
		used := (cpuTime() - cpu).Seconds()
		acks := float64(received.Load() - count)
		runtime.ReadMemStats(&after)
		best = max(best, acks/used)
		fmt.Fprintf(out, "%-11.0f %-8.2f %-16.0f %-11.0f %.4f\n", acks/took, used/took, acks/used, float64(reads.Load()-batches)/took, float64(after.Mallocs-before.Mallocs)/acks)
	}
	fmt.Fprintf(out, "best: %.0f acks/s and core\n", best)
	return nil
}

// received and reads count acks handed to the engine, and the calls that did.
var received, reads atomic.Int64

// counting is a bridge whose messages are counted.
type counting struct{ *bridge.Bridge }

func (c counting) Messages(from wire.PublicKey, batch []network.Message) {
	received.Add(int64(len(batch)))
	reads.Add(1)
	c.Bridge.Messages(from, batch)
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

// nobody is asked nothing.
type nobody struct{}

func (nobody) Propose(context.Context, engine.Place) (wire.Digest, error) {
	return wire.Digest{}, engine.ErrDeclined
}
func (nobody) Verify(context.Context, engine.Place, wire.Digest) (bool, error) { return false, nil }

// ack is an ack of a lane that is none.
func ack() []byte {
	a := wire.Ack{Signature: make([]byte, ackSize-67)}
	return a.AppendTo(nil)
}

// sendAcks sends as much as one connection takes.
func sendAcks(ctx context.Context, address string) error {
	return sending(ctx, key("sender", 0), address, func(n *network.Network, to []wire.PublicKey) {
		message := ack()
		for ctx.Err() == nil {
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

// sendMany sends manyRate acks a second on each of manyConnections connections, one per write.
func sendMany(ctx context.Context, address string) error {
	type sender struct {
		n  *network.Network
		to []wire.PublicKey
	}
	ready := make(chan sender, manyConnections)
	failed := make(chan error, manyConnections)
	for i := range manyConnections {
		go func() {
			failed <- sending(ctx, key("sender", i), address, func(n *network.Network, to []wire.PublicKey) { ready <- sender{n, to} })
		}()
	}
	var all []sender
	for range manyConnections {
		select {
		case s := <-ready:
			all = append(all, s)
		case err := <-failed:
			return err
		}
	}
	message := ack()
	began := time.Now()
	for rounds := int64(0); ctx.Err() == nil; {
		due := int64(time.Since(began).Seconds() * manyRate)
		if rounds >= due {
			time.Sleep(100 * time.Microsecond)
			continue
		}
		rounds = max(rounds+1, due-10) // what is long overdue is not made up for
		for _, s := range all {
			if s.n.Waiting() == 0 { // or two acks would go in one write
				s.n.Send(s.to, bridge.Ack, message)
			}
		}
	}
	for range manyConnections {
		if err := <-failed; err != nil {
			return err
		}
	}
	return nil
}
