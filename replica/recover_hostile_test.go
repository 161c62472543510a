package replica_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/simnet"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// ask sends a request and returns the answer; nil if there is none within two seconds.
func (s *stranger) ask(to wire.PublicKey, t network.Type, request []byte) *network.Message {
	ctx, cancel := context.WithTimeout(s.ctx, 2*time.Second)
	defer cancel()
	answer, err := s.Request(ctx, to, t, request)
	if err != nil {
		return nil
	}
	return &answer
}

// docs/protocol.md 8.3: «own chunk names what the answerer still holds: the node at the top of the
// asker's lane […]; a peer is answered at most once a second».
func TestRule8_3_APeerIsToldOfItsOwnChunkOnceASecond(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		for i := range 3 {
			c.start(i, newChain(c.ids[i], 100, 0))
		}
		m := makeBody(c.ids[3], 0, wire.Digest{}, bodyOf(c.ids[3], 0, 100), nil)
		s := c.stranger(c.ids[3], has(m))
		defer s.stop()
		s.awaits(c.ids[:3]...)
		own := func() *message.OwnChunk {
			answer := s.ask(c.ids[0], message.OwnChunkRequestType, nil)
			if answer == nil {
				return nil
			}
			defer answer.Buffer.Release()
			o := new(message.OwnChunk)
			if err := o.Decode(answer.Buffer.Bytes(), wire.SameFormat(c.set.Scheme.Format())); err != nil {
				t.Fatal(err)
			}
			return o
		}
		if o := own(); o == nil || o.Node != nil || o.Ack != nil {
			t.Errorf("before anything was sent: %+v", o)
		}
		c.propose(s, 0, m.digest, nil, c.ids[:3]...)
		time.Sleep(500 * time.Millisecond)
		if o := own(); o != nil {
			t.Errorf("half a second later: %+v", o)
		}
		time.Sleep(time.Second)
		if o := own(); o == nil || o.Node == nil || o.Node.Chunk.Payload != m.digest {
			t.Errorf("after a node: %+v", o)
		}
		c.stopAll()
	})
}

// docs/protocol.md 5.10: «Whoever acked h held the lock of h − 1, whose quorum held that of h − 2;
// an honest one of the answering validators of 7.5 knows it»: a certified chunk counts, also if the
// validator's host has not taken the report yet.
func TestRule5_10_TheAnswerToARecoveryIsWhatTheEngineHolds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		var stuck atomic.Bool
		free := make(chan struct{})
		c.tune = func(i int, config *replica.Config) {
			if i == 0 {
				config.TipInterval = time.Hour // no other peer tells it
				config.Report = func(context.Context, wire.Activity) error {
					if stuck.Load() {
						<-free
					}
					return nil
				}
			}
		}
		for i := range 3 {
			c.start(i, newChain(c.ids[i], 100, 3))
		}
		s := c.stranger(c.ids[3], nil)
		defer s.stop()
		s.awaits(c.ids[:3]...)
		c.eventually(30*time.Second, "three lanes are handed over", c.grownTo(3, []int{0, 1, 2}, []int{0, 1, 2}))
		stuck.Store(true)
		for i := range 3 {
			c.all[i].chain.grow(9, 100)
		}
		time.Sleep(5 * time.Second)
		status := c.status(0)
		if c.all[0].chain.next(c.ids[1]) >= 9 || status.Lanes[1].Certified < 5 {
			t.Errorf("the host has taken %d, and the engine has certified %+v", c.all[0].chain.next(c.ids[1]), status.Lanes)
		}
		answer := s.ask(c.ids[0], message.TipsRequestType, (&message.TipsRequest{}).AppendTo(nil))
		if answer == nil {
			close(free)
			t.Fatal("no answer")
		}
		defer answer.Buffer.Release()
		var page message.Tips
		if err := page.Decode(answer.Buffer.Bytes(), wire.SameFormat(c.set.Scheme.Format())); err != nil {
			t.Fatal(err)
		}
		told := make(map[wire.PublicKey]uint64)
		for _, k := range page.Locks {
			told[k.Chunk.Sequencer] = k.Chunk.Height
		}
		for _, lane := range status.Lanes {
			if lane.HasCertified && told[lane.Sequencer] < lane.Certified {
				t.Errorf("it tells of height %d of a lane, and has certified %d", told[lane.Sequencer], lane.Certified)
			}
		}
		if again := s.ask(c.ids[0], message.TipsRequestType, (&message.TipsRequest{}).AppendTo(nil)); again != nil {
			t.Error("it is asked twice within a second")
		}
		close(free)
		c.stopAll()
	})
}

