package simnet

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/conformance"
	"github.com/lanecast/lanecast/wire"
)

func TestTransportsConform(t *testing.T) {
	conformance.Run(t, true, func(t *testing.T, n int) conformance.Group {
		net := newNetwork(t, Config{Default: Conditions{Latency: time.Millisecond}})
		var ids []wire.PublicKey
		for i := range n {
			ids = append(ids, id(byte(1+i)))
		}
		return conformance.Group{Identities: ids, New: func(i int) network.Transport {
			return net.NewTransport(ids[i], conformance.Types())
		}}
	})
}

// watcher is a handler that records the connected peers.
type watcher struct {
	mu sync.Mutex
	up map[wire.PublicKey]bool
}

func (w *watcher) Admit(wire.PublicKey) network.Role { return network.Member }

func (w *watcher) set(id wire.PublicKey, up bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.up == nil {
		w.up = make(map[wire.PublicKey]bool)
	}
	w.up[id] = up
}

func (w *watcher) connected(id wire.PublicKey) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.up[id]
}

func (w *watcher) Connected(id wire.PublicKey, _ network.Role) { w.set(id, true) }
func (w *watcher) Disconnected(id wire.PublicKey, _ error)     { w.set(id, false) }

func (w *watcher) Messages(_ wire.PublicKey, batch []network.Message) {
	for _, m := range batch {
		m.Buffer.Release()
	}
}

func (w *watcher) Serve(context.Context, wire.PublicKey, network.Type, []byte, func(network.Type, []byte) error) {
}

func TestATransportWhoseLinkIsCutIsDisconnectedUntilItIsHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork(t, Config{})
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		var a, b watcher
		for i, w := range []*watcher{&a, &b} {
			running.Go(func() {
				if err := net.NewTransport(id(byte(1+i)), conformance.Types()).Run(ctx, w); err != nil {
					t.Error(err)
				}
			})
		}
		check := func(want bool) {
			t.Helper()
			synctest.Wait()
			if a.connected(id(2)) != want || b.connected(id(1)) != want {
				t.Errorf("connected: %v and %v, want %v", a.connected(id(2)), b.connected(id(1)), want)
			}
		}
		check(true)
		net.Cut(id(1), id(2))
		check(false)
		net.Heal(id(1), id(2))
		check(true)
		set(t, net, 2, 1, Conditions{Cut: true}) // one direction suffices
		check(false)
		cancel()
		running.Wait()
	})
}
