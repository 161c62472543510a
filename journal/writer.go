package journal

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/lanecast/lanecast/internal/segment"
)

// writer is the state of the journal's goroutine; no other goroutine uses it once the journal is
// open.
type writer struct {
	j          *Journal
	ledger     ledger
	identity   segment.Identity
	next       Position // position of the next record to write
	file       File     // file of the tail
	seed       uint32   // seed of the tail
	reusable   bool     // next.tmp is a dead segment, durably under that name
	marked     bool     // the tail ends with the mark of Close
	spare      queue    // the buffers that the owner does not hold
	codec      codec
	compaction compaction
	marks      *marker
}

// run is the journal's goroutine.
func (j *Journal) run() {
	var timer *time.Timer
	if j.cfg.SyncDelay > 0 {
		timer = time.NewTimer(j.cfg.SyncDelay)
		timer.Stop()
	}
	more := false
	for {
		if !more {
			<-j.wake
		}
		if timer != nil {
			j.gather(timer)
		}
		j.mu.Lock()
		closing := j.closing
		j.mu.Unlock()
		if closing {
			j.finish()
			return
		}
		if j.Err() == nil {
			more = j.cycle()
		}
		if j.Err() != nil {
			more = false // only Close is left to wait for
		}
	}
}

// gather waits for SyncDelay, or until the write buffer is full or the journal is closed.
func (j *Journal) gather(timer *time.Timer) {
	timer.Reset(j.cfg.SyncDelay)
	defer timer.Stop()
	for {
		j.mu.Lock()
		enough := j.closing || j.hurry || j.queued.records == 0 || len(j.queued.frames) >= j.cfg.WriteBuffer
		j.mu.Unlock()
		if enough || j.writer.marks.err() != nil {
			return
		}
		select {
		case <-timer.C:
			return
		case <-j.wake:
		}
	}
}

// cycle writes and syncs the queued records, then removes or compacts segments. It reports whether
// compaction is unfinished. After a failure, Err is set.
func (j *Journal) cycle() (more bool) {
	w := &j.writer
	if err := w.marks.err(); err != nil {
		j.fail(err)
		return false
	}
	j.mu.Lock()
	q := j.queued
	j.queued = queue{frames: w.spare.frames[:0], released: w.spare.released[:0]}
	j.hurry = false
	j.mu.Unlock()

	q.frames = slices.Grow(q.frames, j.cfg.page) // so that commit can fill a page
	err := w.write(&q)
	if err == nil {
		// Release was called before or during this cycle: all records appended before are durable
		// now.
		for _, p := range q.released {
			w.ledger.release(p)
		}
		more, err = w.compact()
	}
	if limit := 2 * j.cfg.WriteBuffer; cap(q.frames) > limit {
		q.frames = nil // do not keep the memory of a burst
	}
	if cap(q.released) > 1<<16 {
		q.released = nil
	}
	w.spare = q
	if err != nil {
		j.fail(err)
		return false
	}
	return more
}

func (j *Journal) fail(err error) {
	j.failure.CompareAndSwap(nil, &err)
	j.notify()
}

func (j *Journal) notify() {
	if j.cfg.Notify != nil {
		j.cfg.Notify()
	}
}

// write writes the queued records in one group, or in several if they exceed the segment. It
// completes frames in place: those of compressed records get shorter, so the write index never
// passes the read index.
func (w *writer) write(q *queue) error {
	b := q.frames
	from, to := 0, 0 // the group under construction is b[from:to]
	g := group{}
	for read := 0; read < len(b); {
		var f segment.Frame
		f.Parse(b[read:read+segment.FrameHead], 0, 0) // only for its fields
		entry := b[read : read+segment.FrameSize(int(f.Raw))]
		read += len(entry)
		payload := entry[segment.FrameHead : segment.FrameHead+int(f.Raw)]
		if above := w.j.cfg.CompressAbove; above > 0 && len(payload) >= above {
			short, err := w.codec.shrink(payload)
			if err != nil {
				return err
			}
			if short != nil {
				payload = short
				f.Flags, f.Stored = segment.FlagZstd, uint32(len(short))
			}
		}
		size := segment.FrameSize(len(payload))
		if w.full(to-from, size) {
			if to > from {
				if err := w.commit(b[from:to:to], g); err != nil {
					return err
				}
				from, g = to, group{}
			}
			if err := w.rotate(); err != nil {
				return err
			}
		}
		out := b[to : to+size]
		copy(out[segment.FrameHead:], payload)
		clear(out[segment.FrameHead+len(payload):])
		f.Put(out)
		start := w.ledger.tail().size
		segment.Finish(out, w.seed, start+int64(to-from), start)
		to += size
		g.records++
		g.appended += int64(len(entry))
	}
	if to == from {
		return nil
	}
	return w.commit(b[from:to], g)
}