// docs/protocol.md 5.10: «an honest one of the answering validators knows it»: without the locks
// that are too long for a page, an answer would look complete. Peers that do not recover get the
// other lanes.
func TestRule5_10_AnAnswerToARecoveryIsWholeOrThereIsNone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.start(0, newChain(c.ids[0], 0, 0))
		s := c.stranger(c.ids[3], nil)
		defer s.stop()
		s.awaits(c.ids[0])
		lanes := slices.SortedFunc(slices.Values(c.ids[1:]), wire.PublicKey.Compare)
		c.all[0].Know(wire.Lock{Chunk: wire.Chunk{Sequencer: lanes[0], Height: 1}, Certificate: make([]byte, message.PageLimit)})
		c.all[0].Know(c.lock(wire.Chunk{Sequencer: lanes[1], Height: 1}))
		ask := func(epochs ...uint64) (page *message.Tips) {
			answer := s.ask(c.ids[0], message.TipsRequestType, (&message.TipsRequest{Epochs: epochs}).AppendTo(nil))
			if answer == nil {
				return nil
			}
			defer answer.Buffer.Release()
			page = new(message.Tips)
			if err := page.Decode(slices.Clone(answer.Buffer.Bytes()), wire.SameFormat(c.set.Scheme.Format())); err != nil {
				t.Error(err)
			}
			return page
		}
		if page := ask(0); page == nil || len(page.Locks) != 1 || page.Locks[0].Chunk.Sequencer != lanes[1] {
			t.Errorf("of epoch 0 it tells %+v", page)
		}
		if page := ask(); page != nil {
			t.Errorf("of any epoch it tells %d locks", len(page.Locks))
		}
		c.stopAll()
	})
}

// docs/protocol.md 7.5: «A process that recovers itself does not answer».
func TestRule7_5_AProcessThatRecoversHelpsNobodyElseToRecover(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.start(0, newChain(c.ids[0], 100, 2))
		c.stop(0)
		s := c.stranger(c.ids[3], nil) // it does not answer, so that the recovery does not end
		defer s.stop()
		c.lose(0, newChain(c.ids[0], 100, 2), nil)
		s.awaits(c.ids[0])
		time.Sleep(5 * time.Second)
		if answer := s.ask(c.ids[0], message.OwnChunkRequestType, nil); answer != nil {
			t.Error("it tells of our own chunk")
		}
		if answer := s.ask(c.ids[0], message.TipsRequestType, (&message.TipsRequest{}).AppendTo(nil)); answer != nil {
			t.Error("it tells of locks of any epoch")
		}
		if answer := s.ask(c.ids[0], message.TipsRequestType, (&message.TipsRequest{Epochs: []uint64{0}}).AppendTo(nil)); answer == nil {
			t.Error("it tells no tips")
		} else {
			answer.Buffer.Release()
		}
		c.stopAll()
	})
}

