package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// failing returns a cluster's first member, with its log and metrics for the test.
func failing(t *testing.T, n int) (net *network, m *member, log *logged, registry *prometheus.Registry) {
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, n, 1))
	m, log, registry = members[0], &logged{}, prometheus.NewRegistry()
	m.config.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	m.config.Metrics = registry
	return net, m, log, registry
}

// 4.7: The operator is told what of our own fails, and why.
//
// The key signs chunks under another namespace than the engine's.
func TestOwnFailuresOfASignerWithAnotherNamespaceAreLoggedAndCounted(t *testing.T) {
	t.Parallel()
	net, m, log, registry := failing(t, 1)
	m.config.Sequencer = testkit.MustSet(t, testkit.Ed25519, 1, []byte("another"), 1).ChunkSigners[0]
	m.open(t, net)
	m.start()
	eventually(t, "failures are counted", func() bool { return value(gather(t, registry)["lanecast_propose_total"], "failure") >= 3 })
	if !log.has("another namespace") || !log.has("height=0") {
		t.Error("the log does not name the fault")
	}
	haltAll(t, []*member{m})
}

// 4.7: … an application that declines has not failed.
func TestOwnFailuresOfAnApplicationAreLoggedAndThoseThatDeclineAreNone(t *testing.T) {
	t.Parallel()
	errBroken := errors.New("the mempool is gone")
	for name, err := range map[string]error{"fails": errBroken, "declines": engine.ErrDeclined} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			net, m, log, registry := failing(t, 1)
			m.app.propose = func(context.Context, engine.Place) (d wire.Digest, _ error) { return d, err }
			m.open(t, net)
			m.start()
			counted := map[string]string{"fails": "lanecast_propose_total", "declines": "lanecast_propose_declined_total"}[name]
			eventually(t, "it is counted", func() bool { return value(gather(t, registry)[counted], "") >= 3 })
			got := gather(t, registry)
			failures, declined := value(got["lanecast_propose_total"], "failure"), value(got["lanecast_propose_declined_total"], "")
			if (failures > 0) != (err == errBroken) || (declined > 0) == (err == errBroken) || log.has("mempool") != (err == errBroken) {
				t.Errorf("%v failures, %v declined, logged: %v", failures, declined, log.has("mempool"))
			}
			haltAll(t, []*member{m})
		})
	}
}

// 4.7: Point 3 is repeated every `RebroadcastTimeout`.
//
// A chunk that is not sent because the network is behind counts as not sent.
func TestOwnFailuresOfTheNetworkAreLoggedAndCounted(t *testing.T) {
	t.Parallel()
	net, m, log, registry := failing(t, 4)
	spy := &sendLog{gate: make(chan struct{})}
	m.config.Sender, m.config.MaxOutbox, m.config.RebroadcastTimeout = spy, 1, 10*time.Millisecond
	m.config.AckInterval = 5 * time.Millisecond
	m.open(t, net)
	m.start()
	eventually(t, "failures are counted", func() bool { return value(gather(t, registry)["lanecast_rebroadcast_total"], "failure") >= 3 })
	got := gather(t, registry)
	if n := value(got["lanecast_broadcast_total"], "success"); n > 2 { // one with the sender, one in the outbox
		t.Errorf("%v broadcasts are said to have gone out", n)
	}
	if !log.has("outbox is full") {
		t.Error("the log does not say so")
	}
	close(spy.gate)
	haltAll(t, []*member{m})
}

// 4.7: The operator is told what of our own fails, and why.
//
// A certificate, or a message that is sent only to a peer that came back, is no broadcast of our
// chunk.
func TestAMessageNotSentToAPeerThatComesBackIsNoFailedBroadcast(t *testing.T) {
	t.Parallel()
	for name, certificates := range map[string]bool{"our tip": false, "our tip and certificate": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			net, m, log, registry := failing(t, 4)
			spy := &sendLog{gate: make(chan struct{})}
			m.config.Sender, m.config.SendCertificates, m.config.MaxOutbox = spy, certificates, 1
			m.config.AckInterval, m.config.RebroadcastTimeout = time.Nanosecond, time.Hour
			m.open(t, net)
			m.start()
			eventually(t, "the outbox is full", func() bool {
				if err := m.engine.PeerConnected(wire.PublicKey{2}); err != nil { // its node waits, if our node was dropped
					t.Fatal(err)
				}
				return status(t, m.engine).Outbox == 1
			})
			before := gather(t, registry)["lanecast_broadcast_total"]
			dropped := status(t, m.engine).Counters.OutboxDropped
			eventually(t, "peers do not get the messages that they lack", func() bool {
				if err := m.engine.PeerConnected(wire.PublicKey{1}); err != nil {
					t.Fatal(err)
				}
				return status(t, m.engine).Counters.OutboxDropped >= dropped+5
			})
			after := gather(t, registry)["lanecast_broadcast_total"]
			for _, result := range []string{"success", "failure"} {
				if value(after, result) != value(before, result) {
					t.Errorf("%s: %v, and %v before", result, value(after, result), value(before, result))
				}
			}
			if log.has("our chunk was not sent") != (value(before, "failure") > 0) {
				t.Error("the log speaks of our chunk")
			}
			close(spy.gate)
			haltAll(t, []*member{m})
		})
	}
}
