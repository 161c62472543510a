package engine_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// attackRig is a follower that receives only acks, of a whole validator set, on many lanes.
type attackRig struct {
	*follower
	voters   voterSet
	attack   attack
	height   uint64 // the next height of every lane
	registry *prometheus.Registry

	mu       sync.Mutex
	locks    []wire.Lock
	blamed   map[wire.PublicKey][]byte // by InvalidAck: the message
	badNodes map[wire.PublicKey]int    // reports of InvalidNode
	others   []wire.Activity
	wanted   int
	done     chan struct{} // closed when the wanted locks are there
}

func (s *attackRig) Report(_ context.Context, a wire.Activity) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch a := a.(type) {
	case *wire.Certified:
		s.locks = append(s.locks, a.Lock)
		if len(s.locks) == s.wanted {
			close(s.done)
		}
	case *wire.InvalidAck:
		s.blamed[a.Peer] = a.Message
	case *wire.InvalidNode:
		s.badNodes[a.Peer]++
	default:
		s.others = append(s.others, a)
	}
	return nil
}

// newAttackRig starts an engine with one worker. tune may be nil.
func newAttackRig(t testing.TB, voters voterSet, a attack, lanes int, tune func(*engine.Config)) *attackRig {
	t.Helper()
	return newAttackRigOn(t, voters, a, laneKeys(lanes), tune)
}

func newAttackRigOn(t testing.TB, voters voterSet, a attack, lanes []wire.PublicKey, tune func(*engine.Config)) *attackRig {
	t.Helper()
	s := &attackRig{
		voters: voters, attack: a, registry: prometheus.NewPedanticRegistry(),
		blamed: map[wire.PublicKey][]byte{}, badNodes: map[wire.PublicKey]int{},
	}
	s.follower = startFollower(t, voters.scheme(t), lanes, s, func(c *engine.Config) {
		c.PeerQuota, c.HeightBound, c.Workers, c.Metrics = 1<<13, 1<<20, 1, s.registry
		if tune != nil {
			tune(c)
		}
	})
	return s
}

// ackMessage is an ack as it comes from the network.
type ackMessage struct {
	from  int
	bytes []byte
}

func (s *attackRig) subject(lane int, height uint64) wire.Subject {
	c := wire.Chunk{Sequencer: s.lanes[lane], Height: height}
	c.Payload = sha256.Sum256(binary.BigEndian.AppendUint64(append([]byte("attacked"), c.Sequencer[:]...), height))
	return wire.Subject{Chunk: c}
}

// nextAcks prepares the acks of one more chunk on every lane, by chunk. order gives the order of
// the acks of one chunk.
func (s *attackRig) nextAcks(r *rand.Rand, order func(r *rand.Rand, n int) []int) [][]ackMessage {
	chunks := make([][]ackMessage, len(s.lanes))
	for lane := range chunks {
		subject := s.subject(lane, s.height)
		votes := s.attack(r, subject, s.voters.votes(s.t, subject))
		for _, i := range order(r, len(votes)) {
			if votes[i] != nil {
				a := wire.Ack{Chunk: subject.Chunk, Epoch: subject.Epoch, Participant: wire.Participant(i), Signature: votes[i]}
				chunks[lane] = append(chunks[lane], ackMessage{i, a.AppendTo(nil)})
			}
		}
	}
	s.height++
	return chunks
}

// shuffled puts acks in a random order.
func shuffled(r *rand.Rand, n int) []int { return r.Perm(n) }

// hostileFirst puts the hostile acks first, in every other chunk.
func hostileFirst(r *rand.Rand, n int) []int {
	order := r.Perm(n)
	if r.IntN(2) == 0 {
		first := n - faulty(n)
		slices.SortStableFunc(order, func(a, b int) int {
			return boolInt(a < first) - boolInt(b < first)
		})
	}
	return order
}

