package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// gate limits the number of accepted connections whose hello has not come in.
type gate struct {
	all, perAddress int

	mu      sync.Mutex
	inside  int
	address map[string]int
}

// enter takes a place for a connection. It returns the function that gives the place back once the
// connection is decided on, or nil if there is no room.
func (g *gate) enter(address string) func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside >= g.all || g.address[address] >= g.perAddress {
		return nil
	}
	g.inside++
	g.address[address]++
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.inside--
		if g.address[address]--; g.address[address] == 0 {
			delete(g.address, address)
		}
	})
}

// acceptPause is the pause after an error of Accept that may pass, such as too many open files.
const acceptPause = 50 * time.Millisecond

// accept accepts connections until ctx ends or the listener is closed.
func (n *Network) accept(ctx context.Context) error {
	g := &gate{all: n.cfg.MaxHandshakes, perAddress: n.cfg.MaxHandshakesPerAddress, address: make(map[string]int)}
	for {
		raw, err := n.cfg.Listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				raw.Close()
			}
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			n.log.Warn("accepting failed", "why", err)
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
			continue
		}
		leave := g.enter(host(raw))
		if leave == nil {
			raw.Close()
			n.counts.fail(failFull)
			continue
		}
		n.running.Go(func() {
			n.runConn(ctx, n.newConn(raw, false), wire.PublicKey{}, func(error) { leave() })
		})
	}
}

// host returns the address of the other side without its port. For IPv6 it returns the 64 bits of
// the network, since one host may have all addresses in it.
func host(c net.Conn) string {
	address := addressOf(c)
	if h, _, err := net.SplitHostPort(address); err == nil {
		address = h
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}
