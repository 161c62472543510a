package replica_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// withSequencer runs three replicas, which propose nothing, and a sequencer that speaks for itself.
func withSequencer(t *testing.T, tune func(i int, config *replica.Config), app func(*chain), f func(c *cluster, s *stranger)) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.tune = tune
		for i := range 3 {
			a := newChain(c.ids[i], 0, 0)
			if app != nil {
				app(a)
			}
			c.start(i, a)
		}
		s := c.stranger(c.ids[3], nil)
		s.awaits(c.ids[:3]...)
		f(c, s)
		s.stop()
		c.stopAll()
	})
}

// settled is longer than any activity of a test takes.
const settled = 20 * time.Second

// docs/protocol.md 7.2: «A validator acks a chunk of format 1 only when all of the following hold».
func TestRule7_2_ABodyThatFitsIsAckedWhetherItIsPushedOrFetched(t *testing.T) {
	for _, pushed := range []bool{true, false} {
		withSequencer(t, nil, nil, func(c *cluster, s *stranger) {
			b := makeBody(s.id, 0, wire.Digest{}, bodyOf(s.id, 0, 200_000), nil)
			s.serves(has(b))
			if pushed {
				s.push(b, 0, c.ids[:3]...)
			}
			c.propose(s, 0, b.digest, nil, c.ids[:3]...)
			c.eventually(settled, "all have acked", func() bool { return s.acked(b.digest) == 3 })
		})
	}
}

// docs/protocol.md 7.2: «it holds the whole body».
func TestRule7_2_NothingIsAckedWithoutTheWholeBody(t *testing.T) {
	withSequencer(t, nil, nil, func(c *cluster, s *stranger) {
		b := makeBody(s.id, 0, wire.Digest{}, bodyOf(s.id, 0, 200_000), nil)
		whole := has(b)
		s.serves(func(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, reply reply) {
			var q message.PieceRequest
			if t == message.PieceRequestType && q.Decode(request) == nil && q.Index == 3 {
				_ = reply(message.AbsentType, (&message.Absent{Reason: message.NotYet}).AppendTo(nil))
				return
			}
			whole(ctx, from, t, request, reply)
		})
		s.push(b, 1, c.ids[:3]...)
		c.propose(s, 0, b.digest, nil, c.ids[:3]...)
		time.Sleep(settled)
		if n := s.acked(b.digest); n != 0 {
			t.Errorf("%d have acked a body without its last piece", n)
		}
	})
}

// docs/protocol.md 7.2: «checked against the root».
func TestRule7_2_NothingIsAckedThatDoesNotHaveItsRoot(t *testing.T) {
	withSequencer(t, nil, nil, func(c *cluster, s *stranger) {
		b := makeBody(s.id, 0, wire.Digest{}, bodyOf(s.id, 0, 200_000), func(h *payload.Header) { h.Root[0]++ })
		s.serves(has(b))
		s.push(b, 0, c.ids[:3]...)
		c.propose(s, 0, b.digest, nil, c.ids[:3]...)
		time.Sleep(settled)
		if n := s.acked(b.digest); n != 0 {
			t.Errorf("%d have acked a body of another root", n)
		}
	})
}

// docs/protocol.md 7.2: «and durable».
func TestRule7_2_NothingIsAckedBeforeItsBodyIsDurable(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		var held atomic.Bool
		release := make(chan struct{})
		for i := range 3 {
			c.disk[i].Hold = func(name string) {
				if held.Load() && filepath.Ext(name) == ".data" {
					<-release
				}
			}
			c.start(i, newChain(c.ids[i], 0, 0))
		}
		s := c.stranger(c.ids[3], nil)
		s.awaits(c.ids[:3]...)
		held.Store(true)
		b := makeBody(s.id, 0, wire.Digest{}, bodyOf(s.id, 0, 200_000), nil)
		s.push(b, 0, c.ids[:3]...)
		c.propose(s, 0, b.digest, nil, c.ids[:3]...)
		time.Sleep(settled)
		if n := s.acked(b.digest); n != 0 {
			t.Errorf("%d have acked what is not durable", n)
		}
		close(release)
		c.eventually(settled, "all have acked", func() bool { return s.acked(b.digest) == 3 })
		s.stop()
		c.stopAll()
	})
}

// docs/protocol.md 7.2: «the header's sequencer and height are the chunk's, and its parent is the
// payload of the node's parent».
func TestRule7_2_AHeaderThatDoesNotFitIsNotAcked(t *testing.T) {
	for name, change := range map[string]func(h *payload.Header, other wire.PublicKey){
		"of another sequencer": func(h *payload.Header, other wire.PublicKey) { h.Sequencer = other },
		"of another height":    func(h *payload.Header, _ wire.PublicKey) { h.Height = 1; h.Parent[0] = 1 },
	} {
		withSequencer(t, nil, nil, func(c *cluster, s *stranger) {
			b := makeBody(s.id, 0, wire.Digest{}, bodyOf(s.id, 0, 200_000), func(h *payload.Header) { change(h, c.ids[0]) })
			s.serves(has(b))
			s.push(b, 0, c.ids[:3]...)
			c.propose(s, 0, b.digest, nil, c.ids[:3]...)
			time.Sleep(settled)
			if n := s.acked(b.digest); n != 0 {
				t.Errorf("%d have acked a body whose header is %s", n, name)
			}
		})
	}
}

// docs/protocol.md 7.2: «its parent is the payload of the node's parent».
func TestRule7_2_ABodyThatStandsOnAnotherParentIsNotAcked(t *testing.T) {
	for _, fits := range []bool{true, false} {
		withSequencer(t, nil, nil, func(c *cluster, s *stranger) {
			below := makeBody(s.id, 0, wire.Digest{}, bodyOf(s.id, 0, 100), nil)
			b := makeBody(s.id, 1, below.digest, bodyOf(s.id, 1, 100), func(h *payload.Header) {
				if !fits {
					h.Parent[0]++
				}
			})
			s.serves(has(below, b))
			c.propose(s, 0, below.digest, nil, c.ids[:3]...)
			c.eventually(settled, "all have acked the chunk below", func() bool { return s.acked(below.digest) == 3 })
			c.propose(s, 1, b.digest, c.standsOn(below), c.ids[:3]...)
			time.Sleep(settled)
			if n := s.acked(b.digest); n != 3 && fits || n != 0 && !fits {
				t.Errorf("fits: %v, and %d have acked", fits, n)
			}
		})
	}
}

// docs/protocol.md 7.2: «the application found the body good».
func TestRule7_2_WhatTheApplicationDoesNotApproveOfIsNotAcked(t *testing.T) {
	for name, verify := range map[string]func(engine.Place, []byte) (bool, error){
		"refuses": func(engine.Place, []byte) (bool, error) { return false, nil },
		"fails":   func(engine.Place, []byte) (bool, error) { return false, errors.New("no verdict") },
		"fails and approves": func(engine.Place, []byte) (bool, error) {
			return true, errors.New("no verdict")
		},
	} {
		withSequencer(t, nil, func(a *chain) { a.verify = verify }, func(c *cluster, s *stranger) {
			b := makeBody(s.id, 0, wire.Digest{}, bodyOf(s.id, 0, 200_000), nil)
			s.push(b, 0, c.ids[:3]...)
			c.propose(s, 0, b.digest, nil, c.ids[:3]...)
			time.Sleep(settled)
			if n := s.acked(b.digest); n != 0 {
				t.Errorf("the application %s, and %d have acked", name, n)
			}
		})
	}
}
