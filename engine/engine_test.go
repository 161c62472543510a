package engine_test

import (
	"fmt"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

func TestAllLanesGrowAndTheirLocksVerifyIndependently(t *testing.T) {
	t.Parallel()
	for _, kind := range []testkit.Kind{testkit.Multisig, testkit.Threshold, testkit.Ed25519} {
		t.Run(string(kind), func(t *testing.T) {
			net, w, members := newCluster(t, newSet(t, kind, 4, 1))
			startAll(t, net, members)
			eventually(t, "every member has locked 3 heights of every lane", func() bool {
				for _, m := range members {
					for _, sequencer := range w.sequencers[0] {
						if m.recorder.Height(sequencer) < 3 {
							return false
						}
					}
				}
				return true
			})
			haltAll(t, members)
			fresh := newSet(t, kind, 4, 1) // shares no cache with the engines' scheme
			demandSound(t, oneEpoch(fresh).schemes, members)
		})
	}
}

func TestARestartGoesOnAboveWithoutConflict(t *testing.T) {
	t.Parallel()
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	reached := make([]uint64, len(members))
	for round := range 3 {
		startAll(t, net, members)
		eventually(t, "every lane has grown by 5", func() bool {
			for i, m := range members {
				if members[0].recorder.Height(m.id) < reached[i]+5 {
					return false
				}
			}
			return true
		})
		haltAll(t, members)
		for i, m := range members {
			reached[i] = members[0].recorder.Height(m.id)
		}
		t.Logf("round %d: heights %v", round, reached)
	}
	demandSound(t, w.schemes, members)
}

func TestOneMemberRestartsWhileTheOthersGoOn(t *testing.T) {
	t.Parallel()
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	startAll(t, net, members)
	for range 3 {
		before := members[1].recorder.Height(members[0].id)
		eventually(t, "its lane grows", func() bool { return members[1].recorder.Height(members[0].id) >= before+3 })
		if err := members[0].halt(); err != nil {
			t.Fatal(err)
		}
		others := members[1].recorder.Height(members[2].id)
		eventually(t, "the other lanes grow without it",
			func() bool { return members[1].recorder.Height(members[2].id) >= others+3 })
		members[0].open(t, net, members...)
		members[0].start()
	}
	before := members[1].recorder.Height(members[0].id)
	eventually(t, "its lane grows again", func() bool { return members[1].recorder.Height(members[0].id) >= before+3 })
	haltAll(t, members)
	demandSound(t, w.schemes, members)
}

func TestLanesGoOnThroughAChangeOfEpoch(t *testing.T) {
	t.Parallel()
	identities := testkit.Identities(4, 1)
	var sets [2]*testkit.Set
	w := &world{map[uint64]verify.Scheme{}, map[uint64][]wire.PublicKey{}}
	for e := range sets {
		s, err := testkit.NewFor(identities, testkit.Multisig, verify.MinSig, verify.Compressed, namespace, uint64(e))
		if err != nil {
			t.Fatal(err)
		}
		sets[e] = s
		w.schemes[uint64(e)], w.sequencers[uint64(e)] = s.Scheme, s.Scheme.Participants()
	}
	net := &network{handles: map[[2]wire.PublicKey]*engine.Peer{}}
	members := make([]*member, 4)
	for i := range members {
		members[i] = newMember(t, net, w, sets[0], i)
		members[i].config.Schemes.(provider).signers[1] = sets[1].Signers[i]
	}
	startAll(t, net, members)
	eventually(t, "a chunk is locked in epoch 0", func() bool { return members[0].recorder.Height(members[1].id) > 0 })
	for _, m := range members {
		m.monitor.updates <- 1
	}
	eventually(t, "every lane has a lock of epoch 1", func() bool {
		lanes := map[wire.PublicKey]bool{}
		for _, l := range members[0].recorder.Locks() {
			if l.Epoch == 1 {
				lanes[l.Chunk.Sequencer] = true
			}
		}
		return len(lanes) == len(members)
	})
	status, err := members[0].engine.Status(t.Context())
	if err != nil || status.Epoch != 1 {
		t.Errorf("status tells epoch %d, %v", status.Epoch, err)
	}
	needed, err := members[0].engine.EpochsNeeded(t.Context())
	if err != nil || fmt.Sprint(needed) != fmt.Sprint(status.EpochsNeeded) || needed[len(needed)-1] < 1 {
		t.Errorf("needs epochs %v, status says %v, %v", needed, status.EpochsNeeded, err)
	}
	haltAll(t, members)
	demandSound(t, w.schemes, members)
}

func TestAnEngineWithoutKeysFollows(t *testing.T) {
	t.Parallel()
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	follower := &member{
		id: wire.PublicKey{0xFF}, app: &application{}, recorder: &testkit.Recorder{},
		monitor: &monitor{updates: make(chan uint64)},
	}
	follower.config = engine.Config{
		Namespace: namespace, Schemes: provider{world: w}, Sequencers: w, Monitor: follower.monitor, Automaton: follower.app,
		Reporter: follower.recorder, Sender: unusable{t}, Journal: engine.JournalConfig{Dir: t.TempDir(), Create: true},
	}
	net.mirrors = []wire.PublicKey{follower.id}
	follower.open(t, net, members...)
	follower.start()
	startAll(t, net, members)
	eventually(t, "the follower has locks of every lane", func() bool {
		for _, m := range members {
			if follower.recorder.Height(m.id) < 5 {
				return false
			}
		}
		return true
	})
	haltAll(t, append(members, follower))
	if len(follower.recorder.Tips()) == 0 {
		t.Error("the follower reported no tip")
	}
	demandSound(t, w.schemes, []*member{follower})
}

func TestASequencerThatIsNoValidatorIsCertified(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	outsider := newSet(t, testkit.Ed25519, 1, 99)
	net, w, members := newCluster(t, s)
	id := testkit.Identity(outsider.Identities[0])
	for e := range w.sequencers {
		w.sequencers[e] = []wire.PublicKey{id}
	}
	sequencer := newMember(t, net, w, outsider, 0)
	all := append(members, sequencer)
	startAll(t, net, all)
	eventually(t, "its lane is locked everywhere", func() bool {
		for _, m := range all {
			if m.recorder.Height(id) < 5 {
				return false
			}
		}
		return true
	})
	haltAll(t, all)
	demandSound(t, w.schemes, all)
}

func TestASingleValidatorCertifiesItself(t *testing.T) {
	net, w, members := newCluster(t, newSet(t, testkit.Multisig, 1, 1))
	members[0].app.limit = 5
	startAll(t, net, members)
	eventually(t, "all its chunks are locked", func() bool { return members[0].recorder.Height(members[0].id) == 5 })
	lock, ok, err := members[0].engine.Certificate(t.Context(), members[0].id, 4)
	if err != nil || !ok || lock.Chunk.Payload != payloadAt(engine.Place{Sequencer: members[0].id, Height: 4}) {
		t.Errorf("Certificate returned %v, %v, %v", lock, ok, err)
	}
	tip, ok, err := members[0].engine.Tip(t.Context(), members[0].id)
	if err != nil || !ok || tip.Chunk != lock.Chunk {
		t.Errorf("Tip returned %v, %v, %v", tip, ok, err)
	}
	haltAll(t, members)
	demandSound(t, w.schemes, members)
}