// docs/protocol.md 7.5: «Each is asked once it has been connected for 5 s: a node that was sent to
// it before the loss has reached its engine by then».
func TestRule7_5_ToResumeAValidatorIsAskedOnceItHasBeenConnectedForAWhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.start(0, newChain(c.ids[0], 100, 2))
		c.stop(0)
		c.lose(0, newChain(c.ids[0], 100, 2), resumes)
		var asked atomic.Int64
		s := c.stranger(c.ids[3], func(_ context.Context, _ wire.PublicKey, typ network.Type, _ []byte, _ reply) {
			if typ == message.OwnChunkRequestType {
				asked.CompareAndSwap(0, time.Now().UnixNano())
			}
		})
		defer s.stop()
		s.awaits(c.ids[0])
		connected := time.Now()
		time.Sleep(20 * time.Second)
		if at := time.Unix(0, asked.Load()); at.Sub(connected) < 4900*time.Millisecond || at.Sub(connected) > 10*time.Second {
			t.Errorf("it was asked after %v", at.Sub(connected))
		}
		c.stopAll()
	})
}

// docs/protocol.md 7.5: «An answer counts as a whole: one with a lock that does not verify counts
// for nothing». If one of the others lies, the process recovers all the same, and acks on every
// lane again.
func TestRule7_5_APeerThatLiesDoesNotKeepAProcessFromRecovering(t *testing.T) {
	var places atomic.Uint64              // several ask at once
	place := func() (id wire.PublicKey) { // ascending
		binary.BigEndian.PutUint64(id[:], places.Add(1))
		return id
	}
	tips := func(reply reply, page *message.Tips) { _ = reply(message.TipsType, page.AppendTo(nil)) }
	for name, lie := range map[string]func(c *cluster, typ network.Type, q *message.TipsRequest, reply reply){
		"nothing": func(*cluster, network.Type, *message.TipsRequest, reply) {},
		"junk": func(_ *cluster, typ network.Type, _ *message.TipsRequest, reply reply) {
			_ = reply(typ+1, []byte("junk"))
		},
		"forged locks": func(c *cluster, typ network.Type, _ *message.TipsRequest, reply reply) {
			k := c.lock(wire.Chunk{Sequencer: c.ids[1], Height: 1 << 40, Payload: wire.Digest{1}})
			k.Chunk.Height++
			tips(reply, &message.Tips{Locks: []wire.Lock{k}})
		},
		"locks of unknown epochs of all lanes": func(c *cluster, _ network.Type, _ *message.TipsRequest, reply reply) {
			var page message.Tips
			for _, id := range c.ids {
				page.Add(&wire.Lock{Chunk: wire.Chunk{Sequencer: id, Height: 1 << 50}, Epoch: 1 << 60, Certificate: []byte{1}})
			}
			tips(reply, &page)
		},
		"page after page of unknown epochs": func(_ *cluster, _ network.Type, _ *message.TipsRequest, reply reply) {
			page := message.Tips{More: true}
			for page.Add(&wire.Lock{Chunk: wire.Chunk{Sequencer: place()}, Epoch: 99, Certificate: []byte{1}}) {
			}
			tips(reply, &page)
		},
		"the same page again": func(c *cluster, _ network.Type, _ *message.TipsRequest, reply reply) {
			tips(reply, &message.Tips{More: true, Locks: []wire.Lock{{Chunk: wire.Chunk{Sequencer: c.ids[6]}, Epoch: 99, Certificate: []byte{1}}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				const n = 7
				c := newCluster(t, n, simnet.Conditions{Latency: time.Millisecond})
				signed := c.watchSignatures()
				for i := range n - 1 {
					c.start(i, newChain(c.ids[i], 100, 2))
				}
				first := []int{0, 1, 2, 3, 4, 5}
				c.eventually(30*time.Second, "the lanes are handed over", c.grownTo(2, first, first))
				var pages atomic.Int64
				s := c.stranger(c.ids[6], func(_ context.Context, _ wire.PublicKey, typ network.Type, request []byte, reply reply) {
					var q message.TipsRequest
					if typ == message.TipsRequestType {
						pages.Add(1)
					}
					if typ == message.OwnChunkRequestType || typ == message.TipsRequestType && q.Decode(request) == nil {
						lie(c, typ, &q, reply)
					}
				})
				defer s.stop()
				c.stop(0)
				before := signed.count(0)
				c.lose(0, newChain(c.ids[0], 100, 0), nil)
				c.eventually(time.Minute, "it has recovered", c.recovered(0))
				if to := c.status(0).AbstainingTo; to > 10 {
					t.Errorf("it acks nothing up to height %d", to)
				}
				for i := 1; i < n-1; i++ {
					c.all[i].chain.grow(9, 100)
				}
				c.eventually(time.Minute, "the lanes go on", c.grownTo(9, first, first[1:]))
				c.eventually(10*time.Second, "it acks again", func() bool { return signed.count(0) > before })
				time.Sleep(5 * time.Second) // an endless answer would go on
				if n := pages.Load(); n > 4*256 {
					t.Errorf("%d pages of tips were asked for", n)
				}
				c.stopAll()
			})
		})
	}
}

