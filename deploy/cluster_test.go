package deploy

import (
	"context"
	"encoding/binary"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

const members = 4

var namespace = []byte("deploy-test")

// application proposes bodies, one in pace, and approves every body.
type application struct{ pace time.Duration }

func (a application) Propose(ctx context.Context, at engine.Place) ([]byte, error) {
	select {
	case <-time.After(a.pace):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return binary.BigEndian.AppendUint64(nil, at.Height), nil
}

func (application) Verify(context.Context, engine.Place, []byte) (bool, error) { return true, nil }

func (application) Deliver(context.Context, replica.Chunk) error { return nil }

// startCluster starts four replicas over TLS on this machine, each a validator and a sequencer.
// They share a registry, in which their metrics have the label member. They run until the test
// ends.
func startCluster(t *testing.T, pace time.Duration) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewRegistry()
	set := testkit.MustSet(t, testkit.Multisig, members, namespace, 1)
	var ids []wire.PublicKey
	var listeners []net.Listener
	addresses := make(map[wire.PublicKey]string)
	for _, key := range set.Identities {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		id := testkit.Identity(key)
		ids, listeners, addresses[id] = append(ids, id), append(listeners, listener), listener.Addr().String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	for i := range members {
		sets, err := engine.NewStaticEpochs(set.Scheme, set.Signers[i], ids)
		if err != nil {
			t.Fatal(err)
		}
		r, err := replica.New(replica.Config{
			Namespace: namespace, Key: set.Identities[i], Epochs: sets, Application: application{pace},
			Next: func(wire.PublicKey) uint64 { return 0 }, Dir: t.TempDir(), Create: true,
			Listener: listeners[i], Addresses: func() map[wire.PublicKey]string { return addresses },
			Engine: engine.Config{RebroadcastTimeout: time.Second}, Archive: archive.Config{MinFree: -1},
			Network: network.Config{PingInterval: 200 * time.Millisecond},
			Metrics: prometheus.WrapRegistererWith(prometheus.Labels{"member": strconv.Itoa(i)}, registry),
		})
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			if err := r.Run(ctx); err != nil {
				t.Errorf("member %d: %v", i, err)
			}
		})
	}
	return registry
}

// certifying returns how many members have answered the scrape and know of certificates of all
// lanes.
func certifying(families []*dto.MetricFamily) (n int) {
	for _, f := range families {
		if f.GetName() != "lanecast_locks_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetCounter().GetValue() >= 2*members {
				n++
			}
		}
	}
	return n
}
