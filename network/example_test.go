package network_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net"
	"sync"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/wire"
)

const greeting network.Type = 0x10

// host is the Handler of a process: it reports connected peers and passes messages on.
type host struct {
	connected chan wire.PublicKey
	messages  chan string
}

func (h *host) Admit(wire.PublicKey) network.Role           { return network.Member }
func (h *host) Connected(id wire.PublicKey, _ network.Role) { h.connected <- id }
func (h *host) Disconnected(wire.PublicKey, error)          {}
func (h *host) Serve(context.Context, wire.PublicKey, network.Type, []byte, func(network.Type, []byte) error) {
}

func (h *host) Messages(_ wire.PublicKey, batch []network.Message) {
	for i := range batch {
		h.messages <- string(batch[i].Buffer.Bytes())
		batch[i].Buffer.Release() // the handler owns it
	}
}

// Two processes connect over TLS 1.3, each proves its identity to the other, and one sends a
// message.
func Example() {
	keys := testkit.Identities(2, 1)
	var listeners []net.Listener
	addresses := make(map[wire.PublicKey]string)
	for _, key := range keys {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			fmt.Println(err)
			return
		}
		listeners = append(listeners, listener)
		addresses[testkit.Identity(key)] = listener.Addr().String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	start := func(key ed25519.PrivateKey, listener net.Listener) (*network.Network, *host) {
		n, err := network.New(network.Config{
			Key:       key,
			Types:     []network.MessageType{{Type: greeting, Name: "greeting", Class: network.Control, Limit: 100}},
			Settings:  network.Settings{Namespace: []byte("example.net")},
			Listener:  listener,
			Addresses: func() map[wire.PublicKey]string { return addresses },
		})
		if err != nil {
			panic(err)
		}
		h := &host{make(chan wire.PublicKey, 2), make(chan string, 1)}
		running.Go(func() { _ = n.Run(ctx, h) })
		return n, h
	}
	first, here := start(keys[0], listeners[0])
	_, there := start(keys[1], listeners[1])

	second := <-here.connected
	first.Send([]wire.PublicKey{second}, greeting, []byte("good morning"))
	fmt.Println(second == testkit.Identity(keys[1]), <-there.messages)
	cancel()
	running.Wait()
	// Output:
	// true good morning
}
