package replica_test

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// onePeer runs one replica of four, which proposes nothing, and a stranger with an identity of the
// set.
func onePeer(t *testing.T, tune func(c *replica.Config), f func(c *cluster, s *stranger, read func(name, label string) float64)) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		if tune != nil {
			c.tune = func(_ int, config *replica.Config) { tune(config) }
		}
		read := c.count()
		c.start(0, newChain(c.ids[0], 0, 0))
		s := c.stranger(c.ids[3], nil)
		s.awaits(c.ids[0])
		f(c, s, func(name, label string) float64 { t.Helper(); return read(0, name, label) })
		s.stop()
		c.stopAll()
	})
}

// numbered makes bodies of a height that differ.
func numbered(id wire.PublicKey, height uint64, number, size int) *made {
	body := make([]byte, size)
	body[0], body[1] = byte(number), byte(number>>8)
	parent := wire.Digest{}
	if height > 0 {
		parent[0] = 1
	}
	return makeBody(id, height, parent, body, nil)
}

// docs/protocol.md 7.3: «What nobody asked for is taken only from a sequencer of the current epoch,
// for the two heights above the higher of its tip and its highest certified, one body a height (a
// later one replaces it)». How often one may replace another is bounded, or a sequencer could have
// disks written without end.
func TestRule7_3_BodiesThatReplaceEachOtherEndSoon(t *testing.T) {
	for name, height := range map[string]func(i int) uint64{
		"of one height":            func(int) uint64 { return 0 },
		"of two heights in turn":   func(i int) uint64 { return uint64(i % 2) },
		"of each of three heights": func(i int) uint64 { return uint64(i % 3) },
	} {
		onePeer(t, nil, func(c *cluster, s *stranger, read func(string, string) float64) {
			for i := range 200 {
				s.push(numbered(s.id, height(i), i, 1000), 0, c.ids[0])
			}
			time.Sleep(settled)
			if n := read("pushes_received_total", ""); n < 1 || n > 8 {
				t.Errorf("%v bodies %s were taken", n, name)
			}
		})
	}
}

func TestRule7_3_APeerThatConnectsAgainMayReplaceNoMoreBodies(t *testing.T) {
	onePeer(t, nil, func(c *cluster, s *stranger, read func(string, string) float64) {
		for i := range 20 {
			s.push(numbered(s.id, 0, i, 1000), 0, c.ids[0])
			time.Sleep(time.Second)
			c.net.Cut(s.id, c.ids[0])
			s.loses(c.ids[0])
			c.net.Heal(s.id, c.ids[0])
			s.awaits(c.ids[0])
		}
		if n := read("pushes_received_total", ""); n < 1 || n > 8 {
			t.Errorf("%v bodies were taken", n)
		}
	})
}

func TestRule7_3_BodiesThatNobodyAskedForAreTakenForTwoHeightsOnly(t *testing.T) {
	for height, taken := range []float64{1, 1, 0, 0} {
		onePeer(t, nil, func(c *cluster, s *stranger, read func(string, string) float64) {
			s.push(numbered(s.id, uint64(height), 0, 1000), 0, c.ids[0])
			time.Sleep(time.Second)
			if n := read("pushes_received_total", ""); n != taken {
				t.Errorf("%v bodies of height %d were taken, not %v", n, height, taken)
			}
		})
	}
}

func TestRule7_3_NobodyPushesForAnotherLaneAndNoStrangerPushes(t *testing.T) {
	onePeer(t, func(c *replica.Config) {
		c.Epochs = fewerSequencers{c.Epochs.(*engine.StaticEpochs)}
	}, func(c *cluster, s *stranger, read func(string, string) float64) {
		s.push(numbered(c.ids[1], 0, 0, 1000), 0, c.ids[0])
		time.Sleep(time.Second)
		if n := read("pushes_dropped_total", "invalid"); n != 1 {
			t.Errorf("%v bodies were dropped as invalid", n)
		}
		s.push(numbered(s.id, 0, 0, 1000), 0, c.ids[0])
		time.Sleep(time.Second)
		if n := read("pushes_received_total", ""); n != 0 {
			t.Errorf("%v bodies of one that is no sequencer were taken", n)
		}
	})
}

// fewerSequencers are sets in which the last validator is no sequencer.
type fewerSequencers struct{ *engine.StaticEpochs }