// docs/protocol.md 5.9: «a process that is not recovering stops […] when it is shown […] a valid
// node […] of its own (own chunk carries the highest of each, and is asked for on connecting)», and
// again as long as it shows a message that the journal lacks: the engine drops a message that is
// shown while it verifies another one.
func TestRule5_9_APeerIsAskedAgainWhileItKnowsMoreThanOurJournal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		p := c.start(3, newChain(c.ids[3], 100, 0))
		n := &wire.Node{Chunk: wire.Chunk{Sequencer: c.ids[3], Payload: wire.Digest{1}}}
		signature, err := c.set.ChunkSigners[3].SignChunk(t.Context(), n.Chunk)
		if err != nil {
			t.Fatal(err)
		}
		var asked atomic.Int64
		s := c.stranger(c.ids[0], func(_ context.Context, _ wire.PublicKey, typ network.Type, _ []byte, reply reply) {
			switch typ {
			case message.TipsRequestType:
				_ = reply(message.TipsType, new(message.Tips).AppendTo(nil))
			case message.OwnChunkRequestType:
				shown := *n
				if asked.Add(1) > 1 {
					shown.Signature = signature
				}
				_ = reply(message.OwnChunkType, (&message.OwnChunk{Node: &shown}).AppendTo(nil))
			}
		})
		defer s.stop()
		select {
		case <-p.done:
			if !errors.Is(p.err, engine.ErrStaleJournal) {
				t.Errorf("it stopped: %v", p.err)
			}
		case <-time.After(time.Minute):
			t.Errorf("it runs on, and has asked %d times", asked.Load())
			p.cancel()
			<-p.done
		}
		c.net.Close()
	})
}

// docs/protocol.md 5.9: «A copy of the whole folder from the past cannot be told from the present».
// A process that starts with such a copy while no peer is connected proposes nothing before others
// have told it of its lane.
func TestRule5_9_AnOldCopyProposesNothingBeforeAQuorumIsConnected(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.watchSignatures()
		c.startAll(900, 5)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(5))
		c.stop(3)
		old := c.disk[3].Crash(rand.New(rand.NewPCG(1, 1)), 1)
		c.start(3, c.all[3].chain)
		for _, p := range c.all {
			p.chain.grow(8, 900)
		}
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(8))
		c.stop(3)
		c.disk[3] = old
		c.cut(3, true)
		p := c.start(3, newChain(c.ids[3], 1100, 20))
		time.Sleep(20 * time.Second)
		c.cut(3, false)
		p.stale(t, 30*time.Second)
		c.all[3] = nil
		c.stopAll()
	})
}

// A validator without others waits for none before it proposes.
func TestAValidatorAloneProposesAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 1, lan)
		c.startAll(100, 3)
		c.eventually(time.Second, "its lane is handed over", c.everywhere(3))
		c.stopAll()
	})
}
