package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/journal"
)

// JournalConfig configures the journal. Except for Dir the zero value is right for nearly all uses.
type JournalConfig struct {
	// Dir is the folder; required, made if missing. It belongs to one engine: a second engine that
	// opens it, in this process or another, gets journal.ErrLocked.
	Dir string
	// Create means that this identity starts for the first time: the folder holds no journal, and a
	// new one begins. Recover means that the identity had a journal and lost it: nothing is signed
	// until locks of other processes have been adopted, durably (see Config.Adopt). Without either
	// flag, a folder without a journal is refused, since an empty folder does not show whether this
	// identity has signed before. With either flag, a journal that holds anything but its first
	// record is refused: set neither in a permanent configuration.
	Create, Recover bool
	// Storage configures how the journal is kept: sizes of segments and buffers, SyncDelay,
	// compression, the file system. Dir, Create, First, MaxRecord, Dead, Notify and Observe in it
	// are set by the engine and must be left zero.
	Storage journal.Config
}

// maxRecord is longer than any record under the largest MaxMessage. It is the same for every
// configuration, so that a journal can still be read after MaxMessage was lowered.
const maxRecord = 32 << 20

func (j *JournalConfig) validate(check *checker) {
	if j.Dir == "" {
		check.fail("Journal.Dir", "the path of a folder", `""`)
	}
	if j.Create && j.Recover {
		check.fail("Journal.Recover", "false with Journal.Create", true)
	}
	s := &j.Storage
	check.unset("Journal.Storage.Dir", s.Dir, s.Dir == "")
	check.unset("Journal.Storage.Create", s.Create, !s.Create)
	check.unset("Journal.Storage.First", s.First, s.First == nil)
	check.unset("Journal.Storage.MaxRecord", s.MaxRecord, s.MaxRecord == 0)
	check.unset("Journal.Storage.Dead", "a function", s.Dead == nil)
	check.unset("Journal.Storage.Notify", "a function", s.Notify == nil)
	check.unset("Journal.Storage.Observe", "a function", s.Observe == nil)
	bounded(check, "Journal.Storage.SegmentSize", &s.SegmentSize, journal.DefaultSegmentSize, 1<<10, 8<<30)
	bounded(check, "Journal.Storage.MaxSegments", &s.MaxSegments, journal.DefaultMaxSegments, 2, 1<<16)
	bounded(check, "Journal.Storage.WriteBuffer", &s.WriteBuffer, journal.DefaultWriteBuffer, 4<<10, 256<<20)
	bounded(check, "Journal.Storage.ReplayBuffer", &s.ReplayBuffer, journal.DefaultReplayBuffer, 4<<10, 64<<20)
	bounded(check, "Journal.Storage.SyncDelay", &s.SyncDelay, 0, 0, time.Minute)
	bounded(check, "Journal.Storage.CompressAbove", &s.CompressAbove, 0, 64, 256<<20)
	bounded(check, "Journal.Storage.CompressLevel", &s.CompressLevel, 0, 1, 22)
}

// openJournal opens the folder and passes every record in it to the core. Records that the core
// finds dead are released on the way, so a long log takes no more memory than its live records.
func (e *Engine) openJournal() error {
	j := &e.cfg.Journal
	records := 0
	var err error
	var corrupt *journal.CorruptError
	storage := j.Storage
	storage.Dir, storage.Create, storage.MaxRecord = j.Dir, j.Create || j.Recover, maxRecord
	storage.First = core.FirstRecord(e.cfg.Identity, e.cfg.Namespace, j.Recover)
	storage.Notify, storage.Observe = e.signal, e.metrics.observeSync
	var dead []journal.Position
	storage.Dead = func() []journal.Position {
		dead = dead[:0]
		for i := range e.core.Effects() {
			dead = append(dead, journal.Position(e.core.Effects()[i].Position))
		}
		e.core.Done()
		return dead
	}
	e.journal, err = journal.Open(storage, func(p journal.Position, record []byte) error {
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
	case errors.Is(err, ErrForeignJournal):
		return fmt.Errorf("engine: opening the journal in %q: %w; see that Journal.Dir, Identity and Namespace belong together, "+
			"and that the right volume is mounted there", j.Dir, err)
	case errors.Is(err, ErrRecord):
		return fmt.Errorf("engine: opening the journal in %q: %w; a newer build has written it, or it is the journal of something "+
			"else: go on with the build that ran last", j.Dir, err)
	case err != nil:
		return fmt.Errorf("engine: opening the journal in %q: %w", j.Dir, err)
	}
	if err := e.checkOrigin(); err != nil {
		return errors.Join(err, e.journal.Close())
	}
	e.durable = e.journal.Durable()
	level := slog.LevelInfo
	if e.journal.Recovery().Torn != 0 {
		level = slog.LevelWarn
	}
	e.log.Log(context.Background(), level, "journal replayed", "dir", j.Dir, "records", records,
		"recovery", e.journal.Recovery())
	return nil
}

// checkOrigin compares the flags of the configuration with the origin recorded in the journal.
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

// closeJournal syncs pending records and closes the folder.
func (e *Engine) closeJournal() {
	if err := e.journal.Close(); err != nil {
		e.fail(fmt.Errorf("%w: closing: %w", ErrJournal, err))
	}
}
