package archive

import (
	"fmt"
	"time"

	"github.com/lanecast/lanecast/internal/segment"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/wire"
)

// writer is the state of the writer goroutine, which alone uses it, and alone changes data files.
type writer struct {
	number uint32 // of the newest segment; the next has one more
	file   journal.File
	tail   *dataSegment // of file; nil if none is begun
	seed   uint32
	size   int64 // of the tail, up to its last synced frame
	beyond int64 // length of the file that the tail was made from, or more; 0 if it is a new one
	at     int64 // place of the next frame

	gathered vector // of the tail, not written yet
	prefix   []byte
	mover    mover
}

// run is the writer goroutine.
func (a *Archive) run() {
	defer close(a.written)
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		select {
		case <-a.wake:
		case <-timer.C:
		}
		for more := true; more; {
			var over bool
			var again time.Duration
			more, over, again = a.cycle()
			if over {
				a.writer.mover.stop()
				a.closeTail()
				return
			}
			timer.Reset(again)
		}
	}
}

// idle is the time that the writer sleeps when nothing is due.
const idle = time.Hour

// cycle does one round of work: a group of the queued bodies, then removal and compaction. It
// reports whether there is more to do at once, whether the archive is closed and nothing is left,
// and if neither, when to be called again at the latest.
func (a *Archive) cycle() (more, over bool, again time.Duration) {
	now := time.Now()
	a.mu.Lock()
	err := a.failed()
	var due int64
	if err == nil {
		if due, err = a.expire(a.now()); err != nil && a.failure == nil {
			a.failure = err
		}
	}
	group := a.next(err)
	a.writing = group
	closing := a.closing
	a.mu.Unlock()
	if err != nil {
		signal(a.complete)
		return false, closing, idle
	}
	if len(group) > 0 {
		a.writeGroup(group)
	} else if closing {
		return false, true, 0
	}
	signal(a.removable) // there may be too many spare files by now
	if !a.removeEmpty(removeBehind) {
		return true, false, 0
	}
	bytes := int64(0)
	for _, it := range group {
		bytes += it.bytes
	}
	wait := idle
	if !closing {
		wait, err = a.compact(bytes, now)
		if err != nil {
			a.fail(err)
			return true, false, 0
		}
	}
	if due > 0 {
		wait = min(wait, max(time.Duration(due-a.now()), time.Millisecond))
	}
	a.mu.Lock()
	more = len(a.queue) > 0 || a.closing
	a.mu.Unlock()
	return more || wait == 0, false, wait
}

// next takes the next group off the queue, one that fits into one segment. After a failure it takes
// the whole queue, whose callers get the error. mu is held.
func (a *Archive) next(failure error) (group []*item) {
	if failure != nil {
		for _, it := range a.queue {
			a.drop(it, failure)
		}
		a.queue = nil
		return nil
	}
	bytes, n := int64(0), 0
	// The group begins in another segment, unless the first body fits into the tail.
	begin := int64(segment.HeadSize)
	for ; n < len(a.queue); n++ {
		it := a.queue[n]
		if bytes == 0 && a.writer.tail != nil && a.writer.at+it.bytes <= a.cfg.SegmentSize {
			begin = a.writer.at
		}
		if bytes > 0 && (bytes+it.bytes > a.cfg.groupBytes || begin+bytes+it.bytes > a.cfg.SegmentSize) {
			break
		}
		bytes += it.bytes
	}
	group = append(group, a.queue[:n]...)
	clear(a.queue[:n])
	if a.queue = a.queue[n:]; len(a.queue) == 0 {
		a.queue = nil
	}
	return group
}

// drop abandons an item. mu is held.
func (a *Archive) drop(it *item, err error) {
	if !it.flush {
		a.leave(it)
	}
	a.waiting = append(a.waiting, waiter{position: a.last(), err: err, dones: it.dones})
	signal(a.complete)
}

