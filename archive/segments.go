package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/lanecast/lanecast/internal/segment"
	"github.com/lanecast/lanecast/journal"
)

// beginSegment begins the next data segment. Its name is durable when it returns, and its head with
// the first group.
func (a *Archive) beginSegment() error {
	w := &a.writer
	if w.number == 1<<32-1 {
		return errors.New("archive: no number is left for another segment")
	}
	number := w.number + 1
	name := segmentName(number)
	if err := a.index.InPlace(); err != nil { // else the path may lead to another folder
		return fmt.Errorf("archive: beginning %s: %w", name, err)
	}
	w.number = number // even if the rest fails, the name is taken
	file, length, err := a.blank(name)
	if err == nil {
		if err = a.cfg.FS.SyncDir(a.dir); err != nil {
			err = errors.Join(err, file.Close(), a.cfg.FS.Remove(filepath.Join(a.dir, name)))
		}
	}
	if err != nil {
		return fmt.Errorf("archive: beginning %s: %w", name, err)
	}
	w.file, w.seed = file, segment.Seed(a.identity, uint64(number))
	w.gathered.reset(0)
	w.gathered.copy(encodeHead(a.identity, number))
	w.at, w.size, w.beyond = segment.HeadSize, 0, length
	a.mu.Lock()
	w.tail = a.state.segment(number)
	w.tail.beyond = length
	a.mu.Unlock()
	return nil
}

// blank opens the file of a new segment: a spare one under a new name, or an empty one. Writing
// over existing blocks is much cheaper than having them allotted, and removing the old file and its
// pages in memory. The old bytes are no frames of the new segment: see segment.Seed.
func (a *Archive) blank(name string) (file journal.File, length int64, err error) {
	a.mu.Lock()
	var spare *dataSegment
	if n := len(a.spares); n > 0 {
		spare, a.spares = a.spares[n-1], a.spares[:n-1]
	}
	a.mu.Unlock()
	fsys, path := a.cfg.FS, filepath.Join(a.dir, name)
	if spare != nil {
		old := filepath.Join(a.dir, segmentName(spare.number))
		err := fsys.Rename(old, path)
		if err == nil {
			old = path
			if file, err = fsys.Open(path); err == nil {
				return file, spare.size, nil
			}
		}
		if !isMissing(err) {
			return nil, 0, errors.Join(err, fsys.Remove(old))
		}
	}
	file, err = fsys.Create(path)
	return file, 0, err
}

// closeTail closes the newest segment, all of which is synced. The rest of the file from which it
// was made is cut off.
func (a *Archive) closeTail() {
	w := &a.writer
	if w.tail == nil {
		return
	}
	if w.beyond > 0 {
		_ = w.file.Truncate(w.size) // else Open does it
	}
	_ = w.file.Close() // what matters is synced
	w.gathered.reset(0)
	tail := w.tail
	w.tail, w.file = nil, nil
	a.mu.Lock()
	defer a.mu.Unlock()
	tail.size, tail.sealed, tail.beyond = w.size, true, 0
	if tail.bodies == 0 {
		a.state.emptied(tail)
	}
}

const (
	// removeBehind is the number of segments that may wait for the remover before the writer
	// removes some itself, so that the disk never fills up with them. Removing one of 128 MiB takes
	// tens of milliseconds.
	removeBehind = 1
	// maxSpares bounds the files that are kept to be written over. Where lanes are pruned rarely,
	// many segments die at once.
	maxSpares = 8
)

// remove is the remover goroutine.
func (a *Archive) remove() {
	defer close(a.removed)
	for {
		select {
		case <-a.removable:
			a.removeEmpty(0)
		case <-a.written:
			return
		}
	}
}

// removeEmpty removes the segments that no record names any more, once that is durable, except for
// the last butFor of them and those that become spares. It reports whether that worked, or there
// was nothing to do.
func (a *Archive) removeEmpty(butFor int) bool {
	for {
		a.mu.Lock()
		if a.failed() != nil {
			a.mu.Unlock()
			return false
		}
		g := a.nextEmpty(butFor)
		a.mu.Unlock()
		if g == nil {
			return true
		}
		if err := a.removeFile(g); err != nil {
			a.fail(err)
			return false
		}
	}
}

// nextEmpty returns a segment whose file is to be removed now, or nil. mu is held.
func (a *Archive) nextEmpty(butFor int) (g *dataSegment) {
	for len(a.empty) > butFor && a.empty[butFor].position <= a.index.Durable() {
		e := a.empty[0]
		a.empty = a.empty[1:]
		delete(a.state.segments, e.segment.number)
		if e.segment.missing {
			continue
		}
		if e.full || e.segment.size > a.cfg.SegmentSize {
			return e.segment
		}
		a.spares = append(a.spares, e.segment)
		if a.tooManySpares() {
			return a.oldestSpare()
		}
	}
	if a.tooManySpares() {
		return a.oldestSpare()
	}
	return nil
}

// tooManySpares reports whether a spare file is to go. One may always stay, others as long as
// compaction would not be due if they were segments. mu is held.
func (a *Archive) tooManySpares() bool {
	if len(a.spares) <= 1 {
		return false
	}
	var total, live int64
	for _, g := range a.state.segments {
		total += g.disk()
		live += g.live
	}
	for _, g := range a.spares {
		total += g.size
	}
	return len(a.spares) > maxSpares || total > 2*live+2*a.cfg.SegmentSize
}

func (a *Archive) oldestSpare() *dataSegment {
	g := a.spares[0]
	a.spares = a.spares[1:]
	return g
}

// dropSpares gives the room of the spare files back, since the disk is full. mu is held.
func (a *Archive) dropSpares() {
	for _, g := range a.spares {
		a.empty = slices.Insert(a.empty, 0, emptied{segment: g, full: true})
	}
	a.spares = nil
	signal(a.removable)
}

func (a *Archive) removeFile(g *dataSegment) error {
	if g.missing {
		return nil
	}
	name := segmentName(g.number)
	if err := a.index.InPlace(); err != nil {
		return fmt.Errorf("archive: removing %s: %w", name, err)
	}
	if err := a.cfg.FS.Remove(filepath.Join(a.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("archive: removing %s: %w", name, err)
	}
	return nil
}
