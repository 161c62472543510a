package engine_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/wire"
)

func TestAJournalThatFailsStopsAcksAndTheEngine(t *testing.T) {
	t.Parallel()
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	victim := members[0]
	disk := &faultyFS{FS: journal.OS(), sync: func(journal.File) error { return errDisk }}
	victim.config.Journal.Storage.FS = disk
	spy := &countingSender{Sender: &sender{net, victim.id}}
	victim.config.Sender = spy
	startAll(t, net, members)
	eventually(t, "its lane grows", func() bool { return members[1].recorder.Height(victim.id) >= 3 })
	disk.failing.Store(true)
	err := victim.ended(t)
	if !errors.Is(err, engine.ErrJournal) || !errors.Is(err, errDisk) {
		t.Errorf("Run returned %v", err)
	}
	sent := spy.sent.Load()
	others := members[1].recorder.Height(members[2].id)
	eventually(t, "the lanes of the others go on", func() bool { return members[1].recorder.Height(members[2].id) >= others+3 })
	if spy.sent.Load() != sent {
		t.Error("it sent messages after it had stopped")
	}
	// The folder holds everything that it acked or sent before: it can restart with a working disk.
	disk.failing.Store(false)
	victim.open(t, net, members...)
	victim.start()
	before := members[1].recorder.Height(victim.id)
	eventually(t, "its lane grows again", func() bool { return members[1].recorder.Height(victim.id) >= before+3 })
	haltAll(t, members)
	demandSound(t, w.schemes, members)
}

func TestNothingIsAckedThatIsNotDurable(t *testing.T) {
	t.Parallel()
	set := newSet(t, testkit.Ed25519, 1, 1)
	synctest.Test(t, func(t *testing.T) {
		net, _, members := newCluster(t, set)
		m := members[0]
		stall := make(chan struct{})
		disk := &faultyFS{FS: journal.OS(), sync: func(f journal.File) error {
			<-stall
			return f.Sync()
		}}
		m.config.Journal.Storage.FS = disk
		m.app.limit = 3
		var asked atomic.Bool
		m.app.verify = func(context.Context, engine.Place, wire.Digest) (bool, error) { asked.Store(true); return true, nil }
		m.open(t, net)
		disk.failing.Store(true)
		m.start()
		synctest.Wait() // until all wait for the sync, and for nothing else
		if s := status(t, m.engine); s.VolatileBytes == 0 || asked.Load() || s.Lanes[0].Durable || s.Counters.Certificates > 0 {
			t.Errorf("something happened before the sync was done: asked %v, %+v", asked.Load(), s)
		}
		disk.failing.Store(false)
		close(stall)
		eventually(t, "it is certified once durable", func() bool { return m.recorder.Height(m.id) > 0 })
		haltAll(t, members)
	})
}

var errDisk = errors.New("input/output error")
