package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/lanecast/lanecast/internal/segment"
)

// Open takes the folder's lock, replays the log or creates it, and repairs unfinished changes of a
// crash. It calls replay for every record in the log, in the order of the file: positions ascend
// except for records that compaction has moved. Each position is replayed once, or twice if
// Config.Dead released it and a copy of it follows. The record is a view, valid during the call.
// All replayed records are live until released, and durable when Open returns. A log that Open
// creates has one record, Config.First, at position 1; replay is called for it as for any other,
// before anything is written.
//
// replay may be nil. If it returns an error, Open returns that error, wrapped. Open starts the
// journal's goroutines, which Close ends. The errors are ErrConfig, ErrLocked, ErrNoJournal,
// *CorruptError, ErrVersion, ErrTooLarge, and those of the file system. An error that matches
// errors.ErrUnsupported means that the operating system or the folder's file system lacks an
// operation that a journal needs; then nothing of a log was written.
func Open(c Config, replay func(p Position, record []byte) error) (_ *Journal, err error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	lock, err := c.lockDir()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()

	// Check this before any write: without it no file's name is ever durable.
	if err := c.FS.SyncDir(c.Dir); err != nil {
		return nil, syncingDir(err)
	}

	deliver := func(p Position, record []byte) error {
		if replay == nil {
			return nil
		}
		if err := replay(p, record); err != nil {
			return fmt.Errorf("replaying record %d: %w", p, err)
		}
		return nil
	}
	found, err := c.replayLog(deliver)
	if err != nil {
		return nil, err
	}
	j := &Journal{cfg: c, lock: lock, wake: make(chan struct{}, 1), done: make(chan struct{})}
	w := &j.writer
	*w = writer{j: j, ledger: found.ledger, next: found.next, codec: codec{level: c.CompressLevel}}
	if len(found.segments) > 0 {
		err = w.repair(found)
	} else if !c.Create {
		err = noJournal(c.Dir)
	} else if err = deliver(1, c.First); err == nil {
		found.recovery.Created, found.recovery.Records = true, 1
		found.recovery.Mark = Watermark{} // an interrupted creation may have left a watermark
		err = w.create(found)
	}
	if err == nil {
		err = w.startMarks(&found.mark)
	}
	if err != nil {
		return nil, errors.Join(err, w.closeFiles())
	}
	j.start(found)
	return j, nil
}

// lockDir makes c.Dir absolute, makes the folder if Create is set, and takes its lock.
func (c *Config) lockDir() (io.Closer, error) {
	var err error
	if c.Dir, err = absolute(c.FS, c.Dir); err != nil {
		return nil, err
	}
	if c.Create {
		if err := c.FS.MkdirAll(c.Dir); err != nil {
			return nil, fmt.Errorf("journal: making the folder: %w", err)
		}
	}
	lock, err := c.FS.Lock(filepath.Join(c.Dir, lockName))
	if err != nil {
		if !c.Create && errors.Is(err, fs.ErrNotExist) {
			return nil, noJournal(c.Dir)
		}
		return nil, fmt.Errorf("journal: locking %s: %w", c.Dir, err)
	}
	return lock, nil
}

// replayLog reads the log, and calls deliver for each record that is not a repetition.
func (c *Config) replayLog(deliver func(p Position, record []byte) error) (*layout, error) {
	v := newSurvey(c.FS, c.Dir, c.ReplayBuffer, c.MaxRecord)
	v.visit = func(_ *segmentInfo, f *segment.Frame, record []byte, again bool) error {
		if again {
			return nil
		}
		if err := deliver(Position(f.Position), record); err != nil || c.Dead == nil {
			return err
		}
		for _, p := range c.Dead() {
			v.out.release(p)
		}
		return nil
	}
	if err := v.run(); err != nil {
		return nil, err
	}
	return &v.out, nil
}

// start makes the state of a recovered log known, and starts the goroutines.
func (j *Journal) start(found *layout) {
	w := &j.writer
	j.recovery = found.recovery
	j.next = w.next
	j.nextView.Store(uint64(j.next))
	j.durable.Store(uint64(j.next - 1))
	w.publishShape()
	if !j.cfg.manual {
		go w.marks.run()
		go j.run()
	}
	if j.cfg.Dead != nil {
		j.signal() // there may be segments to remove, or to compact
	}
}

// absolute makes dir independent of the working directory.
func absolute(fsys FS, dir string) (string, error) {
	abs, err := fsys.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("journal: finding the absolute path of %s: %w", dir, err)
	}
	return abs, nil
}

func noJournal(dir string) error { return fmt.Errorf("%w (%s)", ErrNoJournal, dir) }

