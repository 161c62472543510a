package engine_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

// flood makes one peer deliver acks in a loop, with a pause between rounds, until the returned
// function is called, which returns the number of acks and of refused ones.
func flood(p *engine.Peer, messages [][]byte, every time.Duration) (stop func() (delivered, refused uint64)) {
	var delivered, refused atomic.Uint64
	var over atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; !over.Load(); {
			var err error
			for n := 0; n < 8192 && err == nil; n++ {
				err = p.DeliverAckBytes(messages[i%len(messages)])
				delivered.Add(1)
				i++
			}
			if errors.Is(err, engine.ErrPeerFull) {
				refused.Add(1)
			}
			time.Sleep(every)
		}
	})
	return func() (uint64, uint64) {
		over.Store(true)
		wg.Wait()
		return delivered.Load(), refused.Load()
	}
}

// floods returns the possible floods of a validator, by name: messages that are refused at once,
// that were counted before, that open slots.
func (s *attackRig) floods() map[string][][]byte {
	last := wire.Participant(s.n() - 1)
	ack := func(height uint64, lane int) []byte {
		subject := s.subject(lane, height)
		subject.Chunk.Payload[1] ^= 0xFF
		a := wire.Ack{Chunk: subject.Chunk, Participant: last, Signature: make([]byte, 48)}
		return a.AppendTo(nil)
	}
	kinds := map[string][][]byte{"garbage": {[]byte("no ack at all")}}
	for i := range 4096 {
		kinds["repeated"] = append(kinds["repeated"], ack(0, 0))
		kinds["all heights"] = append(kinds["all heights"], ack(uint64(100+i), i%len(s.lanes)))
	}
	return kinds
}

func TestAFloodingPeerDoesNotStarveTheOthersAcks(t *testing.T) {
	n, lanes, rounds, measured := 4, 8, 2, heavy(t)
	if measured {
		n, lanes, rounds = 100, 64, 10
	}
	voters := newProgression(t, n)
	for name := range (&attackRig{follower: &follower{peers: make([]*engine.Peer, n), lanes: laneKeys(lanes)}}).floods() {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 3))
			s := newAttackRig(t, voters, silence, lanes, func(c *engine.Config) {
				c.PeerQuota, c.MaxVoteBytes = 1024, 16<<20
			})
			messages := s.floods()[name]
			var least, leastWall [2]time.Duration // without and with the flood
			var latency [2]time.Duration
			var delivered, refused uint64
			var flooding time.Duration
			for range rounds {
				for flooded := range 2 {
					plain, one := s.nextAcks(r, shuffled), s.nextAcks(r, shuffled)[:1]
					runtime.GC()
					stop := func() (uint64, uint64) { return 0, 0 }
					began := time.Now()
					if flooded == 1 {
						stop = flood(s.peers[n-1], messages, time.Millisecond)
						time.Sleep(2 * time.Millisecond)
					}
					cpu, wall := s.roundDuringFlood(plain)
					_, single := s.roundDuringFlood(one)
					if flooded == 1 {
						// The chunks may be certified before the flood has filled its quota.
						eventually(t, "some of the flood is refused", func() bool {
							return status(t, s.engine).Counters.InboxDropped > 0
						})
						flooding += time.Since(began)
					}
					d, f := stop()
					delivered, refused = delivered+d, refused+f
					if least[flooded] == 0 || cpu < least[flooded] {
						least[flooded] = cpu
					}
					if leastWall[flooded] == 0 || wall < leastWall[flooded] {
						leastWall[flooded] = wall
					}
					if latency[flooded] == 0 || single < latency[flooded] {
						latency[flooded] = single
					}
				}
			}
			for s.peers[n-1].Waiting() > 0 {
				time.Sleep(time.Millisecond)
			}
			st := status(t, s.engine)
			t.Logf("%.0f messages a second flooded, %d refused: others' throughput %.2f× (wall), %.2f× CPU, a chunk's latency %v → %v; %d KiB of votes",
				float64(delivered)/flooding.Seconds(), refused, ratio(leastWall[0], leastWall[1]), ratio(least[1], least[0]),
				latency[0], latency[1], st.VoteBytes>>10)
			if st.Counters.InboxDropped != refused || refused == 0 {
				t.Errorf("%d drops counted, %d messages refused", st.Counters.InboxDropped, refused)
			}
			if got := value(gather(t, s.registry)["lanecast_inbox_dropped_total"], "peer_full"); got != float64(refused) {
				t.Errorf("the metric says %v", got)
			}
			if st.VoteBytes > 16<<20 {
				t.Errorf("%d bytes of votes", st.VoteBytes)
			}
			if measured && ratio(leastWall[1], leastWall[0]) > 2 {
				t.Errorf("the others take %.2f× as long", ratio(leastWall[1], leastWall[0]))
			}
			s.mu.Lock()
			s.blamed = nil // the flooder may be reported for its messages
			s.mu.Unlock()
			s.audit(4)
		})
	}
}

// roundDuringFlood is like round, while another peer delivers messages without end.
func (s *attackRig) roundDuringFlood(chunks [][]ackMessage) (cpu, wall time.Duration) {
	s.t.Helper()
	done := s.expect(len(chunks))
	wallBegan, cpuBegan := time.Now(), cpuTime()
	for _, c := range chunks {
		for _, m := range c {
			if err := s.peers[m.from].DeliverAckBytes(m.bytes); err != nil {
				s.t.Fatalf("validator %d was refused: %v", m.from, err)
			}
		}
	}
	select {
	case <-done:
	case <-time.After(patience):
		s.t.Fatal("starved")
	}
	return cpuTime() - cpuBegan, time.Since(wallBegan)
}

// However much a peer floods, no other peer's message waits behind more of its messages than its
// quota.
func TestAMessageWaitsBehindNoMoreOfAFloodThanItsQuota(t *testing.T) {
	voters := newProgression(t, 4)
	const quota = 64
	s := newAttackRig(t, voters, noAttack, 1, func(c *engine.Config) { c.PeerQuota = quota })
	stop := flood(s.peers[3], [][]byte{[]byte("no ack")}, 100*time.Microsecond)
	defer stop()
	r := rand.New(rand.NewPCG(3, 3))
	for range 20 {
		chunk := s.nextAcks(r, only(0, 1, 2))[0]
		done := s.expect(1)
		for _, m := range chunk {
			before := status(t, s.engine).Counters.AcksReceived
			if err := s.peers[m.from].DeliverAckBytes(m.bytes); err != nil {
				t.Fatal(err)
			}
			if in := status(t, s.engine); in.Inbox > 2*quota {
				t.Fatalf("%d messages in the inbox", in.Inbox)
			} else if in.Counters.AcksReceived < before {
				t.Fatal("counters shrink")
			}
		}
		<-done
	}
}