func (f fewerSequencers) Sequencers(epoch uint64) ([]wire.PublicKey, bool) {
	ids, ok := f.StaticEpochs.Sequencers(epoch)
	return ids[:len(ids)-1], ok
}

// A push in disorder, with other pieces, or in half, is dropped, and the next push is taken.
func TestABrokenPushCostsNoMoreThanItself(t *testing.T) {
	good := func(id wire.PublicKey) *made { return numbered(id, 0, 0, 200_000) }
	for name, push := range map[string]func(s *stranger, to wire.PublicKey, piece func(index uint32, m *made, b []byte)){
		"no header": func(s *stranger, _ wire.PublicKey, piece func(uint32, *made, []byte)) {
			piece(0, good(s.id), good(s.id).piece(0).Bytes)
		},
		"a header that is none": func(s *stranger, to wire.PublicKey, _ func(uint32, *made, []byte)) {
			s.Send([]wire.PublicKey{to}, message.PushType, []byte("junk"))
		},
		"a size over MaxPayload": func(s *stranger, to wire.PublicKey, _ func(uint32, *made, []byte)) {
			m := good(s.id)
			m.header.BodySize = payload.DefaultMaxPayload + 1
			s.begin(m, to)
		},
		"pieces in disorder": func(s *stranger, to wire.PublicKey, piece func(uint32, *made, []byte)) {
			m := numbered(s.id, 0, 1, 200_000)
			s.begin(m, to)
			piece(1, m, m.piece(1).Bytes)
			piece(0, m, m.piece(0).Bytes)
		},
		"a piece twice": func(s *stranger, to wire.PublicKey, piece func(uint32, *made, []byte)) {
			m := numbered(s.id, 0, 1, 200_000)
			s.begin(m, to)
			piece(0, m, m.piece(0).Bytes)
			piece(0, m, m.piece(0).Bytes)
		},
		"a short piece": func(s *stranger, to wire.PublicKey, piece func(uint32, *made, []byte)) {
			m := numbered(s.id, 0, 1, 200_000)
			s.begin(m, to)
			piece(0, m, m.piece(0).Bytes[:100])
		},
		"a long last piece": func(s *stranger, to wire.PublicKey, piece func(uint32, *made, []byte)) {
			m := numbered(s.id, 0, 1, 200_000)
			s.push(m, 1, to)
			piece(3, m, m.piece(0).Bytes)
		},
		"a piece too many": func(s *stranger, to wire.PublicKey, piece func(uint32, *made, []byte)) {
			m := numbered(s.id, 0, 1, 200_000)
			s.push(m, 0, to)
			piece(4, m, m.piece(3).Bytes)
		},
		"a piece of another body": func(s *stranger, to wire.PublicKey, piece func(uint32, *made, []byte)) {
			m := numbered(s.id, 0, 1, 200_000)
			s.begin(m, to)
			piece(0, good(s.id), m.piece(0).Bytes)
		},
		"other bytes": func(s *stranger, to wire.PublicKey, piece func(uint32, *made, []byte)) {
			m := numbered(s.id, 0, 1, 200_000)
			m.body[150_000]++
			s.push(m, 0, to)
		},
		"half a body": func(s *stranger, to wire.PublicKey, _ func(uint32, *made, []byte)) {
			s.push(numbered(s.id, 0, 1, 200_000), 2, to)
		},
		"no body": func(s *stranger, to wire.PublicKey, _ func(uint32, *made, []byte)) {
			m := numbered(s.id, 0, 1, 200_000)
			m.header.BodySize = 0
			s.begin(m, to)
		},
	} {
		onePeer(t, nil, func(c *cluster, s *stranger, read func(string, string) float64) {
			push(s, c.ids[0], func(index uint32, m *made, b []byte) {
				s.Send(c.ids[:1], message.PushedPieceType, (&message.PushedPiece{Digest: m.digest, Index: index, Bytes: b}).AppendTo(nil))
			})
			time.Sleep(time.Second)
			before := read("pushes_received_total", "")
			if whole := name == "a piece too many"; before > 0 != whole {
				t.Errorf("%s: %v bodies were taken", name, before)
			}
			s.push(good(s.id), 0, c.ids[0])
			time.Sleep(time.Second)
			if n := read("pushes_received_total", ""); n != before+1 {
				t.Errorf("%s: after it a good body was not taken", name)
			}
		})
	}
}

