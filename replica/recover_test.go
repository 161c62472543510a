package replica_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/simnet"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// signatures holds all acks that the keys of a cluster have signed, and all nodes that a peer has
// received, also those that a lost journal held. They show whether docs/protocol.md 5.1 holds.
type signatures struct {
	t testing.TB

	mu     sync.Mutex
	acks   map[ackPlace]wire.Digest
	acked  []int // number of signatures by validator
	chunks map[engine.Place]wire.Digest
}

type ackPlace struct {
	validator int
	sequencer wire.PublicKey
	height    uint64
	epoch     uint64
}

// watchSignatures records the signatures of every replica that is started from now on.
func (c *cluster) watchSignatures() *signatures {
	s := &signatures{t: c.t, acks: make(map[ackPlace]wire.Digest), chunks: make(map[engine.Place]wire.Digest), acked: make([]int, len(c.ids))}
	before := c.tune
	c.tune = func(i int, config *replica.Config) {
		if before != nil {
			before(i, config)
		}
		if i < len(c.set.Signers) {
			config.Epochs = watchedSets{config.Epochs, watchedAcks{s, i, c.set.Signers[i]}}
		}
	}
	c.tamper(func(int) *tampered { return &tampered{received: s.node} })
	return s
}

type watchedSets struct {
	replica.Sets
	signer watchedAcks
}

func (w watchedSets) AckSigner(uint64) verify.AckSigner { return w.signer }

type watchedAcks struct {
	all *signatures
	i   int
	of  verify.AckSigner
}

func (w watchedAcks) SignAck(ctx context.Context, subject wire.Subject) ([]byte, error) {
	s, c := w.all, subject.Chunk
	place := ackPlace{w.i, c.Sequencer, c.Height, subject.Epoch}
	s.mu.Lock()
	if before, ok := s.acks[place]; ok && before != c.Payload {
		s.t.Errorf("validator %d signs a second ack at height %d of lane %v", w.i, c.Height, c.Sequencer)
	}
	s.acks[place] = c.Payload
	s.acked[w.i]++
	s.mu.Unlock()
	return w.of.SignAck(ctx, subject)
}

// node notes a node that a peer received.
func (s *signatures) node(_ wire.PublicKey, m network.Message) {
	var n wire.Node
	if m.Type != bridge.Node || n.DecodeStored(m.Buffer.Bytes()) != nil {
		return
	}
	place := engine.Place{Sequencer: n.Chunk.Sequencer, Height: n.Chunk.Height}
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, ok := s.chunks[place]; ok && before != n.Chunk.Payload {
		s.t.Errorf("sequencer %v has sent two chunks for height %d", n.Chunk.Sequencer, n.Chunk.Height)
	}
	s.chunks[place] = n.Chunk.Payload
}

// count returns the number of acks that a validator has signed.
func (s *signatures) count(validator int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked[validator]
}

// highest returns the highest height of a lane at which a peer has received a node.
func (s *signatures) highest(id wire.PublicKey) (height uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for place := range s.chunks {
		if place.Sequencer == id {
			height = max(height, place.Height)
		}
	}
	return height
}

// lose stops a replica, removes its disk and lets it recover. Its new host proposes bodies of
// another size.
func (c *cluster) lose(i int, app *chain, tune func(config *replica.Config)) *process {
	c.t.Helper()
	c.disk[i] = newMemFS()
	before := c.tune
	defer func() { c.tune = before }()
	c.tune = func(j int, config *replica.Config) {
		if before != nil {
			before(j, config)
		}
		if j == i {
			config.Recover = true
			if tune != nil {
				tune(config)
			}
		}
	}
	return c.start(i, app)
}

func resumes(config *replica.Config) { config.Resume = true }

func (c *cluster) status(i int) engine.Status {
	c.t.Helper()
	status, err := c.all[i].Engine().Status(c.t.Context())
	if err != nil {
		c.t.Fatalf("replica %d: %v", i, err)
	}
	return status
}

func (c *cluster) recovered(i int) func() bool {
	return func() bool { return !c.status(i).Recovering }
}

// grownTo reports whether the replicas have been handed the lanes up to a height.
func (c *cluster) grownTo(height uint64, replicas []int, lanes []int) func() bool {
	return func() bool {
		for _, i := range replicas {
			for _, j := range lanes {
				if c.all[i].chain.next(c.ids[j]) < height {
					return false
				}
			}
		}
		return true
	}
}

