package engine

import (
	"fmt"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/journal"
)

// JournalConfig says where and how the journal is kept. But for Dir the zero value is right for nearly all uses. The
// fields are those of journal.Options, which says more about each.
type JournalConfig struct {
	// Dir is the folder; required, made if missing. It belongs to one engine: another one that opens it, of this
	// process or of any other, gets journal.ErrLocked.
	Dir string
	// SegmentSize is the size in bytes at which a new file is begun. Default 64 MiB; 1 KiB to 8 GiB.
	SegmentSize int64
	// MaxSegments is the number of files above which what is still alive in the oldest is moved. Default 4; 2 to 65536.
	MaxSegments int
	// WriteBuffer is the number of bytes that ends a wait for SyncDelay. Default 1 MiB; 4 KiB to 256 MiB.
	WriteBuffer int
	// ReplayBuffer is how many bytes are read at a time at the start. Default 256 KiB; 4 KiB to 64 MiB.
	ReplayBuffer int
	// SyncDelay is how long the first record of a group may wait for others. Default 0: a group is what gathered
	// during the last sync; at most a minute.
	SyncDelay time.Duration
	// CompressAbove is the length in bytes from which on records are compressed. Default 0, never; else 64 B to 256
	// MiB.
	CompressAbove int
	// FS is the file system; nil is the operating system's.
	FS journal.FS
}

// maxRecord exceeds every record that the largest MaxMessage leads to. It is the same for every configuration, so
// that a journal can still be read after MaxMessage was lowered.
const maxRecord = 32 << 20

func (j *JournalConfig) validate(check *checker) {
	if j.Dir == "" {
		check.fail("Journal.Dir", "the path of a folder", `""`)
	}
	bounded(check, "Journal.SegmentSize", &j.SegmentSize, journal.DefaultSegmentSize, 1<<10, 8<<30)
	bounded(check, "Journal.MaxSegments", &j.MaxSegments, journal.DefaultMaxSegments, 2, 1<<16)
	bounded(check, "Journal.WriteBuffer", &j.WriteBuffer, journal.DefaultWriteBuffer, 4<<10, 256<<20)
	bounded(check, "Journal.ReplayBuffer", &j.ReplayBuffer, journal.DefaultReplayBuffer, 4<<10, 64<<20)
	bounded(check, "Journal.SyncDelay", &j.SyncDelay, 0, 0, time.Minute)
	bounded(check, "Journal.CompressAbove", &j.CompressAbove, 0, 64, 256<<20)
}

// openJournal opens the folder and lets the core recover from every record in it.
func (e *Engine) openJournal() error {
	j := &e.cfg.Journal
	records := 0
	var err error
	e.journal, err = journal.Open(journal.Options{
		Dir: j.Dir, SegmentSize: j.SegmentSize, MaxSegments: j.MaxSegments, MaxRecord: maxRecord,
		WriteBuffer: j.WriteBuffer, ReplayBuffer: j.ReplayBuffer, SyncDelay: j.SyncDelay, CompressAbove: j.CompressAbove,
		FS: j.FS, Notify: e.signal, Observe: e.metrics.observeSync,
		Create: true, First: []byte{core.RecordFirst},
	}, func(p journal.Position, record []byte) error {
		records++
		return e.core.Recover(uint64(p), record)
	})
	if err != nil {
		return fmt.Errorf("engine: opening the journal in %q: %w", j.Dir, err)
	}
	e.durable = e.journal.Durable()
	e.log.Info("journal replayed", "dir", j.Dir, "records", records)
	return nil
}

// closeJournal syncs what is pending and gives the folder back.
func (e *Engine) closeJournal() {
	if err := e.journal.Close(); err != nil {
		e.fail(fmt.Errorf("%w: closing: %w", ErrJournal, err))
	}
}