// A push that has begun reserves memory. A peer that begins bodies and does not continue, or
// slowly, keeps no other from pushing.
func TestPushesThatNeverEndTakeNoRoomFromOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 13, lan)
		c.tune = func(_ int, config *replica.Config) {
			config.MaxPayload = 256 << 10
			config.MaxBuffered = 16 * 256 << 10 // room for three that are being pushed
		}
		read := c.count()
		c.start(0, newChain(c.ids[0], 0, 0))
		for i := 1; i <= 4; i++ {
			s := c.stranger(c.ids[i], nil)
			defer s.stop()
			s.awaits(c.ids[0])
			m := numbered(s.id, 0, 0, 256<<10)
			s.again(4*time.Second, func(n int) {
				if index := uint32(n % 4); index == 0 {
					s.begin(m, c.ids[0])
				} else {
					p := m.piece(index - 1)
					s.Send(c.ids[:1], message.PushedPieceType, (&message.PushedPiece{Digest: m.digest, Index: index - 1, Bytes: p.Bytes}).AppendTo(nil))
				}
			})
		}
		honest := c.stranger(c.ids[5], nil)
		defer honest.stop()
		honest.awaits(c.ids[0])
		for i := range 8 {
			time.Sleep(1500 * time.Millisecond)
			honest.push(numbered(honest.id, uint64(i%2), i, 256<<10), 0, c.ids[0])
		}
		time.Sleep(time.Second)
		if n := read(0, "pushes_received_total", ""); n != 8 {
			t.Errorf("%v of 8 bodies were taken", n)
		}
		if n := read(0, "pushes_dropped_total", "broken"); n == 0 {
			t.Error("no body that was begun was given up")
		}
		c.stopAll()
	})
}

// docs/protocol.md 7.2: «its parent is the payload of the node's parent». In a lane that was
// dormant the engine does not know the parent. The first question about a pushed body did not
// compare it.
func TestRule7_2_AParentThatIsUnknownIsNotTakenForComparedTheSecondTime(t *testing.T) {
	onePeer(t, nil, func(c *cluster, s *stranger, read func(string, string) float64) {
		b := makeBody(s.id, 1, wire.Digest{1}, bodyOf(s.id, 1, 1000), nil)
		s.push(b, 0, c.ids[0])
		c.eventually(time.Second, "it is there", func() bool { return read("pushes_received_total", "") == 1 })
		c.stop(0) // it is in memory no more
		c.start(0, newChain(c.ids[0], 0, 0))
		at := engine.Place{Sequencer: s.id, Height: 1}
		for i := range 3 {
			if good, err := c.all[0].VerifyChunk(c.t.Context(), at, b.digest); good || err == nil {
				t.Errorf("call %d: a chunk whose parent is unknown was found good: %v, %v", i, good, err)
			}
		}
		at.Parent = b.header.Parent
		if good, err := c.all[0].VerifyChunk(c.t.Context(), at, b.digest); !good || err != nil {
			t.Errorf("a chunk whose parent fits was not found good: %v, %v", good, err)
		}
		at.Parent = wire.Digest{}
		if good, err := c.all[0].VerifyChunk(c.t.Context(), at, b.digest); !good || err != nil {
			t.Errorf("a chunk that was compared before was not found good: %v, %v", good, err)
		}
	})
}

// docs/protocol.md 7.3: «Requests and bytes, in flight and served, are bounded per peer and in
// all».
func TestRule7_3_BodiesThatArePushedAtOnceHaveABoundInMemory(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 13, lan)
		c.tune = func(_ int, config *replica.Config) {
			config.MaxPayload = 256 << 10
			config.MaxBuffered = 16 * 256 << 10 // room for three that are being pushed
		}
		read := c.count()
		c.start(0, newChain(c.ids[0], 0, 0))
		for i := 1; i <= 6; i++ {
			s := c.stranger(c.ids[i], nil)
			defer s.stop()
			s.awaits(c.ids[0])
			s.begin(numbered(s.id, 0, 0, 256<<10), c.ids[0])
		}
		time.Sleep(500 * time.Millisecond) // none is slow yet
		if n := read(0, "pushes_dropped_total", "no_room"); n != 3 {
			t.Errorf("%v of 6 bodies that are pushed at once found no room, want 3", n)
		}
		c.stopAll()
	})
}
