package replica_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// epochSets is the epoch in which a host starts, and the sequencers of each epoch that it knows.
// The validators are always the same.
type epochSets struct {
	current    uint64
	sequencers map[uint64][]wire.PublicKey
}

// passEpochs makes replicas that start later know the epochs that of returns. It returns the sets
// of each replica, once the replica was started.
func (c *cluster) passEpochs(of func(i int) epochSets) []*engine.Epochs {
	all := make([]*engine.Epochs, len(c.ids))
	before := c.tune
	c.tune = func(i int, config *replica.Config) {
		if before != nil {
			before(i, config)
		}
		sets := of(i)
		all[i] = engine.NewEpochs(sets.current)
		for epoch := range sets.sequencers {
			c.addEpoch(all[i], epoch, config.Epochs, sets.sequencers[epoch])
		}
		config.Epochs = all[i]
	}
	return all
}

func (c *cluster) addEpoch(to *engine.Epochs, epoch uint64, signers engine.SchemeProvider, sequencers []wire.PublicKey) {
	c.t.Helper()
	if err := to.Add(epoch, c.set.Scheme, signers.AckSigner(0), sequencers); err != nil {
		c.t.Fatal(err)
	}
}

// docs/protocol.md 7.5: «If its epoch, or who its sequencers were, is unknown, nothing is acked on
// that lane until a lock within bounds is held», also if the lock was in our own archive.
func TestRule7_5_AnArchiveWithLocksOfEpochsThatAreGoneKeepsNobodyFromRecovering(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		signed := c.watchSignatures()
		later := []wire.PublicKey{c.ids[0], c.ids[1], c.ids[3]}
		sets := epochSets{0, map[uint64][]wire.PublicKey{0: c.ids, 5: later}}
		epochs := c.passEpochs(func(int) epochSets { return sets })
		c.startAll(100, 3)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(3))
		for _, e := range epochs {
			if err := e.Advance(5); err != nil {
				t.Fatal(err)
			}
		}
		for _, i := range []int{0, 1, 3} {
			c.all[i].chain.grow(6, 100)
		}
		all := []int{0, 1, 2, 3}
		c.eventually(30*time.Second, "the lanes of epoch 5 go on", c.grownTo(6, all, []int{0, 1, 3}))
		c.stop(3)
		sets = epochSets{5, map[uint64][]wire.PublicKey{5: later}} // its host dropped the others
		before := c.tune
		c.tune = func(i int, config *replica.Config) {
			before(i, config)
			config.Recover = true
			config.Engine.Journal.Storage.FS = newMemFS() // the archive is still there
		}
		acks := signed.count(3)
		c.start(3, c.all[3].chain)
		c.eventually(time.Minute, "it has recovered", c.recovered(3))
		for _, i := range []int{0, 1} {
			c.all[i].chain.grow(12, 100)
		}
		c.eventually(time.Minute, "the lanes go on everywhere", c.grownTo(12, all, []int{0, 1}))
		if signed.count(3) == acks {
			t.Error("it acks nothing any more")
		}
		c.stopAll()
	})
}

