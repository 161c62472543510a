package engine_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// acksSettings are the possible settings of acks in a network.
var acksSettings = map[string]func(c *engine.Config){
	"to all":                      func(*engine.Config) {},
	"to all, certificates sent":   func(c *engine.Config) { c.SendCertificates = true },
	"to the sequencer":            func(c *engine.Config) { c.Acks = engine.AcksToSequencer },
	"half of them to all, moving": nil,
}

// setAcks gives member i a setting.
func setAcks(setting func(*engine.Config), i int, c *engine.Config) {
	if setting == nil {
		setting = acksSettings[[]string{"to all, certificates sent", "to the sequencer"}[i%2]]
	}
	setting(c)
}

// weighted returns a set of four validators, of which two have two thirds of the weight; threshold
// sets have no weights.
func weighted(t testing.TB, kind testkit.Kind) *testkit.Set {
	t.Helper()
	weights := []uint64{5, 1, 5, 4} // of 15, 11 certify: the first and the third, with any other
	if kind == testkit.Threshold {
		weights = nil
	}
	set, err := testkit.NewWeighted(testkit.Identities(4, 1), weights, kind, verify.MinSig, verify.Compressed, namespace, 1)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// 4.5, 4.9: In either setting, and in a network that moves from one to the other, every process
// learns of every lock.
func TestEveryMemberLearnsOfEveryLaneForAnyRecipientsOfAcks(t *testing.T) {
	t.Parallel()
	for name, setting := range acksSettings {
		for _, kind := range []testkit.Kind{testkit.Multisig, testkit.Threshold, testkit.Ed25519} {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				net, w, members := newCluster(t, weighted(t, kind))
				for i, m := range members {
					setAcks(setting, i, &m.config)
				}
				startAll(t, net, members)
				eventually(t, "every member has locked 5 heights of every lane", func() bool {
					for _, m := range members {
						for _, sequencer := range w.sequencers[0] {
							if m.recorder.Height(sequencer) < 5 {
								return false
							}
						}
					}
					return true
				})
				for i, m := range members {
					s := status(t, m.engine)
					if m.config.Acks == engine.AcksToSequencer && s.Counters.CertificatesReceived == 0 {
						t.Errorf("member %d has received no certificate", i)
					}
					if s.Counters.CertificatesInvalid+s.Counters.AcksInvalid+s.Counters.NodesInvalid > 0 {
						t.Errorf("member %d was sent something invalid: %+v", i, s.Counters)
					}
				}
				haltAll(t, members)
				demandSound(t, oneEpoch(weighted(t, kind)).schemes, members)
			})
		}
	}
}

// 4.5: A chunk costs n nodes, n acks and n certificate messages, instead of n² acks.
func TestAcksToTheSequencerAreOnePerValidator(t *testing.T) {
	t.Parallel()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	var acks, recipients atomic.Int64
	for _, m := range members {
		m.config.Acks = engine.AcksToSequencer
		m.config.Sender = &recipientCounter{m.config.Sender, &acks, &recipients}
	}
	startAll(t, net, members)
	eventually(t, "lanes grow", func() bool { return members[0].recorder.Height(members[1].id) >= 10 })
	haltAll(t, members)
	if acks.Load() == 0 || acks.Load() != recipients.Load() {
		t.Errorf("%d acks went to %d recipients", acks.Load(), recipients.Load())
	}
	if net.certificates.Load() == 0 {
		t.Error("no certificate was sent")
	}
}

type recipientCounter struct {
	engine.Sender
	acks, recipients *atomic.Int64
}

func (s *recipientCounter) SendAck(to []wire.PublicKey, message []byte) {
	s.acks.Add(1)
	s.recipients.Add(int64(len(to)))
	s.Sender.SendAck(to, message)
}

// deafTo drops the certificates sent to one member until the test lets them through.
type deafTo struct {
	engine.Sender
	id      wire.PublicKey
	hears   atomic.Bool
	dropped atomic.Int64
}

func (d *deafTo) SendCertificate(to []wire.PublicKey, message []byte) {
	for _, id := range to {
		if id == d.id && !d.hears.Load() {
			d.dropped.Add(1)
			continue
		}
		d.Sender.SendCertificate([]wire.PublicKey{id}, message)
	}
}

