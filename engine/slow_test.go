package engine_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

func TestSlowSignersAndApplicationsDoNotHoldUpTheLoop(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	net, w, members := newCluster(t, s)
	slow := members[0]
	gate := make(chan struct{})
	wait := func(ctx context.Context) {
		select {
		case <-gate:
		case <-ctx.Done():
		}
	}
	signers := slow.config.Schemes.(provider).signers
	for e := range signers {
		signers[e] = slowSigner{s.Signers[0], wait}
	}
	slow.config.Sequencer = slowChunks{slow.config.Sequencer, wait}
	startAll(t, net, members)
	// Three of four are a quorum: the others continue, and the slow member sees it.
	eventually(t, "the slow member follows", func() bool { return slow.recorder.Height(members[1].id) >= 10 })
	if slow.recorder.Height(slow.id) != 0 {
		t.Error("a lane grew though nobody signed its chunks")
	}
	close(gate)
	eventually(t, "its own lane grows", func() bool { return members[1].recorder.Height(slow.id) >= 3 })
	haltAll(t, members)
	demandSound(t, w.schemes, members)
}

func TestASlowApplicationIsCancelledAtTheEnd(t *testing.T) {
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	var cancelled atomic.Bool
	asked := make(chan struct{})
	members[0].app.verify = func(ctx context.Context, _ engine.Place, _ wire.Digest) (bool, error) {
		close(asked)
		<-ctx.Done()
		cancelled.Store(true)
		return false, ctx.Err()
	}
	startAll(t, net, members)
	<-asked
	haltAll(t, members)
	if !cancelled.Load() {
		t.Error("Run did not wait for the application")
	}
}

func TestAnApplicationThatFailsIsAskedAgain(t *testing.T) {
	t.Parallel()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	var proposals, verdicts atomic.Int32
	m.app.propose = func(_ context.Context, at engine.Place) (wire.Digest, error) {
		if proposals.Add(1)%2 == 1 {
			return wire.Digest{}, errors.New("not just now")
		}
		return payloadAt(at), nil
	}
	m.app.verify = func(_ context.Context, at engine.Place, payload wire.Digest) (bool, error) {
		if verdicts.Add(1) == 1 {
			return false, errors.New("payload not here yet")
		}
		return payload == payloadAt(at), nil
	}
	startAll(t, net, members)
	eventually(t, "its lane grows", func() bool { return m.recorder.Height(m.id) >= 3 })
	haltAll(t, members)
}