// docs/protocol.md 7.5: «While validators that weigh more than f tell of locks of epochs ahead of
// its bounds, it waits». Otherwise it could ack twice on the lane of a sequencer that it does not
// know yet.
func TestRule7_5_AHostThatIsBehindRecoversOnceItHasComeToTheEpochOfTheOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 7, lan)
		sets := epochSets{5, map[uint64][]wire.PublicKey{5: c.ids}}
		epochs := c.passEpochs(func(int) epochSets { return sets })
		for i := range 6 {
			c.start(i, newChain(c.ids[i], 100, 3))
		}
		six := []int{0, 1, 2, 3, 4, 5}
		c.eventually(30*time.Second, "the lanes are handed over", c.grownTo(3, six, six))
		first := makeBody(c.ids[6], 0, wire.Digest{}, bodyOf(c.ids[6], 0, 100), nil)
		second := makeBody(c.ids[6], 0, wire.Digest{}, bodyOf(c.ids[6], 0, 200), nil)
		s := c.stranger(c.ids[6], has(first, second))
		defer s.stop()
		s.awaits(c.ids[:6]...)
		c.propose(s, 0, first.digest, nil, c.ids[0])
		c.eventually(10*time.Second, "one validator acks", func() bool { return s.acked(first.digest) == 1 })
		c.stop(0)
		sets = epochSets{0, map[uint64][]wire.PublicKey{0: c.ids[:6]}} // whose host is lost as well
		c.lose(0, newChain(c.ids[0], 100, 0), nil)
		s.awaits(c.ids[0])
		time.Sleep(30 * time.Second)
		if !c.status(0).Recovering {
			t.Error("it has recovered in an epoch that is over")
		}
		c.addEpoch(epochs[0], 5, epochs[0], c.ids)
		if err := epochs[0].Advance(5); err != nil {
			t.Fatal(err)
		}
		c.eventually(time.Minute, "it has recovered", c.recovered(0))
		c.propose(s, 0, second.digest, nil, c.ids[0])
		time.Sleep(5 * time.Second)
		if s.acked(second.digest) > 0 {
			t.Error("a second chunk is acked")
		}
		c.stopAll()
	})
}

// docs/protocol.md 7.5: «While our own archive […] tell[s] of locks of epochs ahead of bounds, the
// process waits».
func TestRule7_5_AnArchiveThatIsNewerThanTheHostKeepsARecoveryFromItsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		sets := epochSets{5, map[uint64][]wire.PublicKey{0: c.ids, 5: c.ids}}
		epochs := c.passEpochs(func(int) epochSets { return sets })
		c.startAll(100, 3)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(3))
		for i := range c.ids {
			c.stop(i)
		}
		answers := func(_ context.Context, _ wire.PublicKey, typ network.Type, _ []byte, reply reply) {
			if typ == message.TipsRequestType {
				_ = reply(message.TipsType, new(message.Tips).AppendTo(nil)) // they do not know it
			}
		}
		for _, id := range c.ids[:3] {
			s := c.stranger(id, answers)
			defer s.stop()
		}
		sets.current = 0
		before := c.tune
		c.tune = func(i int, config *replica.Config) {
			before(i, config)
			config.Recover = true
			config.Engine.Journal.Storage.FS = newMemFS()
		}
		p := c.start(3, c.all[3].chain)
		time.Sleep(30 * time.Second)
		if !c.status(3).Recovering {
			t.Error("it has recovered in an epoch that is over")
		}
		if err := epochs[3].Advance(5); err != nil {
			t.Fatal(err)
		}
		c.eventually(time.Minute, "it has recovered", c.recovered(3))
		p.cancel()
		<-p.done
		c.net.Close()
	})
}

