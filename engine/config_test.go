package engine_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/panjf2000/ants/v2"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/wire"
)

// soundConfig is a configuration that New accepts.
func soundConfig(t testing.TB) engine.Config {
	_, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	return members[0].config
}

func TestAFieldOutOfRangeIsNamed(t *testing.T) {
	for _, c := range []struct {
		field string
		spoil func(*engine.Config)
	}{
		{"Namespace", func(c *engine.Config) { c.Namespace = nil }},
		{"Namespace", func(c *engine.Config) { c.Namespace = []byte{} }},
		{"Identity", func(c *engine.Config) { c.Identity[0] ^= 1 }},
		{"EpochsBack", func(c *engine.Config) { c.EpochsBack = 1025 }},
		{"EpochsAhead", func(c *engine.Config) { c.EpochsAhead = math.MaxUint64 - 1 }},
		{"HeightBound", func(c *engine.Config) { c.HeightBound = 1<<20 + 1 }},
		{"Workers", func(c *engine.Config) { c.Workers = -1 }},
		{"Workers", func(c *engine.Config) { c.Workers = 1025 }},
		{"BatchSize", func(c *engine.Config) { c.BatchSize = -1 }},
		{"BatchDelay", func(c *engine.Config) { c.BatchDelay = -1 }},
		{"BatchDelay", func(c *engine.Config) { c.BatchDelay = time.Minute }},
		{"RebroadcastTimeout", func(c *engine.Config) { c.RebroadcastTimeout = -1 }},
		{"AckInterval", func(c *engine.Config) { c.AckInterval = -1 }},
		{"AckInterval", func(c *engine.Config) { c.RebroadcastTimeout, c.AckInterval = time.Second, time.Second+1 }},
		{"ProposeBackoff", func(c *engine.Config) { c.ProposeBackoff = 25 * time.Hour }},
		{"SuspectDelay", func(c *engine.Config) { c.SuspectDelay = -1 }},
		{"BadNodeInterval", func(c *engine.Config) { c.BadNodeInterval = -1 }},
		{"DrainTimeout", func(c *engine.Config) { c.DrainTimeout = -1 }},
		{"PeerQuota", func(c *engine.Config) { c.PeerQuota = -1 }},
		{"PeerQuota", func(c *engine.Config) { c.PeerQuota, c.MaxPeers = 1<<20, 1<<16 }},
		{"PeerQuota", func(c *engine.Config) { c.PeerQuota, c.MaxPeers = 1<<16+1, 1<<16 }}, // 2^16 in 32 bits
		{"MaxPeers", func(c *engine.Config) { c.MaxPeers = -1 }},
		{"MaxMessage", func(c *engine.Config) { c.MaxMessage = 511 }},
		{"MaxVoteBytes", func(c *engine.Config) { c.MaxVoteBytes = 1 }},
		{"MaxPendingReports", func(c *engine.Config) { c.MaxPendingReports = -1 }},
		{"MaxVolatileBytes", func(c *engine.Config) { c.MaxVolatileBytes = 1 }},
		{"MaxOutbox", func(c *engine.Config) { c.MaxOutbox = -1 }},
		{"MaxValidatorSeries", func(c *engine.Config) { c.MaxValidatorSeries = 1<<16 + 1 }},
		{"Journal.Dir", func(c *engine.Config) { c.Journal.Dir = "" }},
		{"Journal.Storage.SegmentSize", func(c *engine.Config) { c.Journal.Storage.SegmentSize = 1 }},
		{"Journal.Storage.MaxSegments", func(c *engine.Config) { c.Journal.Storage.MaxSegments = 1 }},
		{"Journal.Storage.WriteBuffer", func(c *engine.Config) { c.Journal.Storage.WriteBuffer = 1 }},
		{"Journal.Storage.ReplayBuffer", func(c *engine.Config) { c.Journal.Storage.ReplayBuffer = -1 }},
		{"Journal.Storage.SyncDelay", func(c *engine.Config) { c.Journal.Storage.SyncDelay = -1 }},
		{"Journal.Storage.CompressAbove", func(c *engine.Config) { c.Journal.Storage.CompressAbove = 1 }},
		{"Journal.Storage.CompressLevel", func(c *engine.Config) { c.Journal.Storage.CompressLevel = 23 }},

		{"Journal.Storage.FS", func(c *engine.Config) { c.Journal.Storage.FS = (*faultyFS)(nil) }},
		{"Journal.Storage.Dir", func(c *engine.Config) { c.Journal.Storage.Dir = "elsewhere" }},
		{"Journal.Storage.Create", func(c *engine.Config) { c.Journal.Storage.Create = true }},
		{"Journal.Storage.First", func(c *engine.Config) { c.Journal.Storage.First = []byte{1} }},
		{"Journal.Storage.MaxRecord", func(c *engine.Config) { c.Journal.Storage.MaxRecord = 1 << 20 }},
		{"Journal.Storage.Dead", func(c *engine.Config) { c.Journal.Storage.Dead = func() []journal.Position { return nil } }},
		{"Journal.Storage.Notify", func(c *engine.Config) { c.Journal.Storage.Notify = func() {} }},
		{"Journal.Storage.Observe", func(c *engine.Config) { c.Journal.Storage.Observe = func(journal.SyncInfo) {} }},

		{"Schemes", func(c *engine.Config) { c.Schemes = nil }},
		{"Sequencers", func(c *engine.Config) { c.Sequencers = nil }},
		{"Monitor", func(c *engine.Config) { c.Monitor = nil }},
		{"Automaton", func(c *engine.Config) { c.Automaton = nil }},
		{"Relay", func(c *engine.Config) { c.Relay = nil }},
		{"Reporter", func(c *engine.Config) { c.Reporter = nil }},
		{"Sender", func(c *engine.Config) { c.Sender = nil }},
		{"Sequencers", func(c *engine.Config) { c.Sequencers = (*world)(nil) }},
		{"Monitor", func(c *engine.Config) { c.Monitor = (*monitor)(nil) }},
		{"Automaton", func(c *engine.Config) { c.Automaton = (*application)(nil) }},
		{"Relay", func(c *engine.Config) { c.Relay = (*application)(nil) }},
		{"Reporter", func(c *engine.Config) { c.Reporter = (*testkit.Recorder)(nil) }},
		{"Sender", func(c *engine.Config) { c.Sender = (*sender)(nil) }},
	} {
		config := soundConfig(t)
		c.spoil(&config)
		_, err := engine.New(config)
		var wrong *engine.ConfigError
		if !errors.As(err, &wrong) || !errors.Is(err, engine.ErrConfig) || wrong.Field != c.field || wrong.Want == "" {
			t.Errorf("spoiled %s: New returned %v", c.field, err)
		}
	}
}