// create begins a log in a folder that has none. The steps follow rule 6 of doc.go.
func (w *writer) create(found *layout) error {
	if err := w.removeAll(found.leftovers); err != nil {
		return err
	}
	_, _ = rand.Read(w.identity[:]) // never fails
	record := w.j.cfg.First
	b := make([]byte, segment.FrameSize(len(record)))
	f := segment.Frame{Kind: segment.KindRecord, Stored: uint32(len(record)), Raw: uint32(len(record)), Position: 1}
	f.Put(b)
	copy(b[segment.FrameHead:], record)
	segment.Finish(b, segment.Seed(w.identity, 1), segment.HeadSize, segment.HeadSize)

	m := watermark{
		identity: w.identity, generation: 1, creating: true,
		segment: 1, offset: segment.HeadSize + int64(len(b)), next: 2,
	}
	if err := w.createMark(&m); err != nil {
		return err
	}
	if err := w.begin(head{identity: w.identity, number: 1, first: 1, floor: 1}, b); err != nil {
		return err
	}
	found.mark = foundMark{watermark: m, slot: 1}
	tail := w.ledger.tail()
	tail.size = m.offset
	w.ledger.add(tail)
	w.next = m.next
	return nil
}

// createMark makes the watermark file. It gets its name only when it holds a watermark.
func (w *writer) createMark(m *watermark) error {
	dir, fsys := w.j.cfg.Dir, w.j.cfg.FS
	file, err := fsys.Create(filepath.Join(dir, tempName))
	if err == nil {
		b := make([]byte, markFile)
		copy(b, m.encode())
		if err = writeAt(file, b, 0); err == nil {
			err = file.Sync()
		}
		err = errors.Join(err, file.Close())
	}
	if err == nil {
		err = fsys.Rename(filepath.Join(dir, tempName), filepath.Join(dir, markName))
	}
	if err == nil {
		err = fsys.SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("journal: creating %s: %w", markName, err)
	}
	return nil
}

// startMarks writes the end of the log to the watermark file. The whole log must be synced.
func (w *writer) startMarks(found *foundMark) error {
	file, err := w.j.cfg.FS.Open(filepath.Join(w.j.cfg.Dir, markName))
	if err != nil {
		return fmt.Errorf("journal: opening %s: %w", markName, err)
	}
	w.marks = newMarker(file, found, &w.j.cfg, w.j.signal)
	return w.marks.writeBoth(w.reached(0))
}

// repair brings the disk to the state that the writer relies on: all replayed records are synced,
// nothing follows them in the tail, every segment except the tail is sealed, and the folder has no
// other files. After a crash at any point of it, the next Open reads the log in the same way.
func (w *writer) repair(found *layout) error {
	dir, fsys := w.j.cfg.Dir, w.j.cfg.FS
	w.identity = found.identity
	tail := w.ledger.tail()
	name := segmentName(tail.number)
	file, err := fsys.Open(filepath.Join(dir, name))
	if err != nil {
		return fmt.Errorf("journal: opening %s: %w", name, err)
	}
	w.file, w.seed = file, segment.Seed(w.identity, tail.number)
	if found.tailSize > found.end {
		if err := file.Truncate(found.end); err != nil {
			return fmt.Errorf("journal: cutting %s: %w", name, err)
		}
	}
	// If the last process was killed, even an intact tail may be only in the system's cache.
	if err := file.Sync(); err != nil {
		return fmt.Errorf("journal: syncing %s: %w", name, err)
	}
	if err := w.syncDir(); err != nil {
		return err
	}
	w.marked = found.recovery.Clean
	if n := len(found.segments); n > 1 && tail.size == segment.HeadSize {
		// The seal before an empty tail may be missing, or be only in the cache. If the tail has
		// frames, it is durable.
		if err := w.sealClosed(found.segments[n-2], found.unsealed); err != nil {
			return err
		}
	}
	return w.removeAll(found.leftovers)
}

// sealClosed makes the seal of a segment that is no longer the tail durable; missing means that it
// must be written first.
func (w *writer) sealClosed(s *segmentInfo, missing bool) (err error) {
	name := segmentName(s.number)
	file, err := w.j.cfg.FS.Open(filepath.Join(w.j.cfg.Dir, name))
	if err != nil {
		return fmt.Errorf("journal: opening %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if !missing {
		if err := file.Sync(); err != nil {
			return fmt.Errorf("journal: syncing %s: %w", name, err)
		}
		return nil
	}
	if err := file.Truncate(s.size); err != nil {
		return fmt.Errorf("journal: cutting %s: %w", name, err)
	}
	return writeSeal(file, s, w.ledger.tail().first)
}

// removeAll removes files to which nothing in the log refers, and makes the removal durable.
func (w *writer) removeAll(names []string) error {
	if len(names) == 0 {
		return nil
	}
	for _, name := range names {
		if err := w.remove(name); err != nil {
			return err
		}
	}
	return w.syncDir()
}

func (w *writer) remove(name string) error {
	err := w.j.cfg.FS.Remove(filepath.Join(w.j.cfg.Dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("journal: removing %s: %w", name, err)
	}
	return nil
}

func (w *writer) syncDir() error {
	if err := w.j.cfg.FS.SyncDir(w.j.cfg.Dir); err != nil {
		return syncingDir(err)
	}
	return nil
}

func syncingDir(err error) error { return fmt.Errorf("journal: syncing the folder: %w", err) }
