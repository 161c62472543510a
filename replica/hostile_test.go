package replica_test

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// flooded runs three replicas and a faulty fourth identity, which attacks, and checks that the
// lanes of the three are handed over about as fast as without it.
func flooded(t *testing.T, tune func(*replica.Config), attack func(c *cluster, s *stranger)) (c *cluster, read func(i int, name, label string) float64) {
	t.Helper()
	c = newCluster(t, 4, lan)
	c.tune = func(_ int, config *replica.Config) {
		if tune != nil {
			tune(config)
		}
	}
	read = c.count()
	s := c.stranger(c.ids[3], nil)
	for i := range 3 {
		c.start(i, newChain(c.ids[i], 100_000, 10))
	}
	s.awaits(c.ids[:3]...)
	attack(c, s)
	began := time.Now()
	c.eventually(time.Minute, "the lanes of honest sequencers are handed over", func() bool {
		for _, p := range c.all[:3] {
			for _, id := range c.ids[:3] {
				if p.chain.next(id) < 10 {
					return false
				}
			}
		}
		return true
	})
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	time.Sleep(5 * time.Second) // of the attack alone
	s.stop()
	return c, read
}

// Every message of every type that a peer can send: without bytes, with one, with as many as its
// type allows, as random bytes and as bytes that begin like a right one.
func TestJunkInEveryMessageHarmsNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, _ := flooded(t, nil, func(c *cluster, s *stranger) {
			to := c.ids[:3]
			right := numbered(s.id, 0, 0, 200_000)
			examples := map[network.Type][]byte{
				message.PushType:           right.header.AppendTo(nil),
				message.PushedPieceType:    (&message.PushedPiece{Digest: right.digest, Bytes: right.body[:64<<10]}).AppendTo(nil),
				message.HeadersRequestType: (&message.HeadersRequest{Place: right.place(), Digest: right.digest, Count: 1024}).AppendTo(nil),
				message.PieceRequestType:   (&message.PieceRequest{Place: right.place(), Digest: right.digest, Index: 1 << 31}).AppendTo(nil),
				message.TipsRequestType:    (&message.TipsRequest{Since: &message.Revision{Number: 1 << 60}, Epochs: []uint64{0, 1, 1 << 63}}).AppendTo(nil),
			}
			s.again(20*time.Millisecond, func(int) {
				for _, typ := range message.Types() {
					b := junk(rand.IntN(min(typ.Limit, 2000) + 1))
					if example := examples[typ.Type]; example != nil && rand.IntN(2) == 0 {
						b = append([]byte(nil), example...)
						if rand.IntN(2) == 0 {
							b[rand.IntN(len(b))] ^= 1 << rand.IntN(8)
						} else {
							b = b[:rand.IntN(len(b)+1)]
						}
					}
					switch typ.Kind {
					case network.Plain:
						s.Send(to, typ.Type, b)
					case network.Request:
						s.busy.Go(func() {
							ctx, cancel := context.WithTimeout(s.ctx, time.Second)
							defer cancel()
							if answer, err := s.Request(ctx, to[rand.IntN(3)], typ.Type, b); err == nil {
								answer.Buffer.Release()
							}
						})
					}
				}
			})
		})
		c.stopAll()
	})
}

// Thousands of requests for chunks that do not exist are refused while honest peers are served.
func TestThousandsOfRequestsDelayNobodyForLong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var answered, refused atomic.Int64
		c, _ := flooded(t, nil, func(c *cluster, s *stranger) {
			requests := []func() (network.Type, []byte){
				func() (network.Type, []byte) { // of no lane
					return message.HeadersRequestType, (&message.HeadersRequest{Place: message.Place{Sequencer: wire.PublicKey(junk(32)), Height: rand.Uint64()}, Digest: wire.Digest(junk(32)), Count: 1024}).AppendTo(nil)
				},
				func() (network.Type, []byte) {
					return message.PieceRequestType, (&message.PieceRequest{Place: message.Place{Sequencer: c.ids[0], Height: ^uint64(0)}, Digest: wire.Digest(junk(32)), Index: ^uint32(0)}).AppendTo(nil)
				},
				func() (network.Type, []byte) {
					return message.TipsRequestType, (&message.TipsRequest{Epochs: []uint64{rand.Uint64()}}).AppendTo(nil)
				},
			}
			for worker := range 64 {
				s.again(time.Millisecond, func(i int) {
					typ, b := requests[(worker+i)%len(requests)]()
					ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
					defer cancel()
					answer, err := s.Request(ctx, c.ids[i%3], typ, b)
					if err != nil {
						refused.Add(1)
						return
					}
					answered.Add(1)
					answer.Buffer.Release()
				})
			}
		})
		for _, p := range c.all[:3] {
			if n := p.Lanes(); n > 4 {
				t.Errorf("%d lanes are known", n)
			}
		}
		if answered.Load() < 1000 {
			t.Errorf("%d requests were answered, %d refused", answered.Load(), refused.Load())
		}
		c.stopAll()
	})
}

