package engine_test

import (
	"errors"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// Of two processes each has one peer.
func TestOnePeerIsEnoughAndTheLimitHoldsForTheSecond(t *testing.T) {
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	members[0].config.MaxPeers = 1
	members[0].open(t, net)
	e := members[0].engine
	p, err := e.Peer(wire.PublicKey{1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Peer(wire.PublicKey{2}); !errors.Is(err, engine.ErrTooManyPeers) {
		t.Errorf("the second peer: %v", err)
	}
	p.Close()
	if _, err := e.Peer(wire.PublicKey{2}); err != nil {
		t.Errorf("once the first is closed: %v", err)
	}
}