// writeGroup makes a group durable in the data segments, and appends its records to the index.
func (a *Archive) writeGroup(group []*item) {
	err := a.writeBodies(group)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writing = nil
	if err != nil {
		if isFull(err) {
			err = fmt.Errorf("%w: the disk is full: %w", ErrQuota, err)
		} else if a.failure == nil {
			a.failure = err
		}
		for _, it := range group {
			if it.flush { // its caller gets the failure, if there is one
				a.waiting = append(a.waiting, waiter{position: a.last(), err: a.failure, dones: it.dones})
				continue
			}
			a.drop(it, err)
		}
		return
	}
	if a.writer.tail != nil {
		a.writer.grown()
	}
	for i, it := range group {
		if it.flush {
			a.waiting = append(a.waiting, waiter{position: a.last(), dones: it.dones})
			continue
		}
		if err := a.enter(it); err != nil {
			if a.failure == nil {
				a.failure = err
			}
			a.waiting = append(a.waiting, waiter{position: a.last(), err: err, dones: it.dones})
			for _, it := range group[i+1:] {
				a.drop(it, err)
			}
			signal(a.complete)
			return
		}
	}
	a.index.SyncNow()
	signal(a.complete)
}

// enter puts a body that is written into the index. Its place may have been pruned meanwhile, or
// the window moved; then the bytes are dead. mu is held.
func (a *Archive) enter(it *item) error {
	a.leave(it)
	h := &it.body.Header
	l := a.state.lane(&h.Sequencer)
	e := entry{parent: h.Parent, root: h.Root, digest: it.digest, at: it.at, size: uint32(h.BodySize)}
	var err error
	w := waiter{dones: it.dones}
	known, ok := l.wanted.get(h.Height)
	switch {
	case it.replaced:
		w.err = fmt.Errorf("%w: another header has come to height %d", ErrNotHeld, h.Height)
	case it.use != Pushed && l.keeps(h.Height), it.use == Pushed && ok && known.digest == it.digest && !known.held():
		_, err = a.take(l, h.Height, e, it.room)
	case it.use != Pushed:
		w.err = fmt.Errorf("%w: height %d is below %d", ErrPruned, h.Height, l.floor)
	case !l.pushedLives(h.Height):
		w.err = fmt.Errorf("%w: height %d", ErrWindow, h.Height)
	default:
		r := bodyRecord{kind: pushedRecord, at: e.at, header: *h}
		if e.position, err = a.append(r.appendTo(nil)); err == nil {
			a.state.setPushed(l, h.Height, e)
		}
	}
	if err != nil {
		return err
	}
	w.position = a.last()
	if it.dones != nil {
		a.waiting = append(a.waiting, w)
	}
	return nil
}

// writeBodies writes the bodies of a group behind each other and syncs them. With an error nothing
// of them is kept.
func (a *Archive) writeBodies(group []*item) error {
	w := &a.writer
	bytes := int64(0)
	for _, it := range group {
		bytes += it.bytes
	}
	if bytes == 0 {
		return nil
	}
	if err := a.roomFor(bytes); err != nil {
		return err
	}
	began := w.at
	for _, it := range group {
		if it.flush {
			continue
		}
		h := &it.body.Header
		w.prefix = appendPrefix(w.prefix[:0], h, it.body.Tree.Leaves())
		var err error
		if it.at, err = w.frame(w.prefix, it.body.Bytes, it.part, began); err != nil {
			return a.giveUp(err)
		}
	}
	if err := w.sync(); err != nil {
		return a.giveUp(err)
	}
	return nil
}

// roomFor begins another segment if the tail has no room for that many bytes. The bytes written to
// the tail before must be in the index: a closed segment that no record names is removed.
func (a *Archive) roomFor(bytes int64) error {
	w := &a.writer
	if w.tail != nil && w.at > segment.HeadSize && w.at+bytes > a.cfg.SegmentSize {
		a.closeTail()
	}
	if w.tail != nil {
		return nil
	}
	return a.beginSegment()
}

// giveUp cuts a failed group off the tail, and closes the tail. If bytes of it stay in the file, no
// record names them.
func (a *Archive) giveUp(err error) error {
	w := &a.writer
	if cut := w.file.Truncate(w.size); cut != nil {
		err = fmt.Errorf("%w (and cutting off what was written: %w)", err, cut)
	}
	w.at = w.size
	a.closeTail()
	return err
}

// leavesOf decodes the hashes of pieces.
func leavesOf(b []byte) []wire.Digest {
	leaves := make([]wire.Digest, len(b)/wire.DigestSize)
	for i := range leaves {
		leaves[i] = wire.Digest(b[i*wire.DigestSize:])
	}
	return leaves
}

// free returns the free bytes of the disk, if anything depends on them.
func (a *Archive) free() (int64, error) {
	if a.cfg.MinFree <= 0 {
		return 0, nil
	}
	free, err := a.cfg.free(a.dir)
	if err != nil {
		return 0, fmt.Errorf("archive: asking for the free bytes of the disk: %w", err)
	}
	return free, nil
}
