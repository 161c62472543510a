package journal

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/lanecast/lanecast/internal/segment"
)

// Position is the number of a record: 1, 2, 3, … in order of Append. Compaction does not change it.
// A position that was ever durable is never given to another record, even if only the tail of the
// log is left. The position of a record that a crash lost before it was durable is given again.
type Position uint64

// Journal is an open log. One goroutine, the owner, may call Append, Release and Next; any
// goroutine may call the other methods.
type Journal struct {
	cfg  Config
	lock io.Closer

	next     Position      // of the owner
	nextView atomic.Uint64 // next, for other goroutines; written by the owner
	durable  atomic.Uint64 // written by the journal's goroutine
	pending  atomic.Int64  // the owner and the journal's goroutine add to it
	failure  atomic.Pointer[error]
	shape    atomic.Pointer[shape] // written by the journal's goroutine

	wake chan struct{} // capacity 1: wakes the goroutine after something was queued
	done chan struct{} // closed when the goroutines have ended

	mu      sync.Mutex // held only while buffers are copied or swapped, never during I/O
	queued  queue      // filled by the owner
	hurry   bool       // the queued records must not wait for SyncDelay
	closing bool

	writer   writer // of the journal's goroutine
	recovery Recovery
	closeErr error // valid once done is closed
}

// queue holds frames with unfinished heads, back to back, and the positions released since the last
// queue, on their way from the owner to the journal's goroutine. The releases take effect after the
// frames are synced.
type queue struct {
	frames   []byte
	records  int
	released []Position
}

func (q *queue) empty() bool { return q.records == 0 && len(q.released) == 0 }

type shape struct {
	segments int
	bytes    int64
}

// Next returns the position that the next Append will return.
func (j *Journal) Next() Position { return Position(j.nextView.Load()) }

// Durable returns the position up to which all records are on disk. It never goes back.
func (j *Journal) Durable() Position { return Position(j.durable.Load()) }

// Pending returns the number of bytes, including framing, that were appended and are not durable
// yet. The owner must bound this memory: Append itself has no limit.
func (j *Journal) Pending() int64 { return j.pending.Load() }

// Err returns the first failure to write or sync, or nil. After a failure nothing more becomes
// durable.
func (j *Journal) Err() error {
	if p := j.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// InPlace returns an error if the folder's path is known to lead to another folder now. Files
// written by name would be written there, possibly over those of another journal, whose lock this
// one does not have. The journal checks by itself; the method is for owners that keep other files
// in the folder.
func (j *Journal) InPlace() error {
	if lock, ok := j.lock.(interface{ InPlace() error }); ok {
		if err := lock.InPlace(); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	return nil
}

// Recovery returns the state of the log when Open read it.
func (j *Journal) Recovery() Recovery { return j.recovery }

// Size returns the number of segment files, and their size in bytes up to the end of the log.
func (j *Journal) Size() (segments int, bytes int64) {
	s := j.shape.Load()
	return s.segments, s.bytes
}

// Append copies record into the write buffer and returns its position. It does not wait for the
// disk: the record is durable once Durable has reached the position. The errors are ErrTooLarge,
// ErrClosed, and that of Err.
func (j *Journal) Append(record []byte) (Position, error) {
	if len(record) > j.cfg.MaxRecord {
		return 0, fmt.Errorf("%w: it has %d bytes, want at most %d", ErrTooLarge, len(record), j.cfg.MaxRecord)
	}
	if err := j.Err(); err != nil {
		return 0, err
	}
	p := j.next
	f := segment.Frame{Kind: segment.KindRecord, Stored: uint32(len(record)), Raw: uint32(len(record)), Position: uint64(p)}
	var b [segment.FrameHead]byte
	f.Put(b[:])
	var padding [8]byte

	j.mu.Lock()
	if j.closing {
		j.mu.Unlock()
		return 0, ErrClosed
	}
	wake := j.queued.empty()
	before := len(j.queued.frames)
	j.queued.frames = append(append(append(j.queued.frames, b[:]...), record...), padding[:segment.Padded(len(record))-len(record)]...)
	j.queued.records++
	after := len(j.queued.frames)
	j.pending.Add(int64(after - before))
	j.mu.Unlock()

	j.next++
	j.nextView.Store(uint64(j.next))
	if wake || before < j.cfg.WriteBuffer && after >= j.cfg.WriteBuffer {
		j.signal()
	}
	return p, nil
}

// Release declares the record at p dead, so that its place may be freed. This takes effect only
// once all records appended before the call are durable. It is not recorded on disk: until a
// segment is removed its dead records are replayed too. An unknown position, or one released
// before, is ignored.
func (j *Journal) Release(p Position) {
	if p == 0 || p >= j.next || j.Err() != nil {
		return
	}
	j.mu.Lock()
	if j.closing {
		j.mu.Unlock()
		return
	}
	wake := j.queued.empty()
	j.queued.released = append(j.queued.released, p)
	j.mu.Unlock()
	if wake {
		j.signal()
	}
}

// SyncNow ends the wait for SyncDelay of the records appended so far: the journal's goroutine
// writes and syncs them as soon as it can. SyncNow itself does not wait.
func (j *Journal) SyncNow() {
	j.mu.Lock()
	wake := j.queued.records > 0 && !j.hurry
	j.hurry = j.hurry || wake
	j.mu.Unlock()
	if wake {
		j.signal()
	}
}

func (j *Journal) signal() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Close writes and syncs the pending records, marks the log as closed, writes its end to the
// watermark file, waits for the journal's goroutines and releases the folder's lock, also after a
// failure. It returns the error of Err, or of closing. Later calls return the same.
func (j *Journal) Close() error {
	j.mu.Lock()
	first := !j.closing
	j.closing = true
	j.mu.Unlock()
	if first && j.cfg.manual {
		j.finish()
	} else {
		j.signal()
	}
	<-j.done
	return j.closeErr
}