// docs/protocol.md 7.5: «When other validators whose weight is a quorum have answered […] it adopts
// the highest verified lock of each lane», and 5.10: «A sequencer that recovered has ended its
// lane».
func TestRule7_5_AProcessThatLostItsDiskComesBackByAskingItsPeers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		signed := c.watchSignatures()
		c.startAll(900, 6)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(6))
		c.stop(3)
		for i := range 3 {
			c.all[i].chain.grow(9, 900)
		}
		c.eventually(30*time.Second, "the others go on", c.grownTo(9, []int{0, 1, 2}, []int{0, 1, 2}))
		before := signed.count(3)
		c.lose(3, newChain(c.ids[3], 1100, 20), nil)
		c.eventually(30*time.Second, "it has recovered", c.recovered(3))
		if status := c.status(3); status.OwnLane != "ended" || status.Abstaining == 0 {
			t.Errorf("own lane %s, abstaining on %d lanes", status.OwnLane, status.Abstaining)
		}
		for i := range 3 {
			c.all[i].chain.grow(20, 900)
		}
		c.eventually(60*time.Second, "all lanes but its own go on, at all", c.grownTo(20, []int{0, 1, 2, 3}, []int{0, 1, 2}))
		if signed.count(3) == before {
			t.Error("it acks nothing any more")
		}
		if n := c.all[0].chain.next(c.ids[3]); n != 6 {
			t.Errorf("its own lane has come to height %d", n)
		}
		c.stopAll()
	})
}

// docs/protocol.md 5.9: «While recovering nothing is signed, through all restarts and whatever the
// configuration says».
func TestRule7_5_NothingIsSignedUntilAQuorumOfOthersHasAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		signed := c.watchSignatures()
		c.startAll(900, 4)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(4))
		c.stop(3)
		c.net.Cut(c.ids[3], c.ids[0])
		before := signed.count(3)
		for i := range 3 {
			c.all[i].chain.grow(8, 900)
		}
		app := newChain(c.ids[3], 1100, 20)
		c.lose(3, app, nil)
		for range 3 {
			time.Sleep(20 * time.Second)
			if !c.status(3).Recovering {
				t.Fatal("it has recovered with the answers of two")
			}
			c.stop(3)
			c.start(3, app) // it continues without the setting
		}
		if n := signed.count(3); n != before {
			t.Errorf("%d acks were signed", n-before)
		}
		c.net.Heal(c.ids[3], c.ids[0])
		c.eventually(30*time.Second, "it has recovered", c.recovered(3))
		c.stopAll()
	})
}

// uncertified lets sequencer i sign chunks, which reach the validators for which reaches returns
// true, until one chunk gets no certificate. It returns that chunk's height.
func (c *cluster) uncertified(signed *signatures, i int, reaches func(j int) bool) uint64 {
	c.t.Helper()
	for j := range c.ids {
		if j != i && !reaches(j) {
			c.net.Cut(c.ids[i], c.ids[j])
		}
	}
	c.all[i].chain.grow(1000, 900)
	time.Sleep(5 * time.Second)
	height := signed.highest(c.ids[i])
	c.stop(i)
	for j := range c.ids {
		if j != i {
			c.net.Heal(c.ids[i], c.ids[j])
		}
	}
	return height
}

// docs/protocol.md 7.5: «The highest chunk with a valid signature of ours, whatever parent came
// with it, is sent again with the certificate adopted».
func TestRule7_5_ALaneThatResumesSendsItsHighestChunkAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		signed := c.watchSignatures()
		c.startAll(900, 5)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(5))
		height := c.uncertified(signed, 3, func(j int) bool { return j == 1 })
		if height != 5 || c.all[0].chain.next(c.ids[3]) != 5 {
			t.Fatalf("it has signed height %d, and %d are certified", height, c.all[0].chain.next(c.ids[3]))
		}
		c.lose(3, newChain(c.ids[3], 1100, 12), resumes)
		c.eventually(60*time.Second, "its lane goes on everywhere", c.grownTo(12, []int{0, 1, 2, 3}, []int{3}))
		if status := c.status(3); status.OwnLane != "free" {
			t.Errorf("own lane %s", status.OwnLane)
		}
		c.stopAll()
	})
}

// docs/protocol.md 7.5: «every validator of the current epoch and of those within bounds must have
// answered».
func TestRule7_5_ToResumeEveryValidatorMustHaveAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 7, lan) // a quorum of others is five of six
		signed := c.watchSignatures()
		c.startAll(900, 3)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(3))
		c.uncertified(signed, 6, func(j int) bool { return j == 0 })
		c.stop(0) // the only one that knows the chunk
		c.lose(6, newChain(c.ids[6], 1100, 9), resumes)
		time.Sleep(time.Minute)
		if !c.status(6).Recovering {
			t.Fatal("it has resumed without an answer of all")
		}
		c.start(0, c.all[0].chain)
		c.eventually(60*time.Second, "its lane goes on everywhere", c.grownTo(9, []int{0, 1, 2, 3, 4, 5, 6}, []int{6}))
		c.stopAll()
	})
}

