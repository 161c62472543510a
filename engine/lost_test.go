package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// soloRun runs a network of one validator until its lane has that many locks, and keeps its folder.
func soloRun(t *testing.T, heights uint64) *member {
	t.Helper()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	m.app.limit = heights
	startAll(t, net, members)
	eventually(t, "all is locked", func() bool { return m.recorder.Height(m.id) == heights })
	haltAll(t, members)
	return m
}

// refused checks that New refuses a configuration with an error whose text tells an operator what
// to do.
func refused(t *testing.T, c engine.Config, want error, words ...string) {
	t.Helper()
	e, err := engine.New(c)
	if err == nil {
		t.Error(e.Close())
		t.Fatalf("New has no objection, want %v", want)
	}
	if !errors.Is(err, want) {
		t.Fatalf("New returned %v, want %v", err, want)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// 5.9: A folder without a journal is refused unless the embedder says whether this is a first start
// or a recovery.
func TestRule5_9_AFolderWithoutAJournalIsRefusedUnlessAFlagNamesTheReason(t *testing.T) {
	_, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	c := members[0].config
	c.Journal.Create = false
	refused(t, c, journal.ErrNoJournal, "Journal.Create", "Journal.Recover")
	c.Journal.Create, c.Journal.Recover = true, true
	refused(t, c, engine.ErrConfig, "Journal.Recover")
	c.Journal.Recover = false
	e, err := engine.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	// The journal holds only the first record: the flag may stay for one more start.
	if e, err = engine.New(c); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// 5.9: Create and Recover are refused for a journal that holds any record after its first.
func TestRule5_9_CreateAndRecoverAreRefusedForAJournalInUse(t *testing.T) {
	m := soloRun(t, 2)
	c := m.config
	c.Journal.Create = true
	refused(t, c, engine.ErrJournalInUse, "remove Journal.Create")
	c.Journal.Create, c.Journal.Recover = false, true
	refused(t, c, engine.ErrJournalInUse, "remove Journal.Create")
}

// 5.9: The first record says first start or recovering.
func TestRule5_9_AJournalBegunOneWayIsRefusedTheOtherWay(t *testing.T) {
	for _, recovers := range []bool{false, true} {
		_, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
		c := members[0].config
		c.Journal.Create, c.Journal.Recover = !recovers, recovers
		e, err := engine.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		c.Journal.Create, c.Journal.Recover = recovers, !recovers
		refused(t, c, engine.ErrJournalInUse)
	}
}

// 5.9: A journal belongs to one identity and one namespace, which stand in it: another's is
// refused.
func TestRule5_9_AJournalOfAnotherNamespaceIsRefused(t *testing.T) {
	m := soloRun(t, 3)
	other := []byte("another network")
	set, err := testkit.New(testkit.Ed25519, verify.MinSig, verify.Compressed, 1, other, 1) // the same keys
	if err != nil {
		t.Fatal(err)
	}
	b := newMember(t, &network{handles: map[[2]wire.PublicKey]*engine.Peer{}}, oneEpoch(set), set, 0)
	b.config.Namespace, b.config.Journal = other, m.config.Journal
	refused(t, b.config, engine.ErrForeignJournal, "namespace")
}

// 5.9: A journal belongs to one identity and one namespace, which stand in it: another's is
// refused.
func TestRule5_9_AJournalOfAnotherIdentityIsRefused(t *testing.T) {
	t.Parallel()
	m := soloRun(t, 3)
	_, _, others := newCluster(t, newSet(t, testkit.Ed25519, 4, 2))
	b := others[1]
	b.config.Journal = m.config.Journal
	refused(t, b.config, engine.ErrForeignJournal, m.id.String(), b.id.String())
}

// 5.9: A journal shorter than a second file knows it to have been is refused.
//
// The journal is cut at several places after an orderly stop. Wherever its only file is cut, it
// must not be taken for a first start.
func TestRule5_9_ACutJournalIsRefused(t *testing.T) {
	t.Parallel()
	m := soloRun(t, 5)
	segments, err := filepath.Glob(filepath.Join(m.config.Journal.Dir, "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("%v segments, %v", segments, err)
	}
	whole, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 40, 72, 73, len(whole) / 2 &^ 7, len(whole) - 32, len(whole) - 1} {
		if err := os.WriteFile(segments[0], whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		var corrupt *journal.CorruptError
		e, err := engine.New(m.config)
		if err == nil {
			_ = e.Close()
		}
		if !errors.As(err, &corrupt) || !strings.Contains(err.Error(), "Journal.Recover") {
			t.Errorf("cut to %d of %d bytes: New returned %v", size, len(whole), err)
		}
	}
}

// recoveringMember returns a member of a running network of four whose folder was lost, and the
// locks reported to others.
func recoveringMember(t *testing.T) (*network, *world, []*member, *member) {
	t.Helper()
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	for _, m := range members {
		m.app.limit = 5
	}
	startAll(t, net, members)
	for _, lane := range members {
		for _, m := range members {
			eventually(t, "the lanes are locked", func() bool { return m.recorder.Height(lane.id) == 5 })
		}
	}
	v := members[1]
	if err := v.halt(); err != nil {
		t.Fatal(err)
	}
	v.config.Journal.Dir = t.TempDir()
	v.config.Journal.Create, v.config.Journal.Recover = false, true
	v.recorder = &testkit.Recorder{}
	v.config.Reporter = v.recorder
	return net, w, members, v
}

// highest returns the highest lock of each lane among those reported to a member.
func highest(m *member) (all []wire.Lock) {
	top := map[wire.PublicKey]wire.Lock{}
	for _, l := range m.recorder.Locks() {
		if before, ok := top[l.Chunk.Sequencer]; !ok || l.Chunk.Height > before.Chunk.Height {
			top[l.Chunk.Sequencer] = l
		}
	}
	for _, l := range top {
		all = append(all, l)
	}
	return all
}

// 5.10: Let H be the height of the lock adopted for a lane. The validator may have acked up to H+2
// before the loss, so on that lane it acks only above H+2.
func TestRule5_10_ARecoveringValidatorSignsNothingUntilItHasAdoptedAndThenOnlyAboveItsMarks(t *testing.T) {
	t.Parallel()
	net, w, members, v := recoveringMember(t)
	watch := newAckWatch(v.config.Sender)
	v.config.Sender = watch
	v.open(t, net, members...)
	v.start()
	for _, m := range members { // the three others go on
		m.app.raised.Store(9)
	}
	eventually(t, "the others go on without it", func() bool { return members[0].recorder.Height(members[2].id) == 9 })
	eventually(t, "it follows", func() bool { return v.recorder.Height(members[2].id) == 9 })
	if st := status(t, v.engine); !st.Recovering || st.OwnLane != "recovering" {
		t.Errorf("status %+v", st)
	}
	if lanes, nodes := watch.seen(); lanes+nodes != 0 {
		t.Fatalf("it acked on %d lanes and sent %d nodes while it was recovering", lanes, nodes)
	}
	// A restart changes nothing, with any configuration.
	if err := v.halt(); err != nil {
		t.Fatal(err)
	}
	v.config.Journal.Recover = false
	v.open(t, net, members...)
	v.start()
	if err := v.engine.Adopt(t.Context()); !errors.Is(err, engine.ErrNoLocks) {
		t.Errorf("a recovery from nothing: %v", err)
	}
	if st := status(t, v.engine); !st.Recovering {
		t.Errorf("status %+v", st)
	}
	adopted := highest(members[0])
	if err := v.engine.Adopt(t.Context(), adopted...); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has recovered", func() bool { return !status(t, v.engine).Recovering })
	if st := status(t, v.engine); st.Abstaining == 0 || st.OwnLane != "ended" {
		t.Errorf("status %+v", st)
	}
	for _, m := range members {
		m.app.raised.Store(1 << 40)
	}
	eventually(t, "it acks on the lanes of the others", func() bool { lanes, _ := watch.seen(); return lanes == 3 })
	watch.mu.Lock()
	for _, l := range adopted {
		if low, ok := watch.lowest[l.Chunk.Sequencer]; ok && low <= l.Chunk.Height+2 {
			t.Errorf("it acked height %d of a lane whose adopted lock is of height %d", low, l.Chunk.Height)
		}
	}
	if watch.nodes != 0 {
		t.Errorf("it sent %d nodes of a lane that has ended", watch.nodes)
	}
	watch.mu.Unlock()
	haltAll(t, members)
	demandSound(t, w.schemes, members)
}

// 5.10: A validator that recovered is given verified locks: the engine verifies them, and an
// unknown epoch is an error.
func TestRule5_10_TheLocksOfTheConfigurationAreAdoptedBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	net, _, members, v := recoveringMember(t)
	v.config.Adopt = highest(members[0])
	v.open(t, net, members...)
	v.start()
	eventually(t, "it has recovered", func() bool { return !status(t, v.engine).Recovering })
	haltAll(t, members)
	// Adopted locks that are wrong, or of an unknown epoch, end the run.
	for name, spoil := range map[string]func(l *wire.Lock){
		"wrong":            func(l *wire.Lock) { l.Chunk.Payload[0] ^= 1 },
		"of another epoch": func(l *wire.Lock) { l.Epoch = 77 },
	} {
		v.config.Journal.Dir, v.config.Journal.Recover = t.TempDir(), true
		v.config.Adopt = highest(members[0])
		spoil(&v.config.Adopt[1])
		v.open(t, net)
		v.start()
		err := v.ended(t)
		if !errors.Is(err, verify.ErrCertificate) && !errors.Is(err, wire.ErrUnknownEpoch) {
			t.Errorf("%s: Run returned %v", name, err)
		}
	}
}

// 5.10: Where its weight is more than f of the epoch the others can never certify H+2: recovery is
// refused, unless the host accepts the risk by name.
//
// None of three validators may abstain: no quorum would be left.
func TestRule5_10_AValidatorThatTheOthersCannotDoWithoutRefusesToRecover(t *testing.T) {
	t.Parallel()
	for _, unsafe := range []bool{false, true} {
		net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 3, 1))
		for _, m := range members {
			m.app.limit = 3
		}
		startAll(t, net, members)
		eventually(t, "the lanes are locked", func() bool {
			return members[0].recorder.Height(members[0].id) == 3 && members[0].recorder.Height(members[2].id) == 3
		})
		v := members[1]
		if err := v.halt(); err != nil {
			t.Fatal(err)
		}
		v.config.Journal.Dir, v.config.Journal.Create, v.config.Journal.Recover = t.TempDir(), false, true
		v.config.RecoverUnsafe = unsafe
		v.open(t, net, members...)
		v.start()
		err := v.engine.Adopt(t.Context(), highest(members[0])...)
		if !unsafe {
			if !errors.Is(err, engine.ErrIndispensable) || !strings.Contains(err.Error(), "RecoverUnsafe") {
				t.Errorf("Adopt returned %v", err)
			}
			haltAll(t, members)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			m.app.raised.Store(6)
		}
		eventually(t, "the lanes of the others go on", func() bool { return members[0].recorder.Height(members[2].id) == 6 })
		haltAll(t, members)
	}
}

// 5.9: A process that is not recovering and is shown a valid node or ack of its own, or a
// certificate of its lane, above its tip and its mark stops with that as the reason.
//
// An old copy of a folder is noticed as soon as a peer sends something that this identity has
// signed since.
func TestRule5_9_AJournalThatWasPutBackStopsTheProcess(t *testing.T) {
	t.Parallel()
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	lane := members[0].id
	for e := range w.sequencers {
		w.sequencers[e] = []wire.PublicKey{lane}
	}
	for i, m := range members {
		m.app.limit = 3
		if i != 0 {
			m.config.Sequencer, m.config.Relay = nil, nil
		}
	}
	startAll(t, net, members)
	eventually(t, "the lane is at 3", func() bool { return members[0].recorder.Height(lane) == 3 })
	s := members[0]
	if err := s.halt(); err != nil {
		t.Fatal(err)
	}
	old := copyFolder(t, s.config.Journal.Dir)
	s.app.limit = 8
	s.open(t, net, members...)
	s.start()
	eventually(t, "the lane is at 8 everywhere", func() bool {
		for _, m := range members {
			if m.recorder.Height(lane) != 8 {
				return false
			}
		}
		return true
	})
	if err := s.halt(); err != nil {
		t.Fatal(err)
	}
	s.config.Journal.Dir = old
	s.app.propose = func(context.Context, engine.Place) (wire.Digest, error) { return wire.Digest{}, engine.ErrDeclined }
	s.open(t, net, members...)
	s.start()
	top := highest(members[1])
	if err := s.engine.Adopt(t.Context(), top...); !errors.Is(err, engine.ErrStaleJournal) && !errors.Is(err, engine.ErrStopped) {
		t.Fatalf("Adopt returned %v", err) // or it has already received more than that
	}
	if err := s.ended(t); !errors.Is(err, engine.ErrStaleJournal) || !strings.Contains(err.Error(), "Journal.Recover") {
		t.Errorf("Run returned %v", err)
	}
	for _, m := range members[1:] {
		if err := m.halt(); err != nil {
			t.Error(err)
		}
	}
}
