package replica_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// lies holds the answers of a faulty peer to requests; honest gives the true ones.
var lies = map[string]func(ctx context.Context, t network.Type, request []byte, reply reply, honest func(reply)){
	"says nothing":    func(ctx context.Context, _ network.Type, _ []byte, _ reply, _ func(reply)) { <-ctx.Done() },
	"gives no answer": func(context.Context, network.Type, []byte, reply, func(reply)) {},
	"is late": func(_ context.Context, _ network.Type, _ []byte, _ reply, honest func(reply)) {
		time.Sleep(1900 * time.Millisecond)
		honest(nil)
	},
	"says not yet":   absentAs(message.NotYet),
	"says never":     absentAs(message.Never),
	"says pruned":    absentAs(message.Pruned),
	"sends junk":     changed(func(t network.Type, m []byte) (network.Type, []byte) { return t, junk(len(m)) }),
	"sends one byte": changed(func(t network.Type, m []byte) (network.Type, []byte) { return t, m[:1] }),
	"sends nothing":  changed(func(t network.Type, m []byte) (network.Type, []byte) { return t, nil }),
	"sends a longer message": changed(func(t network.Type, m []byte) (network.Type, []byte) {
		return t, append(append([]byte(nil), m...), 0)
	}),
	"answers something else": changed(func(t network.Type, m []byte) (network.Type, []byte) {
		switch t {
		case message.PieceType:
			return message.HeadersType, m
		case message.HeadersType:
			return message.TipsType, m
		}
		return message.PieceType, m
	}),
	"changes a bit": changed(func(t network.Type, m []byte) (network.Type, []byte) {
		m = append([]byte(nil), m...)
		m[rand.IntN(len(m))] ^= 1 << rand.IntN(8)
		return t, m
	}),
	"sends another piece": onPieces(func(p *message.Piece) { p.Index ^= 1 }),
	"sends pieces of another body": onPieces(func(p *message.Piece) {
		p.Bytes = junk(len(p.Bytes))
	}),
	"names another body": onPieces(func(p *message.Piece) { p.Digest[0]++ }),
	"cuts pieces":        onPieces(func(p *message.Piece) { p.Bytes = p.Bytes[:len(p.Bytes)/2+1] }),
	"cuts proofs":        onPieces(func(p *message.Piece) { p.Path = p.Path[:len(p.Path)/64*32] }),
	"sends other headers": changed(func(t network.Type, m []byte) (network.Type, []byte) {
		var h message.Headers
		if t != message.HeadersType || h.Decode(m, payload.DefaultMaxPayload) != nil {
			return t, m
		}
		for i := range h.Headers {
			h.Headers[i].Root[0]++
		}
		return t, h.AppendTo(nil)
	}),
}

func absentAs(reason message.AbsentReason) func(context.Context, network.Type, []byte, reply, func(reply)) {
	return func(_ context.Context, t network.Type, _ []byte, reply reply, honest func(reply)) {
		if t == message.TipsRequestType {
			honest(reply)
			return
		}
		_ = reply(message.AbsentType, (&message.Absent{Reason: reason, Lowest: 1 << 40}).AppendTo(nil))
	}
}

// changed returns the replica's own answer, changed.
func changed(change func(t network.Type, m []byte) (network.Type, []byte)) func(context.Context, network.Type, []byte, reply, func(reply)) {
	return func(_ context.Context, _ network.Type, _ []byte, reply reply, honest func(reply)) {
		honest(func(t network.Type, m []byte) error { return reply(change(t, m)) })
	}
}

func onPieces(change func(p *message.Piece)) func(context.Context, network.Type, []byte, reply, func(reply)) {
	return changed(func(t network.Type, m []byte) (network.Type, []byte) {
		var p message.Piece
		if t != message.PieceType || p.Decode(m) != nil {
			return t, m
		}
		change(&p)
		return t, p.AppendTo(nil)
	})
}