// docs/protocol.md 7.5: «a body that no validator has, end[s] the lane».
func TestRule7_5_AChunkWhoseBodyNobodyHasEndsTheLane(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		withheld := false
		c.tamper(func(i int) *tampered {
			if i != 3 {
				return nil
			}
			return &tampered{
				send: withholds(func(wire.PublicKey) bool { return withheld }),
				serve: func(_ context.Context, _ wire.PublicKey, typ network.Type, _ []byte, reply reply, honest func(func(network.Type, []byte) error)) {
					if !withheld || typ != message.PieceRequestType {
						honest(reply)
					}
				},
			}
		})
		signed := c.watchSignatures()
		c.startAll(900, 5)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(5))
		withheld = true
		c.uncertified(signed, 3, func(int) bool { return true })
		withheld = false
		c.lose(3, newChain(c.ids[3], 1100, 12), resumes)
		c.eventually(3*time.Minute, "it has recovered", c.recovered(3))
		if status := c.status(3); status.OwnLane != "ended" {
			t.Errorf("own lane %s", status.OwnLane)
		}
		c.stopAll()
	})
}

// docs/protocol.md 7.5: «a body that no validator has, end[s] the lane», and no other fault of the
// body does: an archive without room waits for the host.
func TestRule7_5_AnArchiveWithoutRoomDoesNotEndALaneThatResumes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.tune = func(_ int, config *replica.Config) { config.MaxPayload = 64 << 10 }
		signed := c.watchSignatures()
		c.startAll(700, 40)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(40))
		c.uncertified(signed, 3, func(j int) bool { return j == 1 })
		p := c.lose(3, newChain(c.ids[3], 1100, 12), func(config *replica.Config) {
			config.Resume = true
			config.Archive.Quota, config.Archive.Retain = 64<<10, -1
		})
		time.Sleep(3 * time.Minute)
		if status := c.status(3); status.OwnLane == "ended" {
			t.Errorf("own lane %s", status.OwnLane)
		}
		if usage := p.Usage(); usage.Used+900 < 64<<10 {
			t.Errorf("the archive has room: %+v", usage)
		}
		for _, id := range c.ids {
			if err := p.Prune(t.Context(), id, 40); err != nil {
				t.Fatal(err)
			}
		}
		c.eventually(time.Minute, "it has recovered", c.recovered(3))
		if status := c.status(3); status.OwnLane != "free" {
			t.Errorf("own lane %s", status.OwnLane)
		}
		c.stopAll()
	})
}

// docs/protocol.md 5.9: «a process that is not recovering stops, with that as the reason, when it
// is shown […] a valid node or ack of its own (own chunk carries the highest of each, and is asked
// for on connecting)», also in a network without new chunks.
func TestRule5_9_AnOldCopyOfTheDiskIsNoticedWhereNothingGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.watchSignatures() // it would propose other bodies than before
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
		p := c.start(3, newChain(c.ids[3], 1100, 20))
		p.stale(t, 10*time.Second)
		c.all[3] = nil
		c.stopAll()
	})
}

// Docs/protocol.md 7.5, under everything at once: one replica after the other loses its disk at any
// moment, also while it recovers, loses power, is cut off, and resumes. No replica signs two acks
// or two chunks for one place, all hosts are handed the same chunks, and every lane continues.
//
// LANECAST_LOST_JOURNALS is the number of disks that are lost in all.
func TestDisksThatAreLostOneAfterTheOtherLeaveNoSecondSignature(t *testing.T) {
	losses := fromEnvironment(t, "LANECAST_LOST_JOURNALS", 4, 2)
	perRun := min(4, losses)
	for seed := range uint64((losses + perRun - 1) / perRun) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T) { loseDisks(t, rand.New(rand.NewPCG(seed, 19)), perRun) })
		})
	}
}

