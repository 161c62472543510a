package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// elsewhere is the set of newSet for a network with another namespace.
func elsewhere(t testing.TB, kind testkit.Kind, n int) *testkit.Set {
	t.Helper()
	return testkit.MustSet(t, kind, n, []byte("another network"), 1)
}

// setSigner gives a member another signer of acks, in all epochs.
func (m *member) setSigner(signer verify.AckSigner) {
	signers := m.config.Schemes.(provider).signers
	for e := range signers {
		signers[e] = signer
	}
}

// A configuration that New accepts, but with which an engine cannot act, is logged with the cause
// and the values.
func TestTheReasonWhyAnEngineCannotActIsLogged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(*testing.T, *member, *testkit.Set, *world)
		want  []string
	}{
		{"chunk signer of another namespace", func(t *testing.T, m *member, _ *testkit.Set, _ *world) {
			m.config.Sequencer = elsewhere(t, testkit.Multisig, 4).ChunkSigners[0]
		}, []string{"our chunk is not sent", "Identity and Namespace"}},
		{"ack signer of another namespace", func(t *testing.T, m *member, _ *testkit.Set, _ *world) {
			m.setSigner(elsewhere(t, testkit.Multisig, 4).Signers[0])
		}, []string{"our ack is not sent", "participant 0", "for another namespace than the scheme"}},
		{"another validator's ack signer", func(_ *testing.T, m *member, s *testkit.Set, _ *world) {
			m.setSigner(s.Signers[2])
		}, []string{"our ack is not sent", "participant 0, but under that of participant 2", "mixed up"}},
		{"ack signer of another scheme", func(t *testing.T, m *member, _ *testkit.Set, _ *world) {
			m.setSigner(newSet(t, testkit.Ed25519, 4, 1).Signers[0])
		}, []string{"our ack is not sent", "has 64 bytes", "have 48"}},
		{"no ack signer", func(_ *testing.T, m *member, _ *testkit.Set, _ *world) {
			m.setSigner(nil)
		}, []string{"level=WARN", "engine started", "Schemes has no AckSigner"}},
		{"not among the sequencers", func(_ *testing.T, _ *member, _ *testkit.Set, w *world) {
			for e, all := range w.sequencers {
				w.sequencers[e] = all[1:]
			}
		}, []string{"level=WARN", "engine started", "Identity is not among the sequencers"}},
		{"a sequencer without a key", func(_ *testing.T, m *member, _ *testkit.Set, _ *world) {
			m.config.Sequencer, m.config.Relay = nil, nil
		}, []string{"level=WARN", "engine started", "Sequencer is not set"}},
		{"not among the validators", func(t *testing.T, m *member, _ *testkit.Set, w *world) {
			s := newSet(t, testkit.Multisig, 4, 2)
			m.id = testkit.Identity(s.Identities[0])
			m.config.Identity, m.config.Sequencer = m.id, s.ChunkSigners[0]
		}, []string{"level=WARN", "engine started", "Identity is not among the validators", "role=follower"}},
		{"no scheme", func(_ *testing.T, _ *member, _ *testkit.Set, w *world) {
			clear(w.schemes)
		}, []string{"level=WARN", "engine started", "sets are not known", `"validators known"=false "sequencers known"=true`}},
		{"no sequencers", func(_ *testing.T, _ *member, _ *testkit.Set, w *world) {
			clear(w.sequencers)
		}, []string{"level=WARN", "engine started", "sets are not known", `"validators known"=true "sequencers known"=false`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSet(t, testkit.Multisig, 4, 1)
			net, w, members := newCluster(t, s)
			m := members[0]
			c.spoil(t, m, s, w)
			log := new(logged)
			m.config.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			startAll(t, net, members)
			eventually(t, "it is logged", func() bool {
				return !slices.ContainsFunc(c.want, func(part string) bool { return !log.has(part) })
			})
			haltAll(t, members)
			for _, other := range members[1:] {
				for _, f := range other.recorder.Faults() {
					t.Errorf("%v was reported: something wrong was sent", f.Tag())
				}
			}
		})
	}
}

