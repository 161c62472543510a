// Network measures package network over loopback sockets, with real keys and real TLS.
//
//	go run ./bench/cmd/network acks     acks through one connection into an engine's Peer.Deliver
//	go run ./bench/cmd/network many     99 connections at 3,000 acks/s each, a frame per write, and
//	                                    how long each ack takes
//	go run ./bench/cmd/network votes    delay of votes beside bulk that always waits, and without
//	go run ./bench/cmd/network stuck    throughput to peers beside one that reads nothing
//
// acks and many start a second process that sends, and report the CPU time of the one that
// receives: messages per second of CPU time are messages per second and core. --duration is the
// length of a slice, --slices their number; the best slice counts, or with votes the median.
package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/wire"
)

// options are the values of the flags.
type options struct {
	duration    time.Duration
	slices      int
	connections int           // of many
	rate        int           // of many: acks per second on each connection
	pause       time.Duration // network.Config.ReadPause
	profile     string        // file for a profile of the receiver's CPU time; empty: none
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "network:", err)
		os.Exit(1)
	}
}

func run(arguments []string, out io.Writer) error {
	flags := flag.NewFlagSet("network", flag.ContinueOnError)
	var o options
	flags.DurationVar(&o.duration, "duration", 2*time.Second, "length of a slice")
	flags.IntVar(&o.slices, "slices", 5, "number of slices")
	flags.IntVar(&o.connections, "connections", 99, "of many: number of connections")
	flags.IntVar(&o.rate, "rate", 3000, "of many: acks per second on each connection")
	flags.DurationVar(&o.pause, "pause", 0, "of acks and many: network.Config.ReadPause of the receiver; -1ns for none")
	flags.StringVar(&o.profile, "profile", "", "of acks and many: `file` for a profile of the receiver's CPU time")
	var mode string
	if len(arguments) > 0 {
		mode, arguments = arguments[0], arguments[1:]
	}
	if mode == "sender" { // started by acks and many
		return send(arguments)
	}
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	switch mode {
	case "acks":
		return acks(o, out)
	case "many":
		return many(o, out)
	case "votes":
		return votes(o, out)
	case "stuck":
		return stuck(o, out)
	}
	return fmt.Errorf("unknown measurement %q; it must be acks, many, votes or stuck", mode)
}

const ackSize = 130 // of a compressed ack in G1 at a low height

// typeBody is the type of a bulk message.
const typeBody network.Type = 0x25

// types returns the types of an engine's messages, and of bodies in the given class.
func types(bodies network.Class) []network.MessageType {
	return append(bridge.Types(64<<10), network.MessageType{Type: typeBody, Name: "body", Class: bodies, Limit: 66 << 10})
}

func key(name string, i int) ed25519.PrivateKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "bench %s %d", name, i))
	return ed25519.NewKeyFromSeed(seed[:])
}

func identity(k ed25519.PrivateKey) wire.PublicKey {
	return wire.PublicKey(k.Public().(ed25519.PublicKey))
}

// handler admits every peer, and takes or drops their messages.
type handler struct {
	take      func(from wire.PublicKey, batch []network.Message) // nil: messages are dropped
	connected chan wire.PublicKey                                // nil: not reported
}

func (h handler) Admit(wire.PublicKey) network.Role { return network.Member }
func (h handler) Connected(id wire.PublicKey, _ network.Role) {
	if h.connected != nil {
		h.connected <- id
	}
}
func (h handler) Disconnected(wire.PublicKey, error) {}
func (h handler) Messages(from wire.PublicKey, batch []network.Message) {
	if h.take != nil {
		h.take(from, batch)
		return
	}
	for _, m := range batch {
		m.Buffer.Release()
	}
}
func (h handler) Serve(context.Context, wire.PublicKey, network.Type, []byte, func(network.Type, []byte) error) {
}

// transport makes a network that listens on loopback, or only dials if to is not empty.
func transport(k ed25519.PrivateKey, to map[wire.PublicKey]string, change func(*network.Config)) (*network.Network, string, error) {
	c := network.Config{
		Key: k, Types: types(network.Bulk), Settings: network.Settings{Namespace: []byte("bench")},
		MaxHandshakes: 256, MaxHandshakesPerAddress: 256,
		Addresses: func() map[wire.PublicKey]string { return to },
	}
	address := ""
	if len(to) == 0 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, "", err
		}
		c.Listener, address = l, l.Addr().String()
	}
	if change != nil {
		change(&c)
	}
	n, err := network.New(c)
	return n, address, err
}

// startSender starts this program again, as a process that runs send with the arguments. stop ends
// it.
func startSender(arguments ...string) (stop func() error, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.Command(program, append([]string{"sender"}, arguments...)...)
	c.Stderr = os.Stderr
	input, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	return func() error {
		input.Close()
		return c.Wait()
	}, nil
}

// send is the main function of the process that sends, until its input ends. Its arguments are a
// mode, an address, and for many the number of connections and the rate of each.
func send(arguments []string) error {
	var connections, rate int
	ok := len(arguments) == 2 && arguments[0] == "acks"
	if len(arguments) == 4 && arguments[0] == "many" {
		var bad [2]error
		connections, bad[0] = strconv.Atoi(arguments[2])
		rate, bad[1] = strconv.Atoi(arguments[3])
		ok = errors.Join(bad[:]...) == nil
	}
	if !ok {
		return fmt.Errorf("sender wants acks and an address, or many, an address, a number and a rate; got %s", strings.Join(arguments, " "))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if arguments[0] == "acks" {
		return sendAcks(ctx, arguments[1])
	}
	return sendMany(ctx, arguments[1], connections, rate)
}
