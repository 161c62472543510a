package engine_test

import (
	"context"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// follower is a running engine that signs and sends nothing, with a handle for each validator of
// its one set. The test is its network.
type follower struct {
	t      testing.TB
	engine *engine.Engine
	peers  []*engine.Peer // of the validators, by participant
	lanes  []wire.PublicKey
}

// startFollower runs an engine until the test ends. tune changes the configuration.
func startFollower(
	t testing.TB, scheme verify.Scheme, lanes []wire.PublicKey, reporter engine.Reporter, tune func(*engine.Config),
) *follower {
	t.Helper()
	epochs := staticEpochs(t, scheme, lanes)
	validators := scheme.Participants()
	config := engine.Config{
		Namespace: namespace, Schemes: epochs, Sequencers: epochs, Monitor: epochs, Automaton: &application{},
		Reporter: reporter, Sender: unusable{t}, Journal: engine.JournalConfig{Dir: t.TempDir(), Create: true},
		MaxVoteBytes: 1 << 30, MaxPeers: len(validators) + len(lanes) + 1,
	}
	tune(&config)
	e, err := engine.New(config)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{t: t, engine: e, lanes: lanes}
	for _, id := range validators {
		f.peers = append(f.peers, f.peer(id))
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() { result <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-result; err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *follower) peer(id wire.PublicKey) *engine.Peer {
	f.t.Helper()
	p, err := f.engine.Peer(id)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// n returns the number of validators.
func (f *follower) n() int { return len(f.peers) }

// laneKeys returns the keys of n sequencers whose secrets are unknown.
func laneKeys(n int) []wire.PublicKey {
	keys := make([]wire.PublicKey, n)
	for i := range keys {
		keys[i] = wire.PublicKey{byte(i >> 8), byte(i), 2}
	}
	return keys
}

// staticEpochs returns a network with one set, in which this process signs nothing.
func staticEpochs(t testing.TB, s verify.Scheme, sequencers []wire.PublicKey) *engine.StaticEpochs {
	t.Helper()
	epochs, err := engine.NewStaticEpochs(s, nil, sequencers)
	if err != nil {
		t.Fatal(err)
	}
	return epochs
}
