package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

func TestAPanicInACollaboratorEndsTheRunWithAnError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in    string
		plant func(*member)
	}{
		{"Automaton.Propose", func(m *member) {
			m.app.propose = func(context.Context, engine.Place) (wire.Digest, error) { panic(errBug) }
		}},
		{"Automaton.Verify", func(m *member) {
			m.app.verify = func(context.Context, engine.Place, wire.Digest) (bool, error) { panic(errBug) }
		}},
		{"Reporter", func(m *member) {
			m.recorder.Hook = func(context.Context, wire.Activity) error { panic(errBug) }
		}},
		{"AckSigner", func(m *member) {
			for e, s := range m.config.Schemes.(provider).signers {
				m.config.Schemes.(provider).signers[e] = slowSigner{s, func(context.Context) { panic(errBug) }}
			}
		}},
		{"Sequencer", func(m *member) {
			m.config.Sequencer = slowChunks{m.config.Sequencer, func(context.Context) { panic(errBug) }}
		}},
		{"Sender or Relay", func(m *member) { m.config.Relay = panicking{} }},
		{"loop", func(m *member) { m.config.Sequencers = panicking{} }},
		{"loop", func(m *member) { m.config.Monitor = panicking{} }},
		{"verification worker", func(m *member) {
			for e, s := range m.config.Schemes.(provider).schemes {
				m.config.Schemes.(provider).schemes[e] = panicking{Scheme: s}
			}
		}},
	} {
		t.Run(c.in, func(t *testing.T) {
			t.Parallel()
			net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
			c.plant(members[0])
			startAll(t, net, members)
			err := members[0].ended(t)
			var bug *engine.PanicError
			if !errors.As(err, &bug) || !errors.Is(err, errBug) || bug.In != c.in || !strings.Contains(string(bug.Stack), "panic") {
				t.Errorf("Run returned %v", err)
			}
		})
	}
}

var errBug = errors.New("a bug of the embedder's")

type panicking struct{ verify.Scheme }

func (panicking) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {
	panic(errBug)
}
func (panicking) Sequencers(uint64) ([]wire.PublicKey, bool)            { panic(errBug) }
func (panicking) Epochs(context.Context) (uint64, <-chan uint64, error) { panic(errBug) }
func (panicking) Check([]verify.Combination) bool                       { panic(errBug) }
