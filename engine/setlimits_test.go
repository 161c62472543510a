package engine_test

import (
	"errors"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// large returns a follower of a set of 1,600 Ed25519 validators, all of them sequencers, with
// default limits. Only the keys of the set are used.
func large(t *testing.T) (*member, *logged, *prometheus.Registry) {
	t.Helper()
	s := newSet(t, testkit.Ed25519, 1600, 1)
	net := &network{handles: map[[2]wire.PublicKey]*engine.Peer{}}
	m := newMember(t, net, oneEpoch(s), s, 0)
	m.config.Sequencer, m.config.Relay = nil, nil
	m.config.MaxPeers, m.config.PeerQuota, m.config.MaxMessage, m.config.MaxVoteBytes = 0, 0, 0, 0
	log, registry := new(logged), prometheus.NewRegistry()
	m.config.Logger, m.config.Metrics = slog.New(slog.NewTextHandler(log, nil)), registry
	return m, log, registry
}

func (m *member) begin(t *testing.T) {
	t.Helper()
	m.open(t, nil)
	m.start()
	if status(t, m.engine).Peers != 0 { // the loop answers this after its beginning
		t.Fatal("peers from nowhere")
	}
}

// aNode returns a node with a certificate of that many signatures, and the longest encoding
// otherwise.
func aNode(s verify.Scheme, signers int) []byte {
	all := wire.NewSigners(s.Format().Participants)
	for i := range signers {
		all.Add(wire.Participant(i))
	}
	n := wire.Node{Chunk: wire.Chunk{Sequencer: s.Participants()[1], Height: 1<<64 - 1}, Parent: wire.Parent{Epoch: 1<<64 - 1}}
	n.Parent.Certificate = wire.AppendSignersAndList(nil, all, func(wire.Participant) []byte { return make([]byte, 64) })
	return n.AppendTo(nil)
}

func TestLimitsThatAreLeftToTheEngineFitALargeSet(t *testing.T) {
	m, log, _ := large(t)
	set := m.config.Schemes.(provider).schemes[0]
	sets, err := engine.NewStaticEpochs(set, nil, set.Participants())
	if err != nil {
		t.Fatal(err)
	}
	m.config.Schemes, m.config.Sequencers, m.config.Monitor = sets, sets, sets
	m.begin(t)
	const acks = 700 // on as many lanes: more than 64 MiB
	for i, id := range set.Participants() {
		p, err := m.engine.Peer(id)
		if err != nil {
			t.Fatalf("peer %d: %v", i, err)
		}
		if 0 < i && i <= acks { // 0 is this process
			a := wire.Ack{Chunk: wire.Chunk{Sequencer: id}, Participant: wire.Participant(i), Signature: make([]byte, 64)}
			if err := p.DeliverAckBytes(a.AppendTo(nil)); err != nil {
				t.Fatal(err)
			}
		}
		if i == 1 {
			for _, signers := range []int{verify.Quorum(1600), 1600} {
				if err := p.DeliverNodeBytes(aNode(set, signers)); err != nil {
					t.Errorf("a node with %d signatures: %v", signers, err)
				}
			}
			if err := p.DeliverNodeBytes(append(aNode(set, 1600), 0)); !errors.Is(err, engine.ErrMessageTooLarge) {
				t.Errorf("a node longer than any: %v", err)
			}
		}
	}
	eventually(t, "all acks are taken in", func() bool { return status(t, m.engine).Counters.AcksReceived == acks })
	if s := status(t, m.engine); s.Counters.AcksAccepted != acks || s.VoteBytes <= 64<<20 {
		t.Errorf("%d acks had room, in %d bytes", s.Counters.AcksAccepted, s.VoteBytes)
	}
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
	if log.has("too small") || !log.has("MaxMessage grows") || !log.has("MaxVoteBytes grows") {
		t.Errorf("log: %s", log.text.String())
	}
}

func TestALimitThatASetDoesNotFitIsNamedWithTheValueThatItNeeds(t *testing.T) {
	m, log, registry := large(t)
	m.config.MaxPeers, m.config.PeerQuota, m.config.MaxMessage, m.config.MaxVoteBytes = 128, 0, 64<<10, 64<<20
	m.begin(t)
	p, err := m.engine.Peer(wire.PublicKey{1})
	if err != nil {
		t.Fatal(err)
	}
	set := m.config.Schemes.(provider).schemes[0]
	if err := p.DeliverNodeBytes(aNode(set, verify.Quorum(1600))); !errors.Is(err, engine.ErrMessageTooLarge) {
		t.Errorf("the node: %v", err)
	}
	needed := gather(t, registry)["lanecast_limit_needed_ratio"]
	for field, ratio := range map[string][2]float64{
		"MaxPeers": {12.49, 12.5}, "MaxMessage": {1.56, 1.57}, "MaxVoteBytes": {10.2, 10.3},
	} {
		if got := value(needed, field); got < ratio[0] || got > ratio[1] {
			t.Errorf("%s: %v times as much is needed", field, got)
		}
		if !log.hasLine("level=WARN", field+" is too small for the epoch", "epoch=0", "validators=1600 sequencers=1600") {
			t.Errorf("nothing is logged of %s", field)
		}
	}
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}

	// The values that the log names are enough.
	m.config.MaxPeers, m.config.PeerQuota = log.needed(t, "MaxPeers"), 1
	m.config.MaxMessage, m.config.MaxVoteBytes = log.needed(t, "MaxMessage"), log.needed(t, "MaxVoteBytes")
	more := new(logged)
	m.config.Logger = slog.New(slog.NewTextHandler(more, nil))
	m.begin(t)
	p, err = m.engine.Peer(wire.PublicKey{1})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.DeliverNodeBytes(aNode(set, 1600)); err != nil {
		t.Errorf("the node: %v", err)
	}
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
	if more.has("too small") || more.has("grows") {
		t.Errorf("log: %s", more.text.String())
	}
}

