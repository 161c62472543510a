package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/journal"
)

// JournalConfig says where and how the journal is kept. But for Dir the zero value is right for nearly all uses. The
// fields are those of journal.Config, which says more about each.
type JournalConfig struct {
	// Dir is the folder; required, made if missing. It belongs to one engine: another one that opens it, of this
	// process or of any other, gets journal.ErrLocked.
	Dir string
	// Create says that this identity starts for the first time: the folder holds no journal, and one is begun. Recover says
	// that the identity had a journal and lost it: until locks that others know have been adopted, durably, nothing is
	// signed (see Config.Adopt). Without either, a folder without a journal is refused, for an empty folder cannot tell
	// whether this identity has signed before. With either, a journal that holds anything but its first record is refused:
	// set neither in a configuration that stays.
	Create, Recover bool
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
	if j.Create && j.Recover {
		check.fail("Journal.Recover", "false with Journal.Create", true)
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
	var corrupt *journal.CorruptError
	e.journal, err = journal.Open(journal.Config{
		Dir: j.Dir, SegmentSize: j.SegmentSize, MaxSegments: j.MaxSegments, MaxRecord: maxRecord,
		WriteBuffer: j.WriteBuffer, ReplayBuffer: j.ReplayBuffer, SyncDelay: j.SyncDelay, CompressAbove: j.CompressAbove,
		Create: j.Create || j.Recover, First: core.FirstRecord(e.cfg.Identity, e.cfg.Namespace, j.Recover),
		FS: j.FS, Notify: e.signal, Observe: e.metrics.observeSync,
	}, func(p journal.Position, record []byte) error {
		records++
		return e.core.Recover(uint64(p), record)
	})
	switch {
	case errors.Is(err, journal.ErrNoJournal):
		return fmt.Errorf("engine: %q: %w; if this identity starts for the first time, set Journal.Create; "+
			"if its journal was lost, set Journal.Recover", j.Dir, err)
	case errors.Is(err, journal.ErrVersion) || errors.As(err, &corrupt):
		return fmt.Errorf("engine: opening the journal in %q: %w; if the folder cannot be put back as it was last, its journal is "+
			"lost: start in an empty folder with Journal.Recover", j.Dir, err)
	case err != nil:
		return fmt.Errorf("engine: opening the journal in %q: %w", j.Dir, err)
	}
	if err := e.checkOrigin(); err != nil {
		return errors.Join(err, e.journal.Close())
	}
	e.durable = e.journal.Durable()
	e.log.Info("journal replayed", "dir", j.Dir, "records", records)
	return nil
}

// checkOrigin holds what the configuration says of the journal against what the journal says.
func (e *Engine) checkOrigin() error {
	j := &e.cfg.Journal
	lost, ok := e.core.Origin()
	used := e.journal.Next() > 2
	switch {
	case !ok:
		return fmt.Errorf("engine: the journal in %q: %w: its first record is missing", j.Dir, ErrRecord)
	case used && (j.Create || j.Recover):
		return fmt.Errorf("%w: the one in %q holds more than its first record; remove Journal.Create and Journal.Recover from "+
			"the configuration", ErrJournalInUse, j.Dir)
	case j.Create && lost:
		return fmt.Errorf("%w: the one in %q was begun to recover; set Journal.Recover or neither", ErrJournalInUse, j.Dir)
	case j.Recover && !lost:
		return fmt.Errorf("%w: the one in %q was begun as a first start, and nothing was signed with it; to recover, use an "+
			"empty folder", ErrJournalInUse, j.Dir)
	}
	if lost {
		e.log.Warn("an earlier journal of this identity was lost", "recovering", e.core.Recovering())
	}
	return nil
}

// closeJournal syncs what is pending and gives the folder back.
func (e *Engine) closeJournal() {
	if err := e.journal.Close(); err != nil {
		e.fail(fmt.Errorf("%w: closing: %w", ErrJournal, err))
	}
}