func junk(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// docs/protocol.md 7.3: «A piece is checked on arrival, so that a wrong one costs a piece and names
// its sender». Here no body is pushed, so all are fetched, and one peer of four lies.
func TestRule7_3_APeerThatLiesDelaysNobodyForLong(t *testing.T) {
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c := newCluster(t, 4, lan)
				c.tamper(func(i int) *tampered {
					f := &tampered{send: withholds(fromAll)}
					if i == 3 {
						f.serve = func(ctx context.Context, _ wire.PublicKey, t network.Type, request []byte, r reply, honest func(reply)) {
							lie(ctx, t, request, r, func(changed reply) {
								if changed == nil {
									changed = r
								}
								honest(changed)
							})
						}
					}
					return f
				})
				read := c.count()
				c.startAll(140_000, 5)
				began := time.Now()
				c.eventually(30*time.Second, "the lanes of honest sequencers are handed over", func() bool {
					for _, p := range c.all[:3] {
						for _, id := range c.ids[:3] {
							if p.chain.next(id) < 5 {
								return false
							}
						}
					}
					return true
				})
				if took := time.Since(began); took > 8*time.Second {
					t.Errorf("it took %v", took)
				}
				t.Log(time.Since(began), read(0, "wrong_answers_total", ""), read(0, "requests_failed_total", ""))
				c.stopAll()
			})
		})
	}
}

// A replica that was away asks all others, while one sequencer is away.
func TestRule7_4_APeerThatLiesDelaysNobodyWhoWasAwayForLong(t *testing.T) {
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c := newCluster(t, 4, lan)
				c.tamper(func(i int) *tampered {
					if i != 0 {
						return nil
					}
					return &tampered{serve: func(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, r reply, honest func(reply)) {
						if from != c.ids[3] {
							honest(r)
							return
						}
						lie(ctx, t, request, r, func(changed reply) {
							if changed == nil {
								changed = r
							}
							honest(changed)
						})
					}}
				})
				before := c.tune
				c.tune = func(i int, config *replica.Config) {
					before(i, config)
					config.Behind = func(id wire.PublicKey, next uint64) {
						t.Errorf("replica %d was told that it is behind with lane %v at height %d", i, id, next)
					}
				}
				read := c.count()
				for i := range 3 {
					c.start(i, newChain(c.ids[i], 140_000, uint64(min(i, 1)*6)))
				}
				handed := func(p *process) func() bool {
					return func() bool { return p.chain.next(c.ids[1]) == 6 && p.chain.next(c.ids[2]) == 6 }
				}
				for _, p := range c.all[:3] {
					c.eventually(30*time.Second, "the lanes are handed over", handed(p))
				}
				c.stop(1)
				last := c.start(3, newChain(c.ids[3], 0, 0))
				began := time.Now()
				c.eventually(time.Minute, "it is handed over what it missed", handed(last))
				t.Log(time.Since(began), read(3, "wrong_answers_total", ""), read(3, "requests_failed_total", ""))
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
				c.stopAll()
			})
		})
	}
}

// Unanswered requests end, and the peers that answer are found among many that do not: here the
// sequencer and three of the signers give bodies to a quorum, and do not answer three others.
func TestRule7_3_ABodyIsFoundAmongPeersThatSayNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const n, sequencer, chunks = 13, 12, 20
		c := newCluster(t, n, lan)
		left := c.ids[9:12]
		c.tamper(func(i int) *tampered {
			if i > 2 && i != sequencer { // the first ones come first where all else is equal
				return nil
			}
			kept := func(from wire.PublicKey) bool { return slices.Contains(left, from) }
			return &tampered{
				send: withholds(kept),
				serve: func(ctx context.Context, from wire.PublicKey, _ network.Type, _ []byte, r reply, honest func(reply)) {
					if kept(from) {
						<-ctx.Done()
						return
					}
					honest(r)
				},
			}
		})
		for i := range n {
			c.start(i, newChain(c.ids[i], 1000, uint64(i/sequencer*chunks)))
		}
		began := time.Now()
		c.eventually(2*time.Minute, "the lane is handed over", func() bool {
			for _, p := range c.all {
				if p.chain.next(c.ids[sequencer]) < chunks {
					return false
				}
			}
			return true
		})
		t.Log(time.Since(began))
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("%d chunks took %v", chunks, took)
		}
		c.stopAll()
	})
}