func TestOneLineAtTheStartAndAtEachEpochTellsOurPart(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	net, w, members := newCluster(t, s)
	m := members[2]
	w.sequencers[1] = w.sequencers[1][:2]
	delete(w.schemes, 3)
	log := new(logged)
	m.config.Logger = slog.New(slog.NewTextHandler(log, nil))
	m.open(t, net)
	m.start()
	line := func(parts ...string) {
		t.Helper()
		eventually(t, "the log has "+strings.Join(parts, " … "), func() bool { return log.hasLine(parts...) })
	}
	line("level=INFO", "engine started", "epoch=0", "validators=4 quorum=3 sequencers=4 participant=2", `role="validator and sequencer"`)
	line("our first ack of the epoch verifies", "epoch=0")
	m.monitor.updates <- 1
	line("level=WARN", "epoch entered", "epoch=1", "sequencers=2 participant=2 role=validator", "not among the sequencers")
	m.monitor.updates <- 2
	line("level=INFO", "epoch entered", "epoch=2", `role="validator and sequencer"`)
	m.monitor.updates <- 3
	line("level=WARN", "epoch entered", "epoch=3", `"validators known"=false`)
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
}

func TestSetsThatBecomeKnownLateAreAnnouncedOnce(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 1, 1)
	net, _, members := newCluster(t, s)
	m := members[0]
	late := &lateSchemes{SchemeProvider: m.config.Schemes}
	m.config.Schemes = late
	log := new(logged)
	m.config.Logger = slog.New(slog.NewTextHandler(log, nil))
	m.open(t, net)
	m.start()
	eventually(t, "the engine has started", func() bool { return log.hasLine("engine started", "sets are not known") })
	asked := late.asked.Load()
	eventually(t, "it asks again", func() bool { return late.asked.Load() > asked+3 })
	late.known.Store(true)
	eventually(t, "they are announced", func() bool { return log.hasLine("sets are known", "validators=1 quorum=1") })
	eventually(t, "the lane grows", func() bool { return m.recorder.Height(m.id) > 3 })
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"sets are known", "sets are not known"} {
		if n := log.count(text); n != 1 {
			t.Errorf("%q was logged %d times", text, n)
		}
	}
}

// lateSchemes knows no scheme until known is set.
type lateSchemes struct {
	engine.SchemeProvider
	known atomic.Bool
	asked atomic.Int64
}

func (l *lateSchemes) Scheme(epoch uint64) (verify.Scheme, bool) {
	l.asked.Add(1)
	if !l.known.Load() {
		return nil, false
	}
	return l.SchemeProvider.Scheme(epoch)
}

// 4.5: Our first ack of each epoch is verified before it is counted or sent. One that does not
// verify is not sent, and no other one of the epoch is signed for a while.
func TestRule4_5_AWrongSignerIsAskedSeldomAndNothingOfItIsSentUntilItIsRight(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Multisig, 4, 1)
	net, w, members := newCluster(t, s)
	oneLane(w, members)
	m := members[1]
	var asked atomic.Int64
	var right atomic.Bool
	m.setSigner(testkit.AckSignerFunc(func(ctx context.Context, subject wire.Subject) ([]byte, error) {
		asked.Add(1)
		if right.Load() {
			return s.Signers[1].SignAck(ctx, subject)
		}
		return s.Signers[2].SignAck(ctx, subject)
	}))
	began := time.Now()
	startAll(t, net, members)
	// The others certify many chunks meanwhile, and each of them requires an ack.
	eventually(t, "the wrong signer is asked again", func() bool {
		return asked.Load() >= 2 && members[0].recorder.Height(members[0].id) > 5
	})
	if n, most := asked.Load(), 1+int64(time.Since(began)/time.Second); n > most {
		t.Errorf("asked %d times in %v", n, time.Since(began))
	}
	right.Store(true)
	eventually(t, "our acks are in certificates", func() bool {
		for _, l := range members[0].recorder.Locks() {
			signers, _, err := s.Scheme.Format().SplitCertificate(l.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			if signers.Has(1) {
				return true
			}
		}
		return false
	})
	haltAll(t, members)
	demandSound(t, w.schemes, members) // nobody was blamed
}

