package deploy

import (
	"context"
	"encoding/binary"
	"net"
	"path/filepath"
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
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

const members = 4

var namespace = []byte("deploy-test")

// application proposes chunks, one in pace, and approves every chunk. It spreads no payload.
type application struct{ pace time.Duration }

func (application) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {}

func (a application) Propose(ctx context.Context, at engine.Place) (d wire.Digest, err error) {
	select {
	case <-time.After(a.pace):
	case <-ctx.Done():
		return d, ctx.Err()
	}
	binary.BigEndian.PutUint64(d[:], at.Height)
	d[31] = 1
	return d, nil
}

func (application) Verify(context.Context, engine.Place, wire.Digest) (bool, error) { return true, nil }

// startCluster starts four validators, which are the sequencers too, over TLS on this machine, each
// with an archive. They share a registry, in which their metrics have the label member. They run
// until the test ends.
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
		labelled := prometheus.WrapRegistererWith(prometheus.Labels{"member": strconv.Itoa(i)}, registry)
		dir := t.TempDir()
		bodies, err := archive.Open(archive.Config{
			Dir: filepath.Join(dir, "archive"), Create: true, Namespace: namespace, MinFree: -1, Metrics: labelled,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = bodies.Close() })
		keep(t, bodies, ids[i])

		var b *bridge.Bridge
		transport, err := network.New(network.Config{
			Key: set.Identities[i], Types: bridge.Types(0), Listener: listeners[i],
			Settings:     network.Settings{Namespace: namespace, Epochs: func() []network.Epoch { return b.Epochs() }},
			Addresses:    func() map[wire.PublicKey]string { return addresses },
			PingInterval: 200 * time.Millisecond, Metrics: labelled,
		})
		if err != nil {
			t.Fatal(err)
		}
		b = bridge.New(transport, bridge.Config{Admit: func(wire.PublicKey) network.Role { return network.Member }})
		sets, err := engine.NewStaticEpochs(set.Scheme, set.Signers[i], ids)
		if err != nil {
			t.Fatal(err)
		}
		app := application{pace}
		e, err := engine.New(engine.Config{
			Namespace: namespace, Identity: ids[i], Sequencer: set.ChunkSigners[i], Schemes: sets, Sequencers: sets, Monitor: sets,
			Automaton: app, Relay: app, Reporter: &testkit.Recorder{}, Sender: b, RebroadcastTimeout: time.Second,
			Journal: engine.JournalConfig{Dir: filepath.Join(dir, "journal"), Create: true}, Metrics: labelled,
		})
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			if err := b.Run(ctx, e); err != nil {
				t.Errorf("member %d: %v", i, err)
			}
		})
		running.Go(func() {
			if err := e.Run(ctx); err != nil {
				t.Errorf("member %d: %v", i, err)
			}
		})
	}
	return registry
}

// keep puts a body into an archive.
func keep(t *testing.T, bodies *archive.Archive, id wire.PublicKey) {
	t.Helper()
	body := make([]byte, 1000)
	tree := payload.Build(body)
	h := payload.Header{Sequencer: id, BodySize: tree.BodySize(), Root: tree.Root()}
	if err := bodies.Put(archive.ForVote, archive.Body{Header: h, Tree: tree, Bytes: body}, nil); err != nil {
		t.Fatal(err)
	}
}

// certifying returns how many members have answered the scrape and know of certificates of all lanes.
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
