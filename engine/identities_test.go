package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// reconnect closes a handle and returns a new one of the same identity.
func reconnect(t *testing.T, e *engine.Engine, p *engine.Peer) *engine.Peer {
	t.Helper()
	p.Close()
	again, err := e.Peer(p.Identity())
	if err != nil {
		t.Fatal(err)
	}
	if again == p {
		t.Fatal("a closed handle was given out")
	}
	return again
}

// strict starts an engine with 4 handles at once, 8 remembered identities of closed handles, and an
// hour between two reports of a peer.
func strict(t *testing.T) *engine.Engine {
	t.Helper()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	m := members[0]
	m.config.Sequencer, m.config.Relay = nil, nil
	m.config.MaxPeers, m.config.BadNodeInterval = 4, time.Hour
	m.open(t, net)
	m.start()
	return m.engine
}

// 5.5: Quotas, and limits on how often a peer is reported, belong to its identity: connecting again
// changes neither.
func TestRule5_5_APeerThatReconnectsWhileItsMessagesWaitHasOneQuota(t *testing.T) {
	t.Parallel()
	m, _, _ := quiet(t) // 4 peers of 8 messages, and no message is taken before it runs
	p, err := m.engine.Peer(wire.PublicKey{0xBA})
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for range 100 {
		if p.DeliverAckBytes([]byte{1}) == nil {
			taken++
		}
		p = reconnect(t, m.engine, p)
	}
	if taken != 8 || p.Waiting() != 8 {
		t.Errorf("%d messages were taken, %d wait, the quota is 8", taken, p.Waiting())
	}
	for i := range byte(3) { // the others still have all their room
		other, err := m.engine.Peer(wire.PublicKey{i})
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			if err := other.DeliverAckBytes([]byte{1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	m.start()
	eventually(t, "all is taken in", func() bool { return status(t, m.engine).Counters.AcksReceived == 32 })
	for range 8 {
		if err := p.DeliverAckBytes([]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "that too", func() bool { return status(t, m.engine).Counters.AcksReceived == 40 })
}

// 5.5: Quotas, and limits on how often a peer is reported, belong to its identity: connecting again
// changes neither.
func TestRule5_5_APeerThatReconnectsIsReportedNoMoreOften(t *testing.T) {
	t.Parallel()
	again := strict(t)
	p, err := again.Peer(wire.PublicKey{0xBA})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(50) {
		deliver := p.DeliverAckBytes
		if i%2 == 1 {
			deliver = p.DeliverNodeBytes
		}
		if err := deliver([]byte{1}); err != nil {
			t.Fatal(err)
		}
		p = reconnect(t, again, p) // while it waits, or later
		if i%3 == 0 {
			eventually(t, "it is taken in", func() bool {
				c := status(t, again).Counters
				return c.AcksReceived+c.NodesReceived == i+1
			})
		}
	}
	eventually(t, "all is taken in", func() bool {
		c := status(t, again).Counters
		return c.AcksReceived+c.NodesReceived == 50
	})
	if got := status(t, again).Counters.Faults; got != 1 {
		t.Errorf("reported %d times", got)
	}
}

// The number of remembered identities is bounded; the last to leave are remembered.
func TestOfManyIdentitiesThatLeaveTheLastOnesAreRemembered(t *testing.T) {
	t.Parallel()
	e := strict(t)
	sent := uint64(0)
	misbehave := func(i int) {
		p, err := e.Peer(wire.PublicKey{byte(i), byte(i >> 8), 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.DeliverAckBytes([]byte{1}); err != nil {
			t.Fatal(err)
		}
		sent++
		eventually(t, "it is taken in", func() bool { return status(t, e).Counters.AcksReceived == sent })
		p.Close()
	}
	for i := range 300 {
		misbehave(i)
	}
	if got := status(t, e).Counters.Faults; got != 300 {
		t.Errorf("300 identities, reported %d times", got)
	}
	for i := 292; i < 300; i++ {
		misbehave(i)
	}
	if got := status(t, e).Counters.Faults; got != 300 {
		t.Errorf("the last ones were forgotten: reported %d times", got)
	}
	misbehave(0)
	if got := status(t, e).Counters.Faults; got != 301 {
		t.Errorf("the first one is remembered: reported %d times", got)
	}
	if got := status(t, e).Peers; got != 0 {
		t.Errorf("%d handles", got)
	}
}

func TestClosedHandlesAndOpenOnesOfOneIdentityMayBeUsedAtOnce(t *testing.T) {
	t.Parallel()
	m, _, _ := quiet(t)
	m.start()
	id := wire.PublicKey{0xBA}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan uint64)
	for range 4 {
		go func() {
			var taken uint64
			for ctx.Err() == nil {
				p, err := m.engine.Peer(id)
				if err != nil {
					continue // a message of the old handle was read in between: its quota is returned in a moment
				}
				for range 3 {
					if p.DeliverNodeBytes([]byte{1}) == nil {
						taken++
					}
				}
				p.Close()
			}
			done <- taken
		}()
	}
	eventually(t, "many messages are taken in", func() bool { return status(t, m.engine).Counters.NodesReceived > 2000 })
	stop()
	var taken uint64
	for range 4 {
		taken += <-done
	}
	eventually(t, "all are taken in", func() bool { return status(t, m.engine).Counters.NodesReceived == taken })
	p, err := m.engine.Peer(id)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Waiting(); got != 0 {
		t.Errorf("%d messages wait", got)
	}
}

// 5.5: Memory is bounded: the inbox by per-peer quotas, of messages and of bytes of nodes.
//
// A node can be ten thousand times as long as an ack: a number of messages does not bound memory.
func TestRule5_5_NodesOfOnePeerHaveABoundInBytes(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	net, _, members := newCluster(t, s)
	m := members[0]
	m.config.PeerQuota, m.config.MaxMessage = 1000, 1<<20
	m.open(t, net)
	p, err := m.engine.Peer(members[1].id)
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for range 10 {
		err := p.DeliverNodeBytes(make([]byte, 1<<20))
		if err == nil {
			taken++
		} else if !errors.Is(err, engine.ErrPeerFull) {
			t.Fatal(err)
		}
	}
	if taken != 4 {
		t.Errorf("%d nodes of 1 MiB wait", taken)
	}
	if err := p.DeliverAckBytes([]byte{1}); err != nil {
		t.Errorf("an ack: %v", err)
	}
	if err := p.DeliverAckBytes(make([]byte, 513)); !errors.Is(err, engine.ErrMessageTooLarge) {
		t.Errorf("an ack of 513 bytes: %v", err)
	}
	m.start()
	eventually(t, "they are taken in, and their room is free", func() bool {
		return p.Waiting() == 0 && p.DeliverNodeBytes(make([]byte, 1<<20)) == nil
	})
}
