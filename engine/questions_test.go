package engine_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// 4.5: When the tip moves on, or the sequencer leaves the sets, all calls about older chunks are
// cancelled.
//
// One payload is lost for good on its way to a validator. Its application waits for it until its
// context ends. By then the lane has moved on, and the validator with it: when another validator
// crashes, the quorum needs this one.
func TestRule4_5_APayloadThatNeverComesDoesNotSilenceAValidator(t *testing.T) {
	t.Parallel()
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	lane := oneLane(w, members)
	var asked, cancelled atomic.Int64
	members[1].app.verify = func(ctx context.Context, at engine.Place, payload wire.Digest) (bool, error) {
		if asked.Add(1) == 1 { // about the height that comes first: the others do not wait for it
			<-ctx.Done()
			cancelled.Add(1)
			return false, ctx.Err()
		}
		return payload == payloadAt(at), nil
	}
	startAll(t, net, members)
	eventually(t, "the lane is at 5 with all four", func() bool { return members[0].recorder.Height(lane) >= 5 })
	if err := members[3].halt(); err != nil {
		t.Fatal(err)
	}
	before := members[0].recorder.Height(lane)
	eventually(t, "the lane goes on with three", func() bool { return members[0].recorder.Height(lane) >= before+20 })
	if asked.Load() < 10 || cancelled.Load() != 1 {
		t.Errorf("it was asked %d times, and one question ended %d times", asked.Load(), cancelled.Load())
	}
	haltAll(t, members)
	demandSound(t, w.schemes, members)
}

// 4.5: All calls about older chunks are cancelled: their contexts end.
//
// The signer has no key of an old epoch any more, and waits for it until its context ends.
func TestRule4_5_ASignerThatHangsForAPastEpochDoesNotSilenceTheValidator(t *testing.T) {
	t.Parallel()
	set := newSet(t, testkit.Ed25519, 4, 1)
	net, w, members := newCluster(t, set)
	lane := oneLane(w, members)
	v := members[1]
	v.config.Schemes.(provider).signers[0] = hangingSigner{}
	startAll(t, net, members)
	eventually(t, "the lane grows without it", func() bool { return members[0].recorder.Height(lane) >= 3 })
	for _, m := range members {
		m.monitor.updates <- 5
	}
	me, _ := set.Scheme.Index(v.id)
	eventually(t, "it signs in epoch 5", func() bool {
		return slices.ContainsFunc(members[0].recorder.Locks(), func(l wire.Lock) bool {
			signers, _, err := set.Scheme.Format().SplitCertificate(l.Certificate)
			return l.Epoch == 5 && err == nil && signers.Has(me)
		})
	})
	haltAll(t, members)
	demandSound(t, w.schemes, members)
}

// A signer that never answers is abandoned after SignTimeout, and asked again.
func TestASignerThatDoesNotAnswerInTimeIsAskedAgain(t *testing.T) {
	t.Parallel()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	m.config.SignTimeout = 20 * time.Millisecond
	var calls atomic.Int64
	m.config.Sequencer = slowChunks{m.config.Sequencer, func(ctx context.Context) {
		if calls.Add(1) <= 2 {
			<-ctx.Done()
		}
	}}
	startAll(t, net, members)
	eventually(t, "the lane grows", func() bool { return m.recorder.Height(m.id) >= 3 })
	haltAll(t, members)
}

// 4.7: When the signer fails, does not answer in time, or the process restarts, the same chunk is
// signed again: a signer that guards against double signing never sees two.
//
// The application has another payload for every call. Answers of the signer are lost, also across
// restarts.
func TestRule4_7_ASignerThatGuardsAgainstDoubleSigningNeverSeesTwoPayloads(t *testing.T) {
	t.Parallel()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	g := &guardedSigner{ChunkSigner: m.config.Sequencer, signed: map[uint64]wire.Digest{}, lose: 3}
	m.config.Sequencer = g
	var n atomic.Int64
	m.app.propose = func(context.Context, engine.Place) (wire.Digest, error) { return wire.Digest{byte(n.Add(1))}, nil }
	m.app.verify = func(context.Context, engine.Place, wire.Digest) (bool, error) { return true, nil }
	startAll(t, net, members)
	eventually(t, "the lane grows", func() bool { return m.recorder.Height(m.id) >= 3 })
	for range 3 {
		g.mu.Lock()
		g.lose = 1 << 30 // it signs, and the answer is lost
		signed := len(g.signed)
		g.mu.Unlock()
		eventually(t, "another chunk is signed", func() bool {
			g.mu.Lock()
			defer g.mu.Unlock()
			return len(g.signed) > signed || g.lose < 1<<30-1
		})
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		g.mu.Lock()
		g.lose = 0
		g.mu.Unlock()
		before := m.recorder.Height(m.id)
		m.open(t, net, members...)
		m.start()
		eventually(t, "the lane goes on", func() bool { return m.recorder.Height(m.id) > before+2 })
	}
	haltAll(t, members)
	if g.refused > 0 {
		t.Errorf("%d times another payload was to be signed for the same height", g.refused)
	}
}

// 4.8: On entering an epoch, a validator of it signs and sends its ack in the new epoch, at once,
// for every ackable tip for which it holds no certificate of an epoch in bounds.
//
// Two validators have acked a chunk in one epoch; the two others enter the next epoch first, and
// ack the chunk there. Nothing is lost, and RebroadcastTimeout is an hour: the lane continues
// because every validator acks again on entering the epoch.
func TestRule4_8_AChangeOfEpochInTheMiddleOfAChunkDoesNotStallItsLane(t *testing.T) {
	t.Parallel()
	const height = 3
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	lane := oneLane(w, members)
	entered := make(chan struct{})
	asked := make(chan int, len(members))
	for i, m := range members {
		m.config.RebroadcastTimeout, m.config.AckInterval = time.Hour, time.Hour
		m.app.verify = func(ctx context.Context, at engine.Place, payload wire.Digest) (bool, error) {
			if at.Height == height {
				asked <- i
				if i < 2 {
					select {
					case <-entered:
					case <-ctx.Done():
						return false, ctx.Err()
					}
				}
			}
			return payload == payloadAt(at), nil
		}
	}
	var acks [2]atomic.Int64 // of the chunk, by epoch
	for _, m := range members {
		m.config.Sender = &ackTap{m.config.Sender, func(a *wire.Ack) {
			if a.Chunk.Height == height {
				acks[a.Epoch].Add(1)
			}
		}}
	}
	startAll(t, net, members)
	for range members {
		<-asked
	}
	eventually(t, "two have acked in epoch 0", func() bool { return acks[0].Load() == 2 })
	for _, m := range members[:2] {
		m.monitor.updates <- 1
		eventually(t, "it is in epoch 1", func() bool { return status(t, m.engine).Epoch == 1 })
	}
	close(entered)
	eventually(t, "the other two ack in epoch 1", func() bool { return acks[1].Load() == 2 })
	for _, m := range members[2:] {
		m.monitor.updates <- 1
	}
	eventually(t, "the lane goes on", func() bool { return members[0].recorder.Height(lane) > height+2 })
	haltAll(t, members)
	demandSound(t, w.schemes, members)
}