func TestASequencerNeedsAnIdentity(t *testing.T) {
	config := soundConfig(t)
	config.Sequencer, config.Identity = nobody{config.Sequencer}, wire.PublicKey{}
	var wrong *engine.ConfigError
	if _, err := engine.New(config); !errors.As(err, &wrong) || wrong.Field != "Identity" {
		t.Errorf("New returned %v", err)
	}
}

func TestZeroWorkersMeansTheDefaultAndNoneMeansZero(t *testing.T) {
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	c := &members[0].config
	c.Workers, c.BatchSize, c.PeerQuota, c.MaxPeers = 0, 0, 0, 0
	c.EpochsBack, c.EpochsAhead, c.HeightBound = engine.ExplicitZero, engine.ExplicitZero, engine.ExplicitZero
	startAll(t, net, members)
	eventually(t, "chunks are locked", func() bool { return members[0].recorder.Height(members[0].id) >= 3 })
	needed, err := members[0].engine.EpochsNeeded(t.Context())
	if err != nil || len(needed) != 1 || needed[0] != 0 {
		t.Errorf("without epochs back and ahead it needs %v, %v", needed, err)
	}
	haltAll(t, members)
}

func TestAPoolSmallerThanTheWorkersIsRefused(t *testing.T) {
	pool, err := ants.NewPool(1)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Release()
	config := soundConfig(t)
	config.Pool, config.Workers = pool, 2
	var wrong *engine.ConfigError
	if _, err := engine.New(config); !errors.As(err, &wrong) || wrong.Field != "Pool" {
		t.Errorf("New returned %v", err)
	}
}

func TestSeveralEnginesShareAPool(t *testing.T) {
	t.Parallel()
	pool, err := ants.NewPool(4, ants.WithNonblocking(true), ants.WithDisablePurge(true))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.ReleaseTimeout(patience)
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	for _, m := range members {
		m.config.Pool, m.config.Workers = pool, 1
	}
	startAll(t, net, members)
	eventually(t, "chunks are locked", func() bool { return members[0].recorder.Height(members[3].id) >= 5 })
	haltAll(t, members)
	demandSound(t, w.schemes, members)
}

func TestAFolderThatCannotBeWrittenIsRefused(t *testing.T) {
	config := soundConfig(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config.Journal.Dir = filepath.Join(file, "journal")
	var failed *os.PathError
	if _, err := engine.New(config); !errors.As(err, &failed) {
		t.Errorf("New returned %v", err)
	}
}

func TestASecondEngineOnAFolderIsRefused(t *testing.T) {
	config := soundConfig(t)
	first, err := engine.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.New(config); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("the second New returned %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := engine.New(config)
	if err != nil {
		t.Fatalf("the folder was not given back: %v", err)
	}
	again.Close()
}

func TestAFolderOfAnotherProgramIsRefused(t *testing.T) {
	config := soundConfig(t)
	j, err := journal.Open(journal.Config{
		Dir: config.Journal.Dir, Create: true, First: []byte("something else"),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.New(config); !errors.Is(err, engine.ErrRecord) {
		t.Errorf("New returned %v", err)
	}
}