// honestLast puts an honest ack last.
func honestLast(r *rand.Rand, n int) []int {
	order := r.Perm(n)
	last := slices.IndexFunc(order, func(i int) bool { return i < n-faulty(n) })
	order[last], order[n-1] = order[n-1], order[last]
	return order
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// deliver delivers chunks from two goroutines, each chunk by one of them. With an even number of
// lanes one goroutine delivers all chunks of a lane: a chunk must not overtake the chunk below it.
func (s *attackRig) deliver(chunks [][]ackMessage) {
	const goroutines = 2
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := g; i < len(chunks); i += goroutines {
				for _, m := range chunks[i] {
					s.hand(m)
				}
			}
		})
	}
	wg.Wait()
}

func (s *attackRig) hand(m ackMessage) {
	for {
		err := s.peers[m.from].DeliverAckBytes(m.bytes)
		if err == nil {
			return
		}
		if !errors.Is(err, engine.ErrPeerFull) {
			s.t.Error(err)
			return
		}
		runtime.Gosched()
	}
}

// expect sets how many more locks must come, and returns a channel that is closed when they have
// come.
func (s *attackRig) expect(locks int) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted, s.done = len(s.locks)+locks, make(chan struct{})
	return s.done
}

// round delivers the acks of some chunks, waits until every chunk is certified and every message
// has been read, and returns the cost.
func (s *attackRig) round(chunks [][]ackMessage) (cpu, wall time.Duration) {
	s.t.Helper()
	done := s.expect(len(chunks))
	wallBegan, cpuBegan := time.Now(), cpuTime()
	s.deliver(chunks)
	s.await(done)
	return cpuTime() - cpuBegan, time.Since(wallBegan)
}

// await waits for the channel of expect, and until every message has been read.
func (s *attackRig) await(done <-chan struct{}) {
	s.t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		s.mu.Lock()
		missing := s.wanted - len(s.locks)
		s.mu.Unlock()
		s.t.Fatalf("%d certificates are missing; %+v", missing, status(s.t, s.engine).Counters)
	}
	for _, p := range s.peers {
		for p.Waiting() > 0 {
			time.Sleep(50 * time.Microsecond)
		}
	}
}

// lateRound is like round, but delivers the last ack of every chunk later, so that all earlier acks
// wait for it.
func (s *attackRig) lateRound(chunks [][]ackMessage, wait time.Duration) (cpu, wall time.Duration) {
	s.t.Helper()
	last := make([][]ackMessage, len(chunks))
	for i, c := range chunks {
		last[i], chunks[i] = c[len(c)-1:], c[:len(c)-1]
	}
	began := cpuTime()
	s.deliver(chunks)
	time.Sleep(wait)
	before := cpuTime() - began
	cpu, wall = s.round(last)
	return before + cpu, wall
}

// audit checks the results: every certificate is valid under a fresh scheme, and every so many of
// them under a verifier that shares no code with it; only validators that sent an invalid vote are
// blamed, each with that vote.
func (s *attackRig) audit(every int) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	scheme := s.voters.scheme(s.t)
	for i, l := range s.locks {
		if err := verify.VerifyCertificate(scheme, l.Subject(), l.Certificate); err != nil {
			s.t.Fatalf("the lock of height %d does not verify: %v", l.Chunk.Height, err)
		}
		if i%every == 0 && !s.voters.certifies(l.Subject(), l.Certificate) {
			s.t.Fatalf("the lock of height %d does not verify under the twin", l.Chunk.Height)
		}
	}
	for id, message := range s.blamed {
		i := slices.Index(scheme.Participants(), id)
		if i < s.n()-faulty(s.n()) {
			s.t.Errorf("validator %d, which is honest, was blamed", i)
		}
		var a wire.Ack
		if err := a.Decode(message); err != nil || int(a.Participant) != i || verify.VerifyAck(scheme, &a) == nil {
			s.t.Errorf("validator %d was blamed for a valid ack, %v", i, err)
		}
	}
	if len(s.others) > 0 {
		s.t.Errorf("%d other activities were reported, first %v", len(s.others), s.others[0].Tag())
	}
}

// blames returns the number of validators that were reported for an invalid ack.
func (s *attackRig) blames() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.blamed)
}
