package archive

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/lanecast/lanecast/internal/segment"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

// Recovery is the result of Open.
type Recovery struct {
	Created  bool
	Lanes    int
	Headers  int   // headers that are held, with and without bodies
	Bodies   int   // bodies that are held, pushed ones included
	Bytes    int64 // bytes of these bodies, with their framing
	Lost     int   // bodies whose segment is missing or too short; they count as damaged
	Segments int   // data files with bodies
	Removed  int   // data files without live bodies
	Cut      int64 // bytes cut off behind the last named body, also those of an overwritten segment
	Index    journal.Recovery
	Duration time.Duration
}

// LogValue returns all fields as one group, so that an owner can log them in one line. A warning is
// due if Lost is not 0: files were lost or cut, and bodies must be fetched again.
func (r Recovery) LogValue() slog.Value {
	return slog.GroupValue(slog.Bool("created", r.Created), slog.Int("lanes", r.Lanes), slog.Int("headers", r.Headers),
		slog.Int("bodies", r.Bodies), slog.Int64("bytes", r.Bytes), slog.Int("lost", r.Lost), slog.Int("segments", r.Segments),
		slog.Int("removed", r.Removed), slog.Int64("cut", r.Cut), slog.Any("index", r.Index), slog.Duration("duration", r.Duration))
}

// Open opens the archive in a folder, or creates one, and starts its goroutines, which Close ends.
// It reads the index, and only the lengths of the data files. The errors are ErrConfig, ErrFormat,
// ErrIndexLost, those of journal.Open for the index, those of the file system, and that of a
// registry that has the metrics of another archive.
func Open(c Config) (_ *Archive, err error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	began := time.Now()
	if c.Dir, err = c.FS.Abs(c.Dir); err != nil {
		return nil, fmt.Errorf("archive: finding the absolute path: %w", err)
	}
	a := &Archive{
		cfg: c, dir: filepath.Join(c.Dir, dataDir), began: began, underWay: map[place]*item{},
		wake: make(chan struct{}, 1), complete: make(chan struct{}, 1), removable: make(chan struct{}, 1),
		written: make(chan struct{}), removed: make(chan struct{}), done: make(chan struct{}),
	}
	ends, err := a.openIndex()
	if err != nil {
		return nil, err
	}
	if err := a.openData(ends); err != nil {
		return nil, errors.Join(err, a.index.Close())
	}
	a.state.emptied = func(g *dataSegment) {
		a.empty = append(a.empty, emptied{segment: g, position: a.last()})
	}
	for _, l := range a.state.lanes {
		if l.floor < l.watermark {
			l.retain(l.watermark, a.now(), max(c.Retain, 0))
			a.retainDue = l.marks[0].due
		}
	}
	if err := a.register(); err != nil {
		return nil, errors.Join(err, a.index.Close())
	}
	a.recovery.Duration = time.Since(began)
	go a.run()
	go a.remove()
	go a.completions()
	signal(a.wake) // for retained entries, and for compaction
	return a, nil
}

// openIndex opens the journal and reads it into the state. It returns for each segment the end of
// the last body that a record names.
func (a *Archive) openIndex() (ends map[uint32]int64, err error) {
	c := &a.cfg
	dir := filepath.Join(c.Dir, indexDir)
	if c.Create {
		if err := a.mayCreate(dir); err != nil {
			return nil, err
		}
	}
	_, _ = rand.Read(a.identity[:]) // never fails
	r := newReplay(c.Namespace, true)
	index, err := journal.Open(journal.Config{
		Dir: dir, Create: c.Create, First: encodeFormat(a.identity, c.Namespace), SegmentSize: c.indexSegments, FS: c.FS,
		SyncDelay: indexDelay, Notify: func() { signal(a.complete) },
	}, r.record)
	if err != nil {
		return nil, fmt.Errorf("archive: opening the index: %w", err)
	}
	if err := r.finish(); err != nil {
		return nil, errors.Join(err, index.Close())
	}
	a.index, a.state, a.identity = index, r.state, r.identity
	a.writer.number = r.newest
	for _, p := range r.dead {
		index.Release(p)
	}
	a.state.release = index.Release
	a.recovery.Index, a.recovery.Created = index.Recovery(), index.Recovery().Created
	a.recovery.Lanes, a.recovery.Headers = len(a.state.lanes), a.state.headers
	return r.ends, nil
}

// mayCreate refuses to begin an index beside data whose index is lost.
func (a *Archive) mayCreate(index string) error {
	names, err := a.cfg.FS.ReadDir(index)
	if err != nil && !isMissing(err) {
		return fmt.Errorf("archive: listing the index: %w", err)
	}
	if slices.ContainsFunc(names, func(name string) bool { return name != lockName }) {
		return nil // the journal knows whether there is a log
	}
	names, err = a.cfg.FS.ReadDir(a.dir)
	if err != nil && !isMissing(err) {
		return fmt.Errorf("archive: listing the data: %w", err)
	}
	for _, name := range names {
		if segment.Number(name, suffix) != 0 {
			return ErrIndexLost
		}
	}
	return nil
}