// A sequencer sends the node to all, and of the body only the header and all pieces except one.
// Replicas that look for the body hold memory, and take it from no other search.
func TestBodiesThatAreNeverThereTakeNoRoomFromOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const faulty = 4
		c := newCluster(t, 13, lan)
		c.tune = func(_ int, config *replica.Config) {
			config.MaxPayload = 256 << 10
			config.MaxBuffered = 16 * 256 << 10
		}
		c.start(0, newChain(c.ids[0], 0, 0))
		for i := 1; i <= faulty; i++ {
			b := makeBody(c.ids[i], 0, wire.Digest{}, bodyOf(c.ids[i], 0, 256<<10), nil)
			whole := has(b)
			s := c.stranger(c.ids[i], func(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, reply reply) {
				var q message.PieceRequest
				if t == message.PieceRequestType && q.Decode(request) == nil && q.Index == 3 {
					<-ctx.Done()
					return
				}
				whole(ctx, from, t, request, reply)
			})
			defer s.stop()
			s.awaits(c.ids[0])
			c.propose(s, 0, b.digest, nil, c.ids[0])
		}
		time.Sleep(2 * time.Second)
		b := makeBody(c.ids[5], 0, wire.Digest{}, bodyOf(c.ids[5], 0, 256<<10), nil)
		honest := c.stranger(c.ids[5], has(b))
		defer honest.stop()
		honest.awaits(c.ids[0])
		c.propose(honest, 0, b.digest, nil, c.ids[0])
		began := time.Now()
		c.eventually(time.Minute, "the body is acked", func() bool { return honest.acked(b.digest) == 1 })
		t.Log(time.Since(began))
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		c.stopAll()
	})
}

// docs/protocol.md 7.2: «A certificate then says that validators of a quorum, so honest ones of
// more than f, hold the body and will serve it». So every replica gets a body that the sequencer
// and f−1 of the validators that acked it withhold.
func TestRule7_3_ABodyGivenToABareQuorumOnlyReachesEverybody(t *testing.T) {
	for _, silent := range []bool{false, true} {
		inBubble(t, func(t *testing.T) {
			c := newCluster(t, 7, lan)
			c.tamper(func(i int) *tampered {
				if i > 1 {
					return nil
				}
				kept := func(from wire.PublicKey) bool { return from == c.ids[5] || from == c.ids[6] }
				return &tampered{
					send: withholds(kept),
					serve: func(ctx context.Context, from wire.PublicKey, t network.Type, _ []byte, r reply, honest func(reply)) {
						switch {
						case !kept(from):
							honest(r)
						case silent:
							<-ctx.Done()
						default:
							_ = r(message.AbsentType, (&message.Absent{Reason: message.Never}).AppendTo(nil))
						}
					},
				}
			})
			c.startAll(150_000, 10)
			began := time.Now()
			c.eventually(time.Minute, "every lane is handed over", c.everywhere(10))
			t.Log(silent, time.Since(began))
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("silent: %v, it took %v", silent, took)
			}
			c.stopAll()
		})
	}
}

