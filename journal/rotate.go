package journal

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/lanecast/lanecast/internal/segment"
)

// rotate begins the next segment, and removes dead ones at the front. Recovery relies on the order
// of the syncs: the old tail's last group; the new head and its name; the old tail's seal; then
// only removals and new frames.
func (w *writer) rotate() error {
	if err := w.j.InPlace(); err != nil {
		return err
	}
	old, oldFile := w.ledger.tail(), w.file
	n := w.ledger.dead()
	gone := w.ledger.segments[:n]
	if err := w.begin(head{
		identity: w.identity, number: old.number + 1, first: w.next, prevEnd: old.size, floor: w.ledger.segments[n].number,
	}, nil); err != nil {
		return err
	}
	w.marks.note(w.reached(0), segment.HeadSize)
	err := writeSeal(oldFile, old, w.next)
	if cerr := oldFile.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("journal: closing %s: %w", segmentName(old.number), cerr)
	}
	if err != nil {
		return err
	}
	if err := w.compaction.stopIfRemoved(gone); err != nil {
		return err
	}
	if err := w.discard(gone); err != nil {
		return err
	}
	w.ledger.segments = append([]*segmentInfo(nil), w.ledger.segments[n:]...)
	w.publishShape()
	return nil
}

// discard removes segments, but keeps the file of the first one for the next segment: a sync of
// overwritten blocks costs less than one of newly allocated blocks. The folder is synced before
// that file is written to, so no reader can find it under its old name then.
func (w *writer) discard(gone []*segmentInfo) error {
	if len(gone) == 0 {
		return nil
	}
	dir, fsys := w.j.cfg.Dir, w.j.cfg.FS
	if !w.j.cfg.noReuse {
		name := segmentName(gone[0].number)
		if err := fsys.Rename(filepath.Join(dir, name), filepath.Join(dir, tempName)); err != nil {
			return fmt.Errorf("journal: keeping %s for reuse: %w", name, err)
		}
		gone, w.reusable = gone[1:], true
	}
	for _, s := range gone {
		if err := w.remove(segmentName(s.number)); err != nil {
			return err
		}
	}
	return w.syncDir()
}

// blank opens next.tmp: the file of an old segment if there is one and it is not too long, or a new
// one.
func (w *writer) blank() (file File, size int64, err error) {
	name, fsys := filepath.Join(w.j.cfg.Dir, tempName), w.j.cfg.FS
	reusable := w.reusable
	w.reusable = false
	if reusable {
		if file, err = fsys.Open(name); err != nil {
			return nil, 0, err
		}
		size, err = file.Size()
		if err == nil && size <= 2*w.j.cfg.SegmentSize {
			return file, size, nil
		}
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, 0, err
		}
	}
	file, err = fsys.Create(name)
	return file, 0, err
}

// begin makes a new segment the tail, with frames after its head. It gets its name only when they
// are durable.
func (w *writer) begin(h head, frames []byte) error {
	dir, fsys := w.j.cfg.Dir, w.j.cfg.FS
	name := segmentName(h.number)
	failed := func(doing string, err error) error { return fmt.Errorf("journal: %s %s: %w", doing, name, err) }
	file, size, err := w.blank()
	if err != nil {
		return failed("creating", err)
	}
	h.used = size > segment.HeadSize
	first := append(h.encode(), frames...)
	if h.used {
		first = append(first, zeroPage[:-len(first)&(w.j.cfg.page-1)]...) // see commit
	}
	if err = writeAt(file, first, 0); err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = fsys.Rename(filepath.Join(dir, tempName), filepath.Join(dir, name))
	}
	if err == nil {
		err = fsys.SyncDir(dir)
	}
	if err != nil {
		_ = file.Close() // the first error is returned
		return failed("beginning", err)
	}
	w.file, w.seed = renamed{file, filepath.Join(dir, name)}, segment.Seed(h.identity, h.number)
	w.marked = false
	w.ledger.segments = append(w.ledger.segments, &segmentInfo{head: h, next: h.first, size: segment.HeadSize})
	return nil
}

func writeSeal(file File, s *segmentInfo, next Position) error {
	err := writeMark(file, segment.KindSeal, segment.Seed(s.identity, s.number), s.size, next)
	if err != nil {
		return fmt.Errorf("journal: sealing %s: %w", segmentName(s.number), err)
	}
	return nil
}

// writeMark writes and syncs a frame without payload, as a separate group.
func writeMark(file File, kind byte, seed uint32, offset int64, next Position) error {
	var b [segment.FrameHead]byte
	f := segment.Frame{Kind: kind, Position: uint64(next)}
	f.Put(b[:])
	segment.Finish(b[:], seed, offset, offset)
	if err := writeAt(file, b[:], offset); err != nil {
		return err
	}
	return file.Sync()
}