// group describes the bytes given to commit.
type group struct {
	records  int   // number of appended records
	appended int64 // number of bytes that they took while pending
	moved    []Position
}

// full reports whether n more bytes do not fit in the tail, after its present bytes and a group
// that will be written first. An empty tail has room for any record.
func (w *writer) full(group, n int) bool {
	size := w.ledger.tail().size + int64(group)
	return size > segment.HeadSize && size+int64(n) > w.j.cfg.SegmentSize
}

var zeroPage [4 << 10]byte

// commit writes one group at the tail's end and syncs it. Only then are its records durable. It may
// overwrite the array after the end of b.
func (w *writer) commit(b []byte, g group) error {
	j, tail := w.j, w.ledger.tail()
	began := time.Now()
	w.marked = false
	out := b
	if tail.used {
		// The system must read a page from disk before it writes a part of it. The first page of
		// this group is in the system's cache, because the previous group filled it.
		out = append(b, zeroPage[:-(tail.size+int64(len(b)))&int64(j.cfg.page-1)]...)
	}
	if err := writeAt(w.file, out, tail.size); err != nil {
		return w.abandon("writing", err)
	}
	if err := w.file.Sync(); err != nil {
		return w.abandon("syncing", err)
	}
	took := time.Since(began)
	tail.size += int64(len(b))
	for range g.records {
		w.ledger.add(tail)
	}
	w.next += Position(g.records)
	for _, p := range g.moved {
		w.ledger.move(p, tail)
	}
	w.publishShape()
	w.marks.note(w.reached(0), int64(len(b)))
	if j.cfg.Observe != nil {
		j.cfg.Observe(SyncInfo{Records: g.records, Moved: len(g.moved), Bytes: int64(len(b)), Duration: took})
	}
	if g.records > 0 {
		j.pending.Add(-g.appended)
		j.durable.Store(uint64(w.next - 1))
		j.notify()
	}
	return nil
}

// abandon ends the journal's work after a failed write or sync at the tail's end. The kernel may
// show bytes whose sync failed as if they were on disk, to the next process too. So abandon cuts
// them off, if that still works.
func (w *writer) abandon(doing string, err error) error {
	tail := w.ledger.tail()
	err = fmt.Errorf("journal: %s %s: %w", doing, segmentName(tail.number), err)
	if cut := w.file.Truncate(tail.size); cut != nil {
		err = fmt.Errorf("%w (and cutting off the failed group: %w)", err, cut)
	}
	return err
}

func writeAt(f File, b []byte, offset int64) error {
	n, err := f.WriteAt(b, offset)
	if err == nil && n != len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// finish does the work of Close, before the goroutine ends.
func (j *Journal) finish() {
	defer close(j.done)
	w := &j.writer
	if j.Err() == nil {
		j.cycle()
	}
	w.marks.halt()
	if err := w.marks.err(); err != nil && j.Err() == nil {
		j.fail(err)
	}
	if j.Err() == nil {
		if err := w.end(); err != nil {
			j.fail(err)
		}
	}
	err := j.Err()
	for _, release := range []func() error{w.compaction.stop, w.closeFiles, j.lock.Close} {
		if e := release(); err == nil && e != nil {
			err = fmt.Errorf("journal: closing: %w", e)
		}
	}
	w.codec.close()
	j.closeErr = err
}

// end marks the log as closed, and writes its end to the watermark file.
func (w *writer) end() error {
	tail, mark := w.ledger.tail(), int64(0)
	if !w.marked && tail.size > segment.HeadSize {
		if err := writeMark(w.file, segment.KindClose, w.seed, tail.size, w.next); err != nil {
			return w.abandon("closing", err)
		}
		if err := w.file.Truncate(tail.size + segment.FrameHead); err != nil {
			return fmt.Errorf("journal: truncating %s to its content: %w", segmentName(tail.number), err)
		}
		mark = segment.FrameHead
	}
	return w.marks.writeBoth(w.reached(mark))
}

// reached returns the end of the log, which is the end of the tail's frames plus the given bytes.
func (w *writer) reached(behind int64) watermark {
	tail := w.ledger.tail()
	return watermark{
		identity: w.identity, segment: tail.number, offset: tail.size + behind, next: w.next,
	}
}

func (w *writer) closeFiles() error {
	var err error
	if w.file != nil {
		err = w.file.Close()
		w.file = nil
	}
	if w.marks != nil {
		err = errors.Join(err, w.marks.file.Close())
	}
	return err
}

func (w *writer) publishShape() {
	s := &shape{segments: len(w.ledger.segments)}
	for _, g := range w.ledger.segments {
		s.bytes += g.size
	}
	w.j.shape.Store(s)
}