// A lane may grow faster than signatures are verified: when the verification of an ack ends, that
// ack is never the wanted one any more.
func TestTheFirstAckIsVerifiedAlsoWhenItsLaneMovesOn(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	net, w, members := newCluster(t, s)
	lane := oneLane(w, members)
	m := members[1]
	p := m.config.Schemes.(provider)
	slow := &world{map[uint64]verify.Scheme{}, w.sequencers}
	for e, scheme := range w.schemes {
		slow.schemes[e] = slowToProve{scheme, func() { // until the lane has grown by 5
			from := members[0].recorder.Height(lane)
			for t.Context().Err() == nil && members[0].recorder.Height(lane) <= from+5 {
				time.Sleep(time.Millisecond)
			}
		}}
	}
	m.config.Schemes = provider{slow, p.signers}
	m.config.Workers = 4 // one verifies the ack, the others verify the nodes with which the lane grows
	log := new(logged)
	m.config.Logger = slog.New(slog.NewTextHandler(log, nil))
	startAll(t, net, members)
	eventually(t, "the first ack is proven", func() bool { return log.has("our first ack of the epoch verifies") })
	haltAll(t, members)
}

// slowToProve is a scheme that verifies single votes slowly.
type slowToProve struct {
	verify.Scheme
	wait func()
}

func (s slowToProve) InvalidVotes(st *verify.Statement, signers wire.Signers) []wire.Participant {
	s.wait()
	return s.Scheme.InvalidVotes(st, signers)
}

// A failure of every attempt would fill the log.
func TestFailuresOfOneKindAreLoggedOnceInAWhile(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 1, 1)
	net, _, members := newCluster(t, s)
	m := members[0]
	m.config.AckInterval, m.config.RebroadcastTimeout = time.Millisecond, time.Millisecond
	var asked atomic.Int64
	m.app.verify = func(context.Context, engine.Place, wire.Digest) (bool, error) {
		asked.Add(1)
		return false, errors.New("the disk is full")
	}
	log := new(logged)
	m.config.Logger = slog.New(slog.NewTextHandler(log, nil))
	began := time.Now()
	startAll(t, net, members)
	eventually(t, "the application has failed often", func() bool { return asked.Load() > 100 })
	haltAll(t, members)
	if n, most := log.count("the disk is full"), 1+int(time.Since(began)/(10*time.Second)); n < 1 || n > most {
		t.Errorf("%d failures were logged %d times", asked.Load(), n)
	}
}

// A peer that sends a forged chunk in our name does not make it a failure of our signer.
func TestAForgedChunkOfOursIsNoFailureOfOurSigner(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	net, _, members := newCluster(t, s)
	m := members[0]
	m.app.limit = 1
	log := new(logged)
	m.config.Logger = slog.New(slog.NewTextHandler(log, nil))
	startAll(t, net, members)
	eventually(t, "our lane has a chunk", func() bool { return m.recorder.Height(m.id) == 1 })
	p, err := m.engine.Peer(members[1].id)
	if err != nil {
		t.Fatal(err)
	}
	before := status(t, m.engine).Counters.Statements
	lock := m.recorder.Locks()[0]
	lock = certify(t, s, wire.Chunk{Sequencer: m.id, Payload: payloadAt(engine.Place{Sequencer: m.id})}, lock.Epoch)
	forged := wire.Node{
		Chunk:  wire.Chunk{Sequencer: m.id, Height: 1},
		Parent: wire.Parent{Payload: lock.Chunk.Payload, Certificate: lock.Certificate},
	}
	if err := p.DeliverNodeBytes(forged.AppendTo(nil)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is verified", func() bool { return status(t, m.engine).Counters.Statements > before })
	haltAll(t, members)
	if log.has("our chunk is not sent") {
		t.Error("our signer was blamed")
	}
}

// In a set with weights the quorum is a weight, which an operator can interpret only with the total
// weight.
func TestTheLineAtTheStartTellsTheQuorumOfASetWithWeights(t *testing.T) {
	t.Parallel()
	s, err := testkit.NewWeighted(testkit.Identities(4, 1), []uint64{100, 1, 1, 1}, testkit.Ed25519, verify.MinSig, verify.Compressed,
		namespace, 1)
	if err != nil {
		t.Fatal(err)
	}
	net, _, members := newCluster(t, s)
	m := members[0]
	log := new(logged)
	m.config.Logger = slog.New(slog.NewTextHandler(log, nil))
	m.open(t, net)
	m.start()
	eventually(t, "the log says so", func() bool {
		return log.hasLine("engine started", "validators=4 quorum=69 sequencers=4 weight=103", `"our weight"=100`)
	})
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
}