// docs/protocol.md 5.10: «Every sequencer of a known epoch up to that of the newest adopted lock
// has a mark», also if an attacker makes higher locks of all lanes with the keys of an epoch below
// bounds.
func TestRule5_10_LocksOfRetiredKeysDoNotHideANewerEpoch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 7, lan)
		sets := epochSets{6, map[uint64][]wire.PublicKey{0: c.ids[:6], 5: c.ids[:6], 6: c.ids}}
		c.tamper(func(i int) *tampered {
			return &tampered{serve: func(_ context.Context, _ wire.PublicKey, typ network.Type, _ []byte, reply reply, honest func(reply)) {
				if typ == message.TipsRequestType {
					time.Sleep(time.Second) // another validator answers first
				}
				honest(reply)
			}}
		})
		epochs := c.passEpochs(func(int) epochSets { return sets })
		for i := range 6 {
			// The lane of replica 0 has no chunk that tells of the epoch.
			c.start(i, newChain(c.ids[i], 100, uint64(min(3*i, 3))))
		}
		six := []int{0, 1, 2, 3, 4, 5}
		c.eventually(30*time.Second, "the lanes are handed over", c.grownTo(3, six, six[1:]))
		first := makeBody(c.ids[6], 0, wire.Digest{}, bodyOf(c.ids[6], 0, 100), nil)
		second := makeBody(c.ids[6], 0, wire.Digest{}, bodyOf(c.ids[6], 0, 200), nil)
		var retired message.Tips
		for _, id := range slices.SortedFunc(slices.Values(c.ids[:6]), wire.PublicKey.Compare) {
			k := c.lock(wire.Chunk{Sequencer: id, Height: 1 << 40, Payload: wire.Digest{1}})
			retired.Add(&k)
		}
		bodies := has(first, second)
		s := c.stranger(c.ids[6], func(ctx context.Context, from wire.PublicKey, typ network.Type, request []byte, reply reply) {
			if typ == message.TipsRequestType {
				_ = reply(message.TipsType, retired.AppendTo(nil))
				return
			}
			bodies(ctx, from, typ, request, reply)
		})
		defer s.stop()
		s.awaits(c.ids[:6]...)
		c.propose(s, 0, first.digest, nil, c.ids[0])
		c.eventually(10*time.Second, "one validator acks", func() bool { return s.acked(first.digest) == 1 })
		c.stop(0)
		sets.current = 5 // its host is one epoch behind
		c.lose(0, newChain(c.ids[0], 100, 0), nil)
		s.awaits(c.ids[0])
		c.eventually(time.Minute, "it has recovered", c.recovered(0))
		if err := epochs[0].Advance(6); err != nil {
			t.Fatal(err)
		}
		c.propose(s, 0, second.digest, nil, c.ids[0])
		time.Sleep(5 * time.Second)
		if s.acked(second.digest) > 0 {
			t.Error("a second chunk is acked")
		}
		c.stopAll()
	})
}

// A host may have handed in a lock of a lane that no set has: docs/protocol.md 7.4. A validator
// that sends such a lock does not lie.
func TestRule7_5_ALockOfALaneOfNobodyKeepsNobodyFromRecovering(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.startAll(100, 2)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(2))
		nobody := testkit.Identity(testkit.Identities(5, 77)[0])
		k := c.lock(wire.Chunk{Sequencer: nobody, Height: 3, Payload: wire.Digest{1}})
		for i := range 3 {
			if err := c.all[i].Offer(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
		c.stop(3)
		c.lose(3, newChain(c.ids[3], 100, 0), nil)
		c.eventually(time.Minute, "it has recovered", c.recovered(3))
		c.stopAll()
	})
}

// docs/protocol.md 7.5: «without that certificate, or if a lock that does not count is above all
// that is proven, the lane is not resumed»: the present answer of a validator counts, not an
// earlier one.
func TestRule7_5_ALieThatIsToldNoMoreKeepsNoLaneFromBeingResumed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		for i := range 3 {
			c.start(i, newChain(c.ids[i], 100, 2))
		}
		three := []int{0, 1, 2}
		c.eventually(30*time.Second, "the lanes are handed over", c.grownTo(2, three, three))
		lies := func(epoch uint64) func(context.Context, wire.PublicKey, network.Type, []byte, reply) {
			return func(_ context.Context, _ wire.PublicKey, typ network.Type, _ []byte, reply reply) {
				switch typ {
				case message.OwnChunkRequestType:
					_ = reply(message.OwnChunkType, new(message.OwnChunk).AppendTo(nil))
				case message.TipsRequestType:
					var page message.Tips
					if epoch > 0 {
						page.Add(&wire.Lock{Chunk: wire.Chunk{Sequencer: c.ids[0], Height: 1 << 50}, Epoch: epoch, Certificate: []byte{1}})
					}
					_ = reply(message.TipsType, page.AppendTo(nil))
				}
			}
		}
		s := c.stranger(c.ids[3], lies(99))
		defer s.stop()
		c.stop(0)
		c.lose(0, newChain(c.ids[0], 100, 0), resumes)
		time.Sleep(30 * time.Second)
		if !c.status(0).Recovering {
			t.Error("a lock of an unknown epoch is above all that is proven")
		}
		s.serves(lies(0))
		c.eventually(time.Minute, "it has recovered", c.recovered(0))
		if status := c.status(0); status.OwnLane != "free" {
			t.Errorf("own lane %s", status.OwnLane)
		}
		c.stopAll()
	})
}
