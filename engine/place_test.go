package engine_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// broadcast is one call of a Relay.
type broadcast struct {
	at      engine.Place
	payload wire.Digest
	to      []wire.PublicKey
	again   bool
}

// relayLog records the calls of a Relay.
type relayLog struct {
	mu    sync.Mutex
	calls []broadcast
	ctx   context.Context
}

func (r *relayLog) Broadcast(ctx context.Context, at engine.Place, payload wire.Digest, to []wire.PublicKey, again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls, r.ctx = append(r.calls, broadcast{at, payload, to, again}), ctx
}

func (r *relayLog) all() []broadcast {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// parentAt is the digest of the payload below a place.
func parentAt(at engine.Place) wire.Digest {
	if at.Height == 0 {
		return wire.Digest{}
	}
	return payloadAt(engine.Place{Sequencer: at.Sequencer, Height: at.Height - 1})
}

func TestEveryQuestionAndBroadcastNamesTheParentAlsoAfterARestart(t *testing.T) {
	t.Parallel()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	var mu sync.Mutex
	asked := map[string]int{}
	check := func(what string, at engine.Place) {
		mu.Lock()
		defer mu.Unlock()
		asked[what]++
		if at.Parent != parentAt(at) {
			t.Errorf("%s at height %d: the parent is %x, want %x", what, at.Height, at.Parent[:4], parentAt(at))
		}
	}
	m := members[0]
	relay := &relayLog{}
	m.config.Relay = relay
	m.app.propose = func(_ context.Context, at engine.Place) (wire.Digest, error) {
		check("Propose", at)
		return payloadAt(at), nil
	}
	m.app.verify = func(_ context.Context, at engine.Place, payload wire.Digest) (bool, error) {
		check("Verify", at)
		return payload == payloadAt(at), nil
	}
	startAll(t, net, members)
	for range 2 {
		before := m.recorder.Height(m.id)
		eventually(t, "its lane grows", func() bool { return m.recorder.Height(m.id) >= before+3 })
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		m.open(t, net, members...)
		m.start()
	}
	haltAll(t, members)
	for _, b := range relay.all() {
		check("Broadcast", b.at)
		if b.payload != payloadAt(b.at) || b.at.Sequencer != m.id {
			t.Errorf("the payload %x was to be spread at height %d", b.payload[:4], b.at.Height)
		}
	}
	if len(asked) != 3 {
		t.Errorf("checked only %v", asked)
	}
	if relay.ctx.Err() == nil {
		t.Error("the context of a broadcast did not end with the engine")
	}
}

func TestTheRelayGetsTheRecipientsAndWhetherItIsARepeat(t *testing.T) {
	t.Parallel()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	m := members[0]
	relay := &relayLog{}
	m.config.Relay, m.config.RebroadcastTimeout, m.config.AckInterval = relay, 10*time.Millisecond, 0
	m.open(t, net) // it has no connections
	m.start()
	eventually(t, "the chunk is broadcast again", func() bool { return len(relay.all()) >= 3 })
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
	first := len(relay.all())
	m.open(t, net)
	m.start()
	eventually(t, "the chunk of the earlier run is broadcast", func() bool { return len(relay.all()) > first })
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
	var others []wire.PublicKey
	for _, o := range members[1:] {
		others = append(others, o.id)
	}
	for i, b := range relay.all() {
		to := slices.Clone(b.to)
		slices.SortFunc(to, wire.PublicKey.Compare)
		slices.SortFunc(others, wire.PublicKey.Compare)
		if !slices.Equal(to, others) || b.again != (i > 0 && i != first) || b.at.Height != 0 {
			t.Errorf("broadcast %d: height %d, again %v, to %d of %d validators", i, b.at.Height, b.again, len(b.to), len(members))
		}
	}
}
