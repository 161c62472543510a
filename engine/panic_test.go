package engine_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// end is a way for a collaborator to end the goroutine that calls it.
type end func()

func TestAPanicInACollaboratorEndsTheRunWithAnError(t *testing.T) {
	t.Parallel()
	demandItStops(t, func() { panic(errBug) }, errBug)
}

// runtime.Goexit runs deferred functions as a panic does, and recover does not see it.
func TestACollaboratorThatEndsItsGoroutineEndsTheRunWithAnError(t *testing.T) {
	t.Parallel()
	demandItStops(t, runtime.Goexit, engine.ErrGoexit)
}

// demandItStops checks that Run returns want when any collaborator ends its goroutine in the given
// way.
func demandItStops(t *testing.T, bug end, want error) {
	for _, c := range []struct {
		in    string
		plant func(*member)
	}{
		{"Automaton.Propose", func(m *member) {
			m.app.propose = func(context.Context, engine.Place) (d wire.Digest, _ error) { bug(); return d, nil }
		}},
		{"Automaton.Verify", func(m *member) {
			m.app.verify = func(context.Context, engine.Place, wire.Digest) (bool, error) { bug(); return true, nil }
		}},
		{"Reporter", func(m *member) {
			m.recorder.Hook = func(context.Context, wire.Activity) error { bug(); return nil }
		}},
		{"AckSigner", func(m *member) {
			for e, s := range m.config.Schemes.(provider).signers {
				m.config.Schemes.(provider).signers[e] = slowSigner{s, func(context.Context) { bug() }}
			}
		}},
		{"Sequencer", func(m *member) {
			m.config.Sequencer = slowChunks{m.config.Sequencer, func(context.Context) { bug() }}
		}},
		{"Sender or Relay", func(m *member) { m.config.Relay = ending{end: bug} }},
		{"loop", func(m *member) { m.config.Sequencers = ending{end: bug} }},
		{"loop", func(m *member) { m.config.Monitor = ending{end: bug} }},
		{"verification worker", func(m *member) {
			for e, s := range m.config.Schemes.(provider).schemes {
				m.config.Schemes.(provider).schemes[e] = ending{s, bug}
			}
		}},
	} {
		t.Run(c.in, func(t *testing.T) {
			t.Parallel()
			net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
			c.plant(members[0])
			startAll(t, net, members)
			err := members[0].ended(t)
			var stopped *engine.PanicError
			if !errors.As(err, &stopped) || !errors.Is(err, want) || stopped.In != c.in || !strings.Contains(string(stopped.Stack), "panic_test.go") {
				t.Errorf("Run returned %v", err)
			}
		})
	}
}

var errBug = errors.New("a bug of the embedder's")

// ending is a collaborator whose methods all end their goroutine.
type ending struct {
	verify.Scheme
	end end
}

func (e ending) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {
	e.end()
}
func (e ending) Sequencers(uint64) ([]wire.PublicKey, bool) { e.end(); return nil, false }
func (e ending) Epochs(context.Context) (epoch uint64, updates <-chan uint64, err error) {
	e.end()
	return epoch, updates, nil
}
func (e ending) Check([]verify.Combination) bool { e.end(); return true }