// needed returns the value that a field needs by the log.
func (l *logged) needed(t *testing.T, field string) int {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	_, after, _ := strings.Cut(l.text.String(), field+" is too small")
	_, after, _ = strings.Cut(after, "needed=")
	number, _, _ := strings.Cut(after, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The sets of later epochs may be larger, and are known later.
func TestLimitsAreComparedWithEachEpochsSets(t *testing.T) {
	t.Parallel()
	s, more := newSet(t, testkit.Ed25519, 4, 1), newSet(t, testkit.Ed25519, 40, 2)
	net, w, members := newCluster(t, s)
	for e := range w.schemes {
		if e > 4 {
			w.schemes[e], w.sequencers[e] = more.Scheme, more.Scheme.Participants()
		}
	}
	m := members[0]
	log := new(logged)
	m.config.Logger = slog.New(slog.NewTextHandler(log, nil))
	m.config.MaxPeers, m.config.MaxMessage, m.config.MaxVoteBytes = 4, 600, 0
	m.open(t, net)
	m.start()
	status(t, m.engine)
	if log.has("too small") {
		t.Errorf("log: %s", log.text.String())
	}
	m.monitor.updates <- 4 // epoch 5 is within bounds
	eventually(t, "the log names both limits", func() bool {
		return log.hasLine("MaxPeers is too small", "epoch=5", "needed=40") && log.hasLine("MaxMessage is too small", "epoch=5")
	})
	m.monitor.updates <- 5
	eventually(t, "the epoch begins", func() bool { return status(t, m.engine).Epoch == 5 })
	if n := log.count("too small"); n != 2 {
		t.Errorf("%d warnings", n)
	}
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
}

// 5.5: Memory is bounded by configuration, whatever peers send.
//
// Votes for the next two heights of each lane have room, with any number of other votes: the value
// in the log must guarantee that.
func TestRule5_5_MaxVoteBytesAsTheLogNamesItIsEnoughWhateverPeersSend(t *testing.T) {
	t.Parallel()
	const lanes = 400 // which take more than the least allowed MaxVoteBytes
	s := newSet(t, testkit.Multisig, 4, 1)
	net, w, members := newCluster(t, s)
	keys := make([]wire.PublicKey, lanes)
	for i, k := range testkit.Identities(lanes, 3) {
		keys[i] = testkit.Identity(k)
	}
	for e := range w.sequencers {
		w.sequencers[e] = keys
	}
	m := members[0]
	m.config.Sequencer, m.config.Relay = nil, nil
	m.config.PeerQuota, m.config.MaxVoteBytes = 1<<15, 4*lanes*(512+4*(48+3))
	log := new(logged)
	m.config.Logger = slog.New(slog.NewTextHandler(log, nil))
	m.open(t, net)
	m.start()
	ack := func(from int, lane, height int, epoch uint64) {
		t.Helper()
		a := wire.Ack{Chunk: wire.Chunk{Sequencer: keys[lane], Height: uint64(height)}, Epoch: epoch,
			Participant: wire.Participant(from), Signature: make([]byte, 48)}
		p, err := m.engine.Peer(members[from].id)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.DeliverAckBytes(a.AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
	}
	sent := uint64(0)
	for from := 2; from < 4; from++ { // for higher chunks, and of the next epoch
		for lane := range keys {
			for height := range 16 {
				ack(from, lane, 2+height%14, 0)
				ack(from, lane, height, 1)
				sent += 2
			}
		}
	}
	eventually(t, "they are taken in", func() bool { return status(t, m.engine).Counters.AcksReceived == sent })
	before := status(t, m.engine).Counters.AcksAccepted
	for lane := range keys {
		ack(1, lane, 0, 0)
		ack(1, lane, 1, 0)
	}
	eventually(t, "they are taken in", func() bool { return status(t, m.engine).Counters.AcksReceived == sent+2*lanes })
	if got := status(t, m.engine).Counters.AcksAccepted - before; got != 2*lanes {
		t.Errorf("%d of %d acks that are needed now had room", got, 2*lanes)
	}
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
	if log.has("MaxVoteBytes is too small") {
		t.Errorf("log: %s", log.text.String())
	}
}

func TestMaxVoteBytesBelowTheNeedOfTheLanesIsLogged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		bytes int
		warns bool
	}{{1 << 20, true}, {4*100*(512+100*(64+3)) - 1, true}, {4 * 100 * (512 + 100*(64+3)), false}, {0, false}} {
		set := newSet(t, testkit.Ed25519, 100, 1)
		net := &network{handles: map[[2]wire.PublicKey]*engine.Peer{}}
		m := newMember(t, net, oneEpoch(set), set, 0)
		out := new(logged)
		m.config.MaxVoteBytes, m.config.Logger = c.bytes, slog.New(slog.NewTextHandler(out, nil))
		m.begin(t)
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		if out.has("MaxVoteBytes is too small") != c.warns {
			t.Errorf("MaxVoteBytes %d: warned %v, want %v", c.bytes, !c.warns, c.warns)
		}
	}
}

// The documentation of MaxPeers names the memory that is reserved.
func TestPlacesForMessagesTakeTheMemoryThatIsDocumented(t *testing.T) {
	skipUnderRaceDetector(t)
	if strconv.IntSize < 64 {
		t.Skip("pointers are shorter")
	}
	with := func(peers, quota int) int64 {
		config := soundConfig(t)
		config.MaxPeers, config.PeerQuota = peers, quota
		before := heapInUse()
		e, err := engine.New(config)
		if err != nil {
			t.Fatal(err)
		}
		used := heapInUse() - before
		runtime.KeepAlive(e)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		return used
	}
	few := with(1, 1)
	for _, c := range []struct{ peers, quota, places int64 }{{128, 1024, 1 << 17}, {129, 1024, 1 << 18}, {1000, 100, 1 << 17}} {
		used := with(int(c.peers), int(c.quota)) - few
		if each := float64(used) / float64(c.places); each < 84 || each > 92 {
			t.Errorf("%d peers of %d messages: %.1f bytes for each of %d places", c.peers, c.quota, each, c.places)
		}
	}
}
