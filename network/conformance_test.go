package network_test

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"net"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/conformance"
	"github.com/lanecast/lanecast/wire"
)

// group makes processes that listen and dial as given.
func group(t *testing.T, n int, listen func(i int) net.Listener, configure func(i int, c *network.Config)) conformance.Group {
	keys := testkit.Identities(n, 15)
	addresses := make(map[wire.PublicKey]string)
	var ids []wire.PublicKey
	var first []net.Listener // made before any process dials
	for i, k := range keys {
		first = append(first, listen(i))
		ids = append(ids, testkit.Identity(k))
		addresses[ids[i]] = first[i].Addr().String()
	}
	return conformance.Group{Identities: ids, New: func(i int) network.Transport {
		l := first[i]
		first[i] = nil
		if l == nil {
			l = listen(i)
		}
		return must(t, keys[i], l, addresses, func(c *network.Config) { configure(i, c) })
	}}
}

func must(t *testing.T, key ed25519.PrivateKey, l net.Listener, addresses map[wire.PublicKey]string, configure func(c *network.Config)) *network.Network {
	t.Helper()
	c := network.Config{
		Key: key, Types: conformance.Types(), Listener: l, Settings: network.Settings{Namespace: []byte("conformance")},
		Addresses: func() map[wire.PublicKey]string { return maps.Clone(addresses) },
	}
	configure(&c)
	n, err := network.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestConformanceInMemory(t *testing.T) {
	conformance.Run(t, true, func(t *testing.T, n int) conformance.Group {
		m := &network.MemoryNet{Delay: func() time.Duration { return time.Millisecond }}
		address := func(i int) string { return fmt.Sprintf("host%d:1", i) }
		return group(t, n,
			func(i int) net.Listener { return m.Listen(address(i)) },
			func(i int, c *network.Config) { c.Dial = m.DialFrom(address(i)) })
	})
}

func TestConformanceOverTCP(t *testing.T) {
	conformance.Run(t, false, func(t *testing.T, n int) conformance.Group {
		taken := make(map[int]string)
		return group(t, n,
			func(i int) net.Listener {
				address := taken[i]
				if address == "" {
					address = "127.0.0.1:0"
				}
				var l net.Listener
				// While a process restarts, a connection of another process may have its port for a
				// moment.
				testkit.Eventually(t, "the port is free", func() (ok bool) {
					var err error
					l, err = net.Listen("tcp", address)
					return err == nil
				})
				taken[i] = l.Addr().String()
				return l
			},
			func(i int, c *network.Config) {
				c.MaxBackoff = 200 * time.Millisecond
				// One side dials: around the moment when one of two connections replaces the other
				// the order is not kept.
				all := c.Addresses()
				own := taken[i]
				c.Addresses = func() map[wire.PublicKey]string {
					lower := maps.Clone(all)
					maps.DeleteFunc(lower, func(_ wire.PublicKey, address string) bool { return !before(taken, address, own) })
					return lower
				}
			})
	})
}

// before reports whether an address belongs to a process with a lower number than the process of
// another address.
func before(taken map[int]string, address, than string) bool {
	for i := 0; taken[i] != than; i++ {
		if taken[i] == address {
			return true
		}
	}
	return false
}

// Nothing is lost that was sent after the peer was connected. On real sockets, a connection that is
// closed with bytes unread would lose the bytes sent before.
func TestWhenBothDialOverTCPNothingIsLost(t *testing.T) {
	for round := range 20 {
		var taken [2]string
		g := group(t, 2, func(i int) net.Listener {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			taken[i] = l.Addr().String()
			return l
		}, func(int, *network.Config) {})
		conformance.NothingIsLost(t, g, round)
	}
}
