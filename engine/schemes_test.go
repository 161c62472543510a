package engine_test

import (
	"errors"
	"log/slog"
	"runtime"
	"testing"
	"weak"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// bentScheme is a scheme that contradicts itself.
type bentScheme struct {
	verify.Scheme
	weights      verify.Weights
	participants []wire.PublicKey
}

func (s *bentScheme) Weights() verify.Weights        { return s.weights }
func (s *bentScheme) Participants() []wire.PublicKey { return s.participants }

// 3.1: An embedder may bring another scheme. One that contradicts itself stops nothing: its epoch
// counts as unknown, and the log says why.
func TestASchemeThatContradictsItselfCountsAsUnknown(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	all := s.Scheme.Participants()
	for name, bent := range map[string]*bentScheme{
		"weights for three":        {s.Scheme, verify.EqualWeights(3), all},
		"no weights":               {s.Scheme, verify.Weights{}, all},
		"three participants":       {s.Scheme, verify.EqualWeights(3), all[:3]},
		"a key of small order":     {s.Scheme, verify.EqualWeights(4), append([]wire.PublicKey{{1}}, all[1:]...)},
		"nothing wrong, after all": {s.Scheme, verify.EqualWeights(4), all},
	} {
		t.Run(name, func(t *testing.T) {
			net, w, members := newCluster(t, s)
			m := members[0]
			for e := range w.schemes {
				w.schemes[e] = bent
			}
			log := new(logged)
			m.config.Logger = slog.New(slog.NewTextHandler(log, nil))
			m.open(t, net)
			m.start()
			p, err := m.engine.Peer(members[3].id)
			if err != nil {
				t.Fatal(err)
			}
			a := wire.Ack{Chunk: wire.Chunk{Sequencer: members[1].id}, Participant: 3, Signature: make([]byte, 64)}
			if err := p.DeliverAckBytes(a.AppendTo(nil)); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the ack is taken in", func() bool { return status(t, m.engine).Counters.AcksReceived == 1 })
			accepted, told := status(t, m.engine).Counters.AcksAccepted, log.has("cannot be used")
			if want := bent.weights.Len() == 4 && name != "a key of small order"; (accepted == 1) != want || told == want {
				t.Errorf("%d acks accepted, logged: %v", accepted, told)
			}
			haltAll(t, []*member{m})
		})
	}
}

// A scheme of another namespace is not used: its epoch counts as unknown, and the log gives the
// reason.
func TestASchemeOfAnotherNamespaceCountsAsUnknown(t *testing.T) {
	t.Parallel()
	for _, kind := range []testkit.Kind{testkit.Ed25519, testkit.Multisig, testkit.Threshold} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			net, w, members := newCluster(t, newSet(t, kind, 1, 1))
			m := members[0]
			other := testkit.MustSet(t, kind, 1, append([]byte("_"), namespace...), 1).Scheme
			for e := range w.schemes {
				w.schemes[e] = other
			}
			log := new(logged)
			m.config.Logger = slog.New(slog.NewTextHandler(log, nil))
			m.open(t, net)
			m.start()
			eventually(t, "it is told", func() bool { return log.has("of another namespace than Config.Namespace") })
			if s := status(t, m.engine); s.Counters.Certificates != 0 || s.Counters.AcksReceived != 0 {
				t.Errorf("%+v", s.Counters)
			}
			haltAll(t, members)
		})
	}
}

// plainScheme is a struct with a slice in it, which is not comparable.
type plainScheme struct {
	verify.Scheme
	_ []string
}

// 3.1: An embedder may bring another scheme.
func TestASchemeNeedNotBeComparable(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 1, 1)
	net, w, members := newCluster(t, s)
	m := members[0]
	for e := range w.schemes {
		w.schemes[e] = plainScheme{Scheme: s.Scheme}
	}
	m.open(t, net)
	m.start()
	eventually(t, "the lane grows, or Run has returned", func() bool {
		return m.recorder.Height(m.id) > 3 || len(m.result) > 0
	})
	haltAll(t, members)
}

// noScheme is a provider that claims to know the schemes of some epochs, and returns nil.
type noScheme struct {
	engine.SchemeProvider
	from uint64
}

func (n noScheme) Scheme(epoch uint64) (verify.Scheme, bool) {
	if epoch >= n.from {
		return nil, true
	}
	return n.SchemeProvider.Scheme(epoch)
}

func TestASchemeThatIsNilCountsAsUnknown(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	for name, from := range map[string]uint64{"now": 0, "later": 9} {
		t.Run(name, func(t *testing.T) {
			net, _, members := newCluster(t, s)
			m := members[0]
			m.config.Schemes = noScheme{m.config.Schemes, from}
			m.open(t, net)
			m.start()
			lock := wire.Lock{Chunk: wire.Chunk{Sequencer: members[1].id, Height: 7}, Epoch: 9, Certificate: []byte("anything")}
			answers, err := m.engine.VerifyLocks(t.Context(), []wire.Lock{lock})
			if err != nil || !errors.Is(answers[0], wire.ErrUnknownEpoch) {
				t.Errorf("a lock of such an epoch: %v, %v", answers, err)
			}
			if err := m.halt(); err != nil {
				t.Errorf("Run returned %v", err)
			}
		})
	}
}

// setPerEpoch is a provider with a set of its own for each epoch.
type setPerEpoch map[uint64]*verify.Ed25519

func (s setPerEpoch) Scheme(epoch uint64) (verify.Scheme, bool) {
	scheme, ok := s[epoch]
	return scheme, ok
}

func (s setPerEpoch) AckSigner(uint64) verify.AckSigner { return nil }

// 5.5: Memory is bounded by configuration, however many epochs pass.
func TestRule5_5_SetsOfEpochsThatAreOverAreNotKept(t *testing.T) {
	s := newSet(t, testkit.Ed25519, 4, 1)
	net, w, members := newCluster(t, s)
	m := members[0]
	const last = 20
	all, over := setPerEpoch{}, []weak.Pointer[verify.Ed25519]{}
	for e := range uint64(last + 2) {
		scheme, err := verify.NewEd25519(namespace, s.Scheme.Participants())
		if err != nil {
			t.Fatal(err)
		}
		all[e], w.sequencers[e] = scheme, s.Scheme.Participants()
		if e < last-2 {
			over = append(over, weak.Make(scheme))
		}
	}
	m.config.Sequencer, m.config.Relay, m.config.Schemes = nil, nil, all
	m.open(t, net)
	m.start()
	for e := range uint64(last) {
		m.monitor.updates <- e + 1
	}
	eventually(t, "the epochs pass", func() bool { return status(t, m.engine).Epoch == last })
	e := m.engine
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
	clear(all) // else the configuration keeps them
	runtime.GC()
	runtime.GC()
	for epoch, scheme := range over {
		if scheme.Value() != nil {
			t.Fatalf("the set of epoch %d is kept in epoch %d", epoch, last)
		}
	}
	runtime.KeepAlive(e)
}