func loseDisks(t *testing.T, rng *rand.Rand, losses int) {
	c := newCluster(t, 4, simnet.Conditions{Latency: 2 * time.Millisecond, Jitter: 3 * time.Millisecond, Loss: []float64{0, 0.02}[rng.IntN(2)]})
	signed := c.watchSignatures()
	for i, id := range c.ids {
		app := newChain(id, 700, 1<<40)
		app.pace = 400 * time.Millisecond
		c.start(i, app)
	}
	sleep := func(most time.Duration) { time.Sleep(time.Duration(rng.Int64N(int64(most)))) }
	everybody, lanes := []int{0, 1, 2, 3}, []int{0, 1, 2, 3}
	for k := range losses {
		sleep(time.Second)
		i := rng.IntN(4)
		if rng.IntN(2) == 0 { // some of its chunks reach less than a quorum
			c.net.Cut(c.ids[i], c.ids[(i+1)%4])
			c.net.Cut(c.ids[i], c.ids[(i+2)%4])
			sleep(time.Second)
		}
		c.crash(i, rng, rng.IntN(3))
		c.cut(i, false)
		app := c.all[i].chain
		app.grow(1<<40, 700+k+1) // it proposes other bodies than before
		config := func(config *replica.Config) { resumes(config) }
		c.lose(i, app, config)
		for rng.IntN(2) == 0 { // it loses power, or its disk again, while it recovers
			if sleep(6 * time.Second); c.recovered(i)() {
				break
			}
			c.crash(i, rng, rng.IntN(3))
			if rng.IntN(2) == 0 {
				c.lose(i, app, config)
				continue
			}
			before := c.tune
			c.tune = func(j int, config *replica.Config) { before(j, config); config.Resume = true }
			c.start(i, app)
			c.tune = before
		}
		c.eventually(2*time.Minute, "it has recovered", c.recovered(i))
		if c.status(i).OwnLane == "ended" { // a peer has its node, and no peer the body
			lanes = slices.DeleteFunc(lanes, func(lane int) bool { return lane == i })
		}
		height := uint64(0)
		for _, lane := range lanes {
			id := c.ids[lane]
			height = max(height, c.all[i].chain.next(id), signed.highest(id))
		}
		c.eventually(5*time.Minute, "every lane goes on everywhere", c.grownTo(height+3, everybody, lanes))
	}
	c.stopAll()
}

// docs/protocol.md 5.10: «A sequencer that recovered has ended its lane: it goes on under a new key
// in a later epoch», while the validator continues under the old one.
func TestRule5_10_ASequencerWhoseLaneHasEndedGoesOnUnderANewKey(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		fresh := testkit.Identities(1, 99)[0]
		c.ids, c.all, c.disk = append(c.ids, testkit.Identity(fresh)), append(c.all, nil), append(c.disk, newMemFS())
		old, successor := c.ids[3], c.ids[4]
		epochs := make(map[int]*engine.Epochs)
		c.tune = func(i int, config *replica.Config) {
			sets := engine.NewEpochs(0)
			var signer verify.AckSigner
			if i < 4 {
				signer = c.set.Signers[i]
			} else {
				config.Key, config.Transport = fresh, c.net.NewTransport(successor, replica.Types(0))
			}
			for epoch, sequencers := range [][]wire.PublicKey{c.ids[:4], append(slices.Clone(c.ids[:3]), successor)} {
				if err := sets.Add(uint64(epoch), c.set.Scheme, signer, sequencers); err != nil {
					t.Fatal(err)
				}
			}
			config.Epochs, epochs[i] = sets, sets
		}
		signed := c.watchSignatures()
		for i := range 4 {
			c.start(i, newChain(c.ids[i], 900, 5))
		}
		validators := []int{0, 1, 2, 3}
		c.eventually(30*time.Second, "every lane is handed over", c.grownTo(5, validators, validators))
		c.stop(3)
		c.lose(3, newChain(old, 1100, 20), nil)
		c.eventually(30*time.Second, "it has recovered", c.recovered(3))
		if state := c.status(3).OwnLane; state != "ended" {
			t.Errorf("own lane %s", state)
		}
		c.startAs(4, 3, newChain(successor, 900, 5)) // tune replaces its keys
		for i := range 5 {
			if err := epochs[i].Advance(1); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 3 {
			c.all[i].chain.grow(12, 900)
		}
		everybody := []int{0, 1, 2, 3, 4}
		c.eventually(time.Minute, "the new lane is handed over everywhere", c.grownTo(5, everybody, []int{4}))
		c.eventually(time.Minute, "the others go on", c.grownTo(12, everybody, []int{0, 1, 2}))
		if n := c.all[0].chain.next(old); n != 5 {
			t.Errorf("the old lane has come to height %d", n)
		}
		if signed.count(3) == 0 {
			t.Error("the validator acks nothing")
		}
		c.stopAll()
	})
}
