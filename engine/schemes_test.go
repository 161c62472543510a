package engine_test

import (
	"log/slog"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// bentScheme contradicts itself.
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

// sliced is a scheme that cannot be compared.
type sliced struct {
	*bentScheme
	_ []byte
}

// 3.1: An embedder may bring another scheme, of a type that cannot be compared too. Whether it
// contradicts itself is then found out once per epoch.
func TestASchemeThatCannotBeComparedIsUsed(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	all := s.Scheme.Participants()
	good, bad := &bentScheme{s.Scheme, verify.EqualWeights(4), all}, &bentScheme{s.Scheme, verify.EqualWeights(3), all}
	net, w, members := newCluster(t, s)
	m := members[0]
	for e := range w.schemes {
		w.schemes[e] = sliced{bentScheme: good}
	}
	w.schemes[1] = sliced{bentScheme: bad}
	log := new(logged)
	m.config.Logger = slog.New(slog.NewTextHandler(log, nil))
	m.open(t, net)
	m.start()
	p, err := m.engine.Peer(members[3].id)
	if err != nil {
		t.Fatal(err)
	}
	for n, epoch := range []uint64{0, 1, 1} {
		a := wire.Ack{
			Chunk: wire.Chunk{Sequencer: members[1].id, Height: uint64(n)}, Epoch: epoch, Participant: 3, Signature: make([]byte, 64),
		}
		if err := p.DeliverAckBytes(a.AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the acks are taken in", func() bool { return status(t, m.engine).Counters.AcksReceived == 3 })
	if got := status(t, m.engine).Counters.AcksAccepted; got != 1 {
		t.Errorf("%d acks accepted, that of epoch 0 is wanted", got)
	}
	if got := log.count("cannot be used"); got != 1 {
		t.Errorf("logged %d times", got)
	}
	haltAll(t, []*member{m})
}
