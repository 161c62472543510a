package engine_test

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/journal"
)

// TestNothingIsSentThatAFaultyDiskDoesNotHold makes the disk of one member fail in
// each way while the member works. Run returns the error, nothing is sent any more, and everything
// sent before is in the folder.
func TestNothingIsSentThatAFaultyDiskDoesNotHold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		err   error // the error of Run must match it
		write func(f journal.File, b []byte, at int64) (int, error)
		sync  func(f journal.File) error
	}{
		{"no space", syscall.ENOSPC, func(journal.File, []byte, int64) (int, error) { return 0, syscall.ENOSPC }, nil},
		{"no space for all of it", syscall.ENOSPC, func(f journal.File, b []byte, at int64) (int, error) {
			n, err := f.WriteAt(b[:len(b)/2], at)
			return n, errors.Join(err, syscall.ENOSPC)
		}, nil},
		{"a short write that is no error", io.ErrShortWrite, func(f journal.File, b []byte, at int64) (int, error) {
			return f.WriteAt(b[:len(b)-1], at)
		}, nil},
		{"a write error", syscall.EIO, func(journal.File, []byte, int64) (int, error) { return 0, syscall.EIO }, nil},
		{"a sync error", syscall.EIO, nil, func(journal.File) error { return syscall.EIO }},
		{"a sync error after the sync", syscall.EIO, nil, func(f journal.File) error { return errors.Join(f.Sync(), syscall.EIO) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
			victim := members[0]
			disk := &faultyFS{FS: journal.OS(), write: c.write, sync: c.sync}
			victim.config.Journal.Storage.FS = disk
			spy := &shownChunks{Sender: &sender{net, victim.id}}
			victim.config.Sender = spy
			startAll(t, net, members)
			eventually(t, "its lane grows", func() bool { return members[1].recorder.Height(victim.id) >= 3 })
			disk.failing.Store(true)
			if err := victim.ended(t); !errors.Is(err, engine.ErrJournal) || !errors.Is(err, c.err) {
				t.Errorf("Run returned %v", err)
			}
			shown := spy.count()
			time.Sleep(10 * time.Millisecond)
			if spy.count() != shown {
				t.Error("it sent something after it had stopped")
			}
			disk.failing.Store(false)
			spy.demandHeld(t, victim.config.Journal.Dir)

			victim.open(t, net, members...)
			victim.start()
			before := members[1].recorder.Height(victim.id)
			eventually(t, "its lane grows again", func() bool { return members[1].recorder.Height(victim.id) >= before+3 })
			haltAll(t, members)
			demandSound(t, w.schemes, members)
		})
	}
}

// faultyFS is a disk that a test can make fail; operations with a nil function work.
type faultyFS struct {
	journal.FS
	failing atomic.Bool
	write   func(f journal.File, b []byte, at int64) (int, error)
	sync    func(f journal.File) error
}

type faultyFile struct {
	journal.File
	fs *faultyFS
}

func (f *faultyFS) Create(name string) (journal.File, error) {
	file, err := f.FS.Create(name)
	return faultyFile{file, f}, err
}

func (f *faultyFS) Open(name string) (journal.File, error) {
	file, err := f.FS.Open(name)
	return faultyFile{file, f}, err
}

func (f faultyFile) WriteAt(b []byte, at int64) (int, error) {
	if f.fs.write != nil && f.fs.failing.Load() {
		return f.fs.write(f.File, b, at)
	}
	return f.File.WriteAt(b, at)
}

func (f faultyFile) Sync() error {
	if f.fs.sync != nil && f.fs.failing.Load() {
		return f.fs.sync(f.File)
	}
	return f.File.Sync()
}