// 4.9: An ack for a chunk of our own lane that arrives more than AckInterval after its certificate
// was sent is answered with that certificate.
func TestACertificateThatIsLostComesWithTheNextAck(t *testing.T) {
	t.Parallel()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	deaf := &deafTo{Sender: members[0].config.Sender, id: members[3].id}
	for i, m := range members {
		m.config.Acks = engine.AcksToSequencer
		m.app.limit = 3 // then the lanes stand still, and only the answer can bring the certificate
		if i == 0 {
			m.config.Sender = deaf
		}
	}
	startAll(t, net, members)
	lane := members[0].id
	eventually(t, "the others know the whole lane", func() bool { return members[1].recorder.Height(lane) >= 3 })
	eventually(t, "certificates were lost, and sent again", func() bool { return deaf.dropped.Load() > 4 })
	if members[3].recorder.Height(lane) >= 3 {
		t.Fatal("it knows the last certificate, which it was never sent")
	}
	deaf.hears.Store(true)
	eventually(t, "it knows the whole lane", func() bool { return members[3].recorder.Height(lane) >= 3 })
	haltAll(t, members)
}

// 4.10: A peer that is connected again gets what it may lack.
func TestAPeerThatIsConnectedGetsTheLastCertificate(t *testing.T) {
	t.Parallel()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	for _, m := range members {
		m.config.Acks = engine.AcksToSequencer
		m.app.limit = 3
	}
	late := members[3]
	for _, m := range members[:3] {
		m.open(t, net, members[:3]...)
	}
	for _, m := range members[:3] {
		m.start()
	}
	lane := members[0].id
	eventually(t, "the others know the whole lane", func() bool { return members[1].recorder.Height(lane) >= 3 })
	late.open(t, net, members...)
	late.start()
	for _, m := range members[:3] {
		if err := m.engine.PeerConnected(late.id); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the late one knows the last certificate of the lane", func() bool { return late.recorder.Height(lane) >= 3 })
	haltAll(t, members)
	if err := members[0].config.Sender.(*sender).net.handle(late.id, lane).Identity(); err != late.id {
		t.Error("handles were mixed up")
	}
}

func TestPeerConnectedFailsAsPeerDoes(t *testing.T) {
	t.Parallel()
	m, _, _ := quiet(t)
	if err := m.engine.PeerConnected(wire.PublicKey{1}); err != nil {
		t.Error(err)
	}
	m.halt()
	e, err := engine.New(m.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.PeerConnected(wire.PublicKey{1}); !errors.Is(err, engine.ErrStopped) {
		t.Error(err)
	}
}

func TestUnknownSettingsOfAcksAreRefused(t *testing.T) {
	_, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	c := members[0].config
	c.Acks = 7
	_, err := engine.New(c)
	var bad *engine.ConfigError
	if !errors.As(err, &bad) || bad.Field != "Acks" {
		t.Errorf("%v", err)
	}
}

// 1: Settings of the network: the settings that its processes should have in common.
func TestSettingsHoldTheValuesThatProcessesShouldHaveInCommon(t *testing.T) {
	t.Parallel()
	net, w, members := newCluster(t, newSet(t, testkit.Multisig, 4, 1))
	members[1].config.Acks = engine.AcksToSequencer
	members[2].config.SendCertificates = true
	startAll(t, net, members)
	for i, m := range members {
		s, err := m.engine.Settings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := engine.Settings{
			Namespace: sha256.Sum256(namespace), Acks: m.config.Acks, SendCertificates: i == 1 || i == 2,
			Sets: []engine.SetSettings{
				{Epoch: 0, Digest: w.schemes[0].(*verify.Multisig).Digest(), HasDigest: true},
				{Epoch: 1, Digest: w.schemes[0].(*verify.Multisig).Digest(), HasDigest: true},
			},
		}
		if !reflect.DeepEqual(s, want) {
			t.Errorf("member %d: %+v, want %+v", i, s, want)
		}
	}
	haltAll(t, members)
	for _, a := range []engine.Acks{engine.AcksToAll, engine.AcksToSequencer} {
		if fmt.Sprint(a) != map[engine.Acks]string{engine.AcksToAll: "all", engine.AcksToSequencer: "sequencer"}[a] {
			t.Errorf("%v", a)
		}
	}
}

// Explicit weights of 1 change nothing.
func TestMembersWithWeightsOfOneWorkWithMembersWithout(t *testing.T) {
	t.Parallel()
	plain := newSet(t, testkit.Multisig, 4, 1)
	ones, err := testkit.NewWeighted(testkit.Identities(4, 1), []uint64{1, 1, 1, 1}, testkit.Multisig, verify.MinSig, verify.Compressed, namespace, 1)
	if err != nil {
		t.Fatal(err)
	}
	net, w, members := newCluster(t, plain)
	for i := range 2 {
		members[i] = newMember(t, net, oneEpoch(ones), ones, i)
	}
	startAll(t, net, members)
	for _, m := range members {
		eventually(t, "lanes grow", func() bool { return m.recorder.Height(members[0].id) >= 5 })
	}
	haltAll(t, members)
	demandSound(t, w.schemes, members)
}