// Pushes of peers take no more memory than MaxBuffered allows, whatever sizes their headers claim.
func TestPushesOfEverySizeStayWithinTheirMemory(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const maxPayload = 256 << 10
		c, read := flooded(t, func(config *replica.Config) {
			config.MaxPayload, config.MaxBuffered = maxPayload, 16*maxPayload
		}, func(c *cluster, s *stranger) {
			s.again(10*time.Millisecond, func(i int) {
				m := numbered(s.id, uint64(i%2), i, maxPayload-i%3)
				if i%5 == 0 {
					s.begin(m, c.ids[:3]...)
				} else {
					s.push(m, i%2, c.ids[:3]...)
				}
			})
		})
		for i := range 3 {
			if n := read(i, "cached_bytes", ""); n > 4*maxPayload {
				t.Errorf("replica %d keeps %v bytes of bodies in memory", i, n)
			}
			if n := read(i, "pushes_dropped_total", "unwanted"); n < 100 {
				t.Errorf("replica %d took all but %v pushes", i, n)
			}
		}
		c.stopAll()
	})
}

// docs/protocol.md 7.3: «Every request is answered: pieces, not yet (still fetching), never had it,
// or pruned at».
func TestRule7_3_EveryRequestThatMakesSenseIsAnswered(t *testing.T) {
	onePeer(t, func(config *replica.Config) { config.Archive.Retain = -1 }, func(c *cluster, s *stranger, _ func(string, string) float64) {
		t, r := c.t, c.all[0]
		ask := func(typ network.Type, b []byte) (network.Type, *message.Absent) {
			t.Helper()
			ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
			defer cancel()
			answer, err := s.Request(ctx, c.ids[0], typ, b)
			if err != nil {
				t.Fatalf("a request was not answered: %v", err)
			}
			defer answer.Buffer.Release()
			var absent message.Absent
			if answer.Type == message.AbsentType {
				if err := absent.Decode(answer.Buffer.Bytes()); err != nil {
					t.Fatal(err)
				}
			}
			return answer.Type, &absent
		}
		both := func(m *made, what string, want func(network.Type, *message.Absent) bool) {
			t.Helper()
			for name, q := range map[string]func() (network.Type, []byte){
				"header": func() (network.Type, []byte) {
					return message.HeadersRequestType, (&message.HeadersRequest{Place: m.place(), Digest: m.digest, Count: 1}).AppendTo(nil)
				},
				"piece": func() (network.Type, []byte) {
					return message.PieceRequestType, (&message.PieceRequest{Place: m.place(), Digest: m.digest}).AppendTo(nil)
				},
			} {
				if typ, absent := ask(q()); !want(typ, absent) {
					t.Errorf("asked for a %s of what %s, it answered with type 0x%x, %v, lowest %d", name, what, typ, absent.Reason, absent.Lowest)
				}
			}
		}
		absentWith := func(reason message.AbsentReason) func(network.Type, *message.Absent) bool {
			return func(typ network.Type, a *message.Absent) bool { return typ == message.AbsentType && a.Reason == reason }
		}
		there := func(typ network.Type, _ *message.Absent) bool {
			return typ == message.HeadersType || typ == message.PieceType
		}
		b := makeBody(s.id, 0, wire.Digest{}, bodyOf(s.id, 0, 100_000), nil)
		both(b, "nobody has", absentWith(message.Never))
		c.propose(s, 0, b.digest, nil, c.ids[0]) // it waits for the body
		time.Sleep(10 * time.Second)
		both(b, "it looks for", absentWith(message.NotYet))
		s.push(b, 0, c.ids[0])
		c.eventually(10*time.Second, "it is acked", func() bool { return s.acked(b.digest) == 1 })
		both(b, "it holds", there)
		other := numbered(s.id, 0, 1, 1000)
		both(other, "is of a place where it holds another", absentWith(message.Never))
		if _, err := s.Request(s.ctx, c.ids[0], message.PieceRequestType, (&message.PieceRequest{Place: b.place(), Digest: b.digest, Index: 2}).AppendTo(nil)); err == nil {
			t.Error("it answered a request for a piece that the body has not got")
		}
		// Once a body is certified, handed over and pruned it is gone, except for the top of the
		// lane.
		for height := range uint64(3) {
			chunk := wire.Chunk{Sequencer: s.id, Height: height, Payload: b.digest}
			if height > 0 {
				above := makeBody(s.id, height, b.digest, bodyOf(s.id, height, 1000), nil)
				s.serves(has(above))
				chunk.Payload, b = above.digest, above
			}
			k := c.lock(chunk)
			if err := r.Offer(t.Context(), k); err != nil {
				t.Fatal(err)
			}
			c.eventually(10*time.Second, "it is handed over", func() bool { return r.chain.next(s.id) == height+1 })
		}
		if err := r.Prune(t.Context(), s.id, 3); err != nil {
			t.Fatal(err)
		}
		c.stop(0) // so that its cache is empty
		s.loses(c.ids[0])
		c.start(0, r.chain)
		s.awaits(c.ids[0])
		gone := makeBody(s.id, 0, wire.Digest{}, bodyOf(s.id, 0, 100_000), nil)
		both(gone, "it has pruned", func(typ network.Type, a *message.Absent) bool {
			return absentWith(message.Pruned)(typ, a) && a.Lowest == 3
		})
		both(b, "is the lane's top", there)
	})
}