// docs/protocol.md 7.2: a validator without the body acks nothing. So a body that is withheld from
// a quorum is never certified, and the other lanes continue.
func TestRule7_2_ABodyGivenToLessThanAQuorumIsNotCertified(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.tamper(func(i int) *tampered {
			if i != 0 {
				return nil
			}
			return &tampered{
				send: withholds(fromAll),
				serve: func(ctx context.Context, _ wire.PublicKey, _ network.Type, _ []byte, _ reply, _ func(reply)) {
					<-ctx.Done()
				},
			}
		})
		c.startAll(150_000, 10)
		c.eventually(20*time.Second, "the other lanes are handed over", func() bool {
			for _, p := range c.all {
				for _, id := range c.ids[1:] {
					if p.chain.next(id) < 10 {
						return false
					}
				}
			}
			return true
		})
		time.Sleep(settled)
		for i, p := range c.all {
			if n := p.chain.next(c.ids[0]); n != 0 {
				t.Errorf("replica %d was handed %d chunks that nobody else has", i, n)
			}
		}
		c.stopAll()
	})
}

// Bulk connections that are far slower than control delay bodies, and lose none.
func TestRule7_3_BodiesThatComeLongAfterTheirNodesAreHandedOver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.tamper(func(i int) *tampered {
			f := new(tampered)
			f.send = func(to wire.PublicKey, typ network.Type, m []byte) []byte {
				if typ != message.PushType && typ != message.PushedPieceType {
					return m
				}
				time.AfterFunc(700*time.Millisecond, func() { f.Transport.Send([]wire.PublicKey{to}, typ, m) })
				return nil
			}
			f.serve = func(ctx context.Context, _ wire.PublicKey, _ network.Type, _ []byte, r reply, honest func(reply)) {
				time.Sleep(700 * time.Millisecond)
				honest(r)
			}
			return f
		})
		c.startAll(150_000, 10)
		began := time.Now()
		c.eventually(time.Minute, "every lane is handed over", c.everywhere(10))
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("it took %v", took)
		}
		time.Sleep(time.Second) // messages on their way arrive
		c.stopAll()
	})
}

// docs/protocol.md 7.3: «A piece is checked on arrival, so that a wrong one costs a piece and names
// its sender»: a peer that has sent one is not asked for that body again.
func TestRule7_3_WrongPiecesAreAskedForOnce(t *testing.T) {
	onePeer(t, nil, func(c *cluster, s *stranger, read func(string, string) float64) {
		b := makeBody(s.id, 0, wire.Digest{}, bodyOf(s.id, 0, 200_000), nil)
		right := has(b)
		var asked atomic.Int64
		s.serves(func(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, r reply) {
			right(ctx, from, t, request, func(t network.Type, m []byte) error {
				if t == message.PieceType {
					asked.Add(1)
					m[len(m)-1]++
				}
				return r(t, m)
			})
		})
		c.propose(s, 0, b.digest, nil, c.ids[0])
		time.Sleep(settled)
		if n := asked.Load(); n < 1 || n > 4 {
			c.t.Errorf("%d pieces were asked for", n)
		}
		if n := read("wrong_answers_total", ""); n < float64(asked.Load()) {
			c.t.Errorf("%v wrong answers were counted", n)
		}
	})
}

// A header counts only if its digest is that of the chunk. The sequencer, which is asked first,
// sends another one.
func TestRule7_3_AHeaderOfAnotherDigestCostsNoMoreThanItself(t *testing.T) {
	onePeer(t, nil, func(c *cluster, s *stranger, _ func(string, string) float64) {
		b := makeBody(s.id, 0, wire.Digest{}, bodyOf(s.id, 0, 200_000), nil)
		right := has(b)
		s.serves(func(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, r reply) {
			if t != message.HeadersRequestType {
				right(ctx, from, t, request, r)
				return
			}
			other := b.header
			other.Root[0]++
			_ = r(message.HeadersType, (&message.Headers{Headers: []payload.Header{other}}).AppendTo(nil))
		})
		second := c.stranger(c.ids[2], right)
		second.awaits(c.ids[0])
		c.propose(s, 0, b.digest, nil, c.ids[0])
		c.eventually(settled, "it is acked", func() bool { return s.acked(b.digest) == 1 })
		second.stop()
	})
}