// replay reads an index.
type replay struct {
	state     *state
	namespace []byte
	identity  segment.Identity
	begun     bool // the first record was read
	check     bool // the namespace must be equal
	newest    uint32
	ends      map[uint32]int64 // by segment: the end of the last named body, live or not
	dead      []journal.Position
}

func newReplay(namespace []byte, check bool) *replay {
	r := &replay{state: newState(), namespace: namespace, check: check, ends: map[uint32]int64{}}
	r.state.release = func(p journal.Position) { r.dead = append(r.dead, p) }
	return r
}

// record applies one record of the index. The journal's order is not that of positions after
// compaction has moved a record: the first record may come late.
func (r *replay) record(p journal.Position, b []byte) error {
	if p == 1 {
		id, namespace, err := decodeFormat(b)
		if err != nil {
			return err
		}
		if r.check && !bytes.Equal(namespace, r.namespace) {
			return fmt.Errorf("%w: it is of namespace %q, and Namespace is %q", ErrFormat, namespace, r.namespace)
		}
		r.identity, r.begun = id, true
		r.namespace = bytes.Clone(namespace)
		return nil
	}
	var rec record
	if err := rec.decode(b); err != nil {
		return err
	}
	if at := rec.body.at; at.segment != 0 {
		h := &rec.body.header
		r.newest = max(r.newest, at.segment)
		r.ends[at.segment] = max(r.ends[at.segment], at.byte()+bodyFrame(h.Size(), h.BodySize))
	}
	r.state.replay(p, &rec)
	return nil
}

// finish determines the live entries, once all records are applied.
func (r *replay) finish() error {
	if !r.begun {
		return fmt.Errorf("%w: its first record is missing", ErrFormat)
	}
	r.state.settle(func(h *payload.Header) wire.Digest { return payload.Digest(r.namespace, h) })
	return nil
}

// openData compares the data files with those that the index names, and removes those that it does
// not name.
func (a *Archive) openData(ends map[uint32]int64) error {
	fsys := a.cfg.FS
	if err := fsys.MkdirAll(a.dir); err != nil {
		return fmt.Errorf("archive: making the folder of the data: %w", err)
	}
	// A process that was killed may have made the folder, and not have synced its name.
	if err := fsys.SyncDir(a.cfg.Dir); err != nil {
		return fmt.Errorf("archive: syncing the folder: %w", err)
	}
	names, err := fsys.ReadDir(a.dir)
	if err != nil {
		return fmt.Errorf("archive: listing the data: %w", err)
	}
	s := a.state
	for _, g := range s.segments {
		g.missing, g.sealed = true, true
	}
	for _, name := range names {
		n := segment.Number(name, suffix)
		if n == 0 || n > 1<<32-1 {
			continue
		}
		number := uint32(n)
		a.writer.number = max(a.writer.number, number)
		g := s.segments[number]
		if g == nil {
			if err := a.checkOurs(name); err != nil {
				return err
			}
			if err := fsys.Remove(filepath.Join(a.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("archive: removing %s: %w", name, err)
			}
			a.recovery.Removed++
			continue
		}
		g.missing = false
		if err := a.measure(g, ends[number]); err != nil {
			return err
		}
		a.recovery.Segments++
	}
	a.recovery.Lost = s.loseMissing()
	a.damages = int64(a.recovery.Lost)
	for _, g := range s.segments {
		a.recovery.Bodies += g.bodies
		a.recovery.Bytes += g.live
	}
	a.recovery.Bodies -= a.recovery.Lost
	return nil
}

// checkOurs returns an error if a data file that the index does not name is another archive's. Then
// the index is the wrong one, and removing the file would lose its content. A file whose head was
// never synced belongs to no archive.
func (a *Archive) checkOurs(name string) error {
	file, err := a.cfg.FS.OpenRead(filepath.Join(a.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("archive: opening %s: %w", name, err)
	}
	head := make([]byte, segment.HeadSize)
	err = readFull(file, head, 0)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		clear(head)
		err = nil
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("archive: reading %s: %w", name, err)
	}
	if id, ok := decodeHead(head); ok && id != a.identity {
		return fmt.Errorf("%w: %s is a data segment of another archive than the index", ErrFormat, name)
	}
	return nil
}

// measure notes the length of a data file, and cuts off the bytes behind the last named body.
func (a *Archive) measure(g *dataSegment, end int64) error {
	name := segmentName(g.number)
	file, err := a.cfg.FS.Open(filepath.Join(a.dir, name))
	if err != nil {
		return fmt.Errorf("archive: opening %s: %w", name, err)
	}
	g.size, err = file.Size()
	if err == nil && g.size > end {
		a.recovery.Cut += g.size - end
		err = file.Truncate(end)
		g.size = end
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("archive: measuring %s: %w", name, err)
	}
	return nil
}

// loseMissing marks the bodies as damaged whose file is missing or too short.
func (s *state) loseMissing() (lost int) {
	for _, l := range s.lanes {
		for _, places := range []*entries{&l.wanted, &l.pushed} {
			for height, e := range places.all() {
				if e.at.segment == 0 {
					continue
				}
				g := s.segments[e.at.segment]
				if g.missing || e.at.byte()+l.bytes(height, &e) > g.size {
					e.damaged = true
					places.set(height, e)
					lost++
				}
			}
		}
	}
	return lost
}
