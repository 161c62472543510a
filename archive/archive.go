package archive

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lanecast/lanecast/internal/segment"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

// Use is the purpose for which a body is put. It decides which room the body may take.
type Use uint8

const (
	// ForVote is the body of a chunk that is to be proposed or acked. It is refused at Quota.
	ForVote Use = iota
	// ForDelivery is the body of a certified chunk that is next to be handed to the host: the
	// lowest missing one from the watermark up. It may use its lane's own room beyond Quota; a body
	// for a higher chunk would take that room away.
	ForDelivery
	// Pushed is a body that nobody has requested. It is refused at Quota and MaxPushed, and outside
	// its window.
	Pushed
)

// Body is a body with its header and tree.
type Body struct {
	Header payload.Header
	Tree   *payload.Tree
	Bytes  []byte
}

// Archive is an open archive. Any goroutine may call its methods.
type Archive struct {
	cfg      Config
	dir      string // of the data
	identity segment.Identity
	index    *journal.Journal // appended to and released from with mu held
	recovery Recovery

	wake      chan struct{} // capacity 1: the writer has something to do
	complete  chan struct{} // capacity 1: something became durable, or failed
	removable chan struct{} // capacity 1: a segment may be removed
	written   chan struct{} // closed when the writer is gone
	removed   chan struct{} // closed when the remover is gone
	done      chan struct{} // closed when all goroutines are gone

	mu        sync.Mutex // never held across I/O
	state     *state
	queue     []*item
	writing   []*item         // the group that is being written
	underWay  map[place]*item // queued or being written, the latest of each place
	pending   int64           // bytes of those
	reserved  quota           // the quotas in which they will count
	waiting   []waiter
	empty     []emptied      // segments to be removed
	spares    []*dataSegment // empty; the next segments are made from their files
	retainDue int64          // when the first mark is due, in nanoseconds since Open; 0: none
	damages   int64          // bodies found damaged
	failure   error
	closing   bool
	closed    bool // the index is closed: waiting calls have failed
	closeErr  error

	began  time.Time // start of the times of marks, independent of the wall clock
	writer writer    // of the writer goroutine
}

// quota counts bytes by class.
type quota struct{ used, pushed, room int64 }

type place struct {
	sequencer wire.PublicKey
	height    uint64
}

// item is a body on its way to the disk. mu guards use and dones.
type item struct {
	body   Body
	part   segment.Part // checksum of the bytes, computed by Put, not by the writer
	digest wire.Digest
	use    Use
	room   bool
	bytes  int64
	dones  []func(error)
	at     location // set once it is written
	flush  bool     // an item without a body

	replaced bool // another header has come to the place since; guarded by mu
}

// waiter waits until a position of the index is durable.
type waiter struct {
	position journal.Position
	err      error // set if it failed
	dones    []func(error)
}

// emptied is a segment that may be removed once a position of the index is durable.
type emptied struct {
	segment  *dataSegment
	position journal.Position
	full     bool // the disk is full: the file is not kept
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Err returns the first failure, or nil. After one nothing becomes durable any more.
func (a *Archive) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed()
}

// failed returns the first failure. mu is held.
func (a *Archive) failed() error {
	if a.failure == nil {
		if err := a.index.Err(); err != nil {
			a.failure = fmt.Errorf("archive: the index: %w", err)
		}
	}
	return a.failure
}

func (a *Archive) fail(err error) {
	a.mu.Lock()
	if a.failure == nil {
		a.failure = err
	}
	a.mu.Unlock()
	signal(a.complete)
	signal(a.wake)
}

// usable returns the error for which nothing can be put. mu is held.
func (a *Archive) usable() error {
	if a.closing {
		return ErrClosed
	}
	return a.failed()
}

// indexUsable returns the error for which no header or lock can be put. mu is held.
func (a *Archive) indexUsable() error {
	if pending := a.index.Pending(); pending > a.cfg.MaxPending {
		return fmt.Errorf("%w: %d bytes of the index", ErrBusy, pending)
	}
	return a.usable()
}

// append appends a record to the index. mu is held.
func (a *Archive) append(b []byte) (journal.Position, error) {
	p, err := a.index.Append(b)
	if err != nil {
		return 0, fmt.Errorf("archive: the index: %w", err)
	}
	return p, nil
}

// await calls done once a position is durable, and makes it durable at once. mu is held.
func (a *Archive) await(p journal.Position, done func(error)) {
	if done != nil {
		a.index.SyncNow()
	}
	a.awaitLazily(p, done)
}

// awaitLazily calls done once a position is durable, which may take indexDelay longer. mu is held.
func (a *Archive) awaitLazily(p journal.Position, done func(error)) {
	if done == nil {
		return
	}
	a.waiting = append(a.waiting, waiter{position: p, dones: []func(error){done}})
	signal(a.complete)
}

// last is the position of the last record of the index. mu is held.
func (a *Archive) last() journal.Position { return a.index.Next() - 1 }

// Put stores a body. done, which may be nil, is called once the body is durable, or with the error
// that prevented it; until then the body's bytes must not change. A body that is there already is
// not written again; nor is a pushed one that is put again for another use. If Put returns an
// error, done is not called. The errors are ErrBody, ErrQuota, ErrBusy, ErrPruned, ErrWindow,
// ErrClosed, and the error of Err. done may also get ErrNotHeld, if another header has come to the
// place after the body was put and before it was written.
//
// Put does not hash the bytes: the caller has built the tree from them, or has checked each piece
// against it.
func (a *Archive) Put(use Use, b Body, done func(error)) error {
	if err := a.check(&b); err != nil {
		return err
	}
	h := &b.Header
	it := &item{body: b, digest: payload.Digest(a.cfg.Namespace, h), use: use, bytes: bodyFrame(h.Size(), h.BodySize)}
	if done != nil {
		it.dones = append(it.dones, done)
	}
	free, err := a.free()
	if err != nil {
		return err
	}
	it.part = segment.PartOf(b.Bytes)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.usable(); err != nil {
		return err
	}
	l := a.state.peek(&h.Sequencer)
	if there, err := a.present(l, it, done); there || err != nil {
		return err
	}
	if a.pending+it.bytes > a.cfg.MaxPending {
		return fmt.Errorf("%w: %d bytes", ErrBusy, a.pending)
	}
	if err := a.admit(l, it, free); err != nil {
		return err
	}
	a.enqueue(it)
	return nil
}

// check returns an error if the parts of a body do not fit together.
func (a *Archive) check(b *Body) error {
	if err := a.checkHeader(&b.Header); err != nil {
		return err
	}
	if b.Tree == nil || b.Tree.BodySize() != b.Header.BodySize || uint64(len(b.Bytes)) != b.Header.BodySize || b.Tree.Root() != b.Header.Root {
		return fmt.Errorf("%w: the header says %d bytes under root %v", ErrBody, b.Header.BodySize, b.Header.Root)
	}
	return nil
}

// checkHeader refuses a header that Open could not read again.
func (a *Archive) checkHeader(h *payload.Header) error {
	if err := new(payload.Header).Decode(h.AppendTo(nil), uint64(a.cfg.MaxPayload)); err != nil {
		return fmt.Errorf("%w: %w", ErrBody, err)
	}
	return nil
}

// present handles a body that is there already, or on its way. mu is held.
func (a *Archive) present(l *lane, it *item, done func(error)) (there bool, err error) {
	height := it.body.Header.Height
	e, ok := l.wanted.get(height)
	switch {
	case ok && e.digest == it.digest && e.held():
		a.await(e.position, done)
		return true, nil
	case it.use == Pushed && ok && e.digest == it.digest:
		it.use = ForVote // the chain holds it, and only the body is missing
	case it.use == Pushed:
		if lowest, ok := l.window(); !ok || height < lowest || height-lowest > 1 {
			return false, fmt.Errorf("%w: height %d", ErrWindow, height)
		}
		if p, ok := l.pushed.get(height); ok && p.digest == it.digest && p.held() {
			a.await(p.position, done)
			return true, nil
		}
	case !l.keeps(height):
		return false, fmt.Errorf("%w: height %d is below %d", ErrPruned, height, l.floor)
	}
	if other := a.underWay[place{l.sequencer, height}]; other != nil && other.digest == it.digest {
		if it.use != Pushed && other.use == Pushed {
			if err := a.admitWanted(l, it, quota{}, false); err != nil {
				return false, err
			}
			a.reserve(other, -1)
			other.use, other.room = it.use, it.room
			a.reserve(other, 1)
		}
		if it.use != Pushed {
			other.replaced = false // it is the last one put, again
		}
		other.dones = append(other.dones, it.dones...)
		return true, nil
	}
	if p, ok := l.pushed.get(height); it.use != Pushed && ok && p.digest == it.digest && p.held() {
		return true, a.want(l, height, it.use, done)
	}
	return false, nil
}

// admit decides whether there is room for a body. mu is held.
func (a *Archive) admit(l *lane, it *item, free int64) error {
	s := a.state
	height := it.body.Header.Height
	known, isKnown := l.wanted.get(height)
	crowded := false // there would be one header too many
	if !isKnown {
		var err error
		if crowded, err = a.crowded(it.use); err != nil {
			return err
		}
	}
	if crowded && it.use != ForDelivery {
		return fmt.Errorf("%w: %d headers are held", ErrQuota, s.headers)
	}
	if it.use == Pushed {
		p, _ := l.pushed.get(height)
		old := l.bytes(height, &p)
		if pushed := s.pushed + a.reserved.pushed + it.bytes - old; pushed > a.cfg.MaxPushed {
			return fmt.Errorf("%w: MaxPushed is reached", ErrQuota)
		} else if s.used+a.reserved.used+pushed > a.cfg.Quota {
			return fmt.Errorf("%w: Quota is reached", ErrQuota)
		}
	} else if err := a.admitWanted(l, it, l.quotaOf(height, &known), crowded); err != nil {
		return err
	}
	if a.cfg.MinFree > 0 {
		if free-a.pending-it.bytes < a.leastFree(it.use) {
			if it.use != Pushed { // the disk gets it back later
				if _, err := a.dropOldest(); err != nil {
					return err
				}
			}
			a.dropSpares()
			return fmt.Errorf("%w: %d bytes are free on the disk", ErrQuota, free)
		}
	}
	return nil
}

// leastFree returns the bytes of the disk that are left free, with MinFree set. mu is held.
func (a *Archive) leastFree(use Use) int64 {
	least := a.cfg.MinFree
	if s := a.state; use != ForDelivery {
		least += max(0, max(a.cfg.room, int64(len(s.lanes))*a.cfg.maxFrame())-s.room-a.reserved.room)
	}
	return least
}

// admitWanted decides whether there is room for a body in the quota, or in the lane's own room if
// it.room is set. The body replaces the one at its place, a damaged body or another one. Bodies
// that are only retained make room for it. If there are too many headers, only the lane's own room
// remains, which also bounds their number. mu is held.
func (a *Archive) admitWanted(l *lane, it *item, replaced quota, crowded bool) error {
	s := a.state
	tooMuch := func() bool { return s.used+a.reserved.used+it.bytes-replaced.used > a.cfg.Quota }
	if err := a.dropWhile(func() bool { return s.retained > 0 && tooMuch() }); err != nil {
		return err
	}
	it.room = false
	if !crowded && !tooMuch() {
		return nil
	}
	if it.use == ForDelivery {
		own := max(a.cfg.maxFrame(), a.cfg.room/int64(max(len(s.lanes), 1)))
		taken := l.room - replaced.room
		for _, other := range a.underWay {
			if other.room && other.body.Header.Sequencer == l.sequencer {
				taken += other.bytes
			}
		}
		if taken+it.bytes <= own {
			it.room = true
			return nil
		}
	}
	if crowded {
		return fmt.Errorf("%w: %d headers are held", ErrQuota, s.headers)
	}
	return fmt.Errorf("%w: Quota is reached", ErrQuota)
}

// crowded reports whether MaxHeaders are held. Entries that are only retained make room, except for
// pushed bodies. mu is held.
func (a *Archive) crowded(use Use) (bool, error) {
	full := func() bool { return a.state.headers+len(a.underWay) >= a.cfg.MaxHeaders }
	if use != Pushed {
		if err := a.dropWhile(full); err != nil {
			return false, err
		}
	}
	return full(), nil
}

// reserve counts a body that is under way (times is 1), or stops counting it (times is −1). mu is
// held.
func (a *Archive) reserve(it *item, times int64) {
	switch {
	case it.use == Pushed:
		a.reserved.pushed += it.bytes * times
	case it.room:
		a.reserved.room += it.bytes * times
	default:
		a.reserved.used += it.bytes * times
	}
}

// enqueue hands a body to the writer. mu is held.
func (a *Archive) enqueue(it *item) {
	a.reserve(it, 1)
	a.pending += it.bytes
	a.underWay[place{it.body.Header.Sequencer, it.body.Header.Height}] = it
	a.queue = append(a.queue, it)
	signal(a.wake)
}

// leave removes an item from those under way. mu is held.
func (a *Archive) leave(it *item) {
	a.reserve(it, -1)
	a.pending -= it.bytes
	p := place{it.body.Header.Sequencer, it.body.Header.Height}
	if a.underWay[p] == it {
		delete(a.underWay, p)
	}
}

// supersede marks the bodies of other headers that were put for a place and are not written yet: a
// later header has come there. mu is held.
func (a *Archive) supersede(p place, digest wire.Digest) {
	if latest := a.underWay[p]; latest == nil || latest.digest == digest {
		return
	}
	for _, items := range [][]*item{a.writing, a.queue} {
		for _, it := range items {
			if h := &it.body.Header; !it.flush && it.digest != digest && h.Sequencer == p.sequencer && h.Height == p.height {
				it.replaced = true
			}
		}
	}
}

// Want makes a pushed body a wanted one, without writing it again. done is called as by Put. The
// errors are ErrNotHeld, if no body of that digest was pushed, and those of Put.
func (a *Archive) Want(use Use, sequencer wire.PublicKey, height uint64, digest wire.Digest, done func(error)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.usable(); err != nil {
		return err
	}
	l := a.state.lanes[sequencer]
	if l == nil {
		return ErrNotHeld
	}
	if e, ok := l.wanted.get(height); ok && e.digest == digest && e.held() {
		a.await(e.position, done)
		return nil
	}
	if e, ok := l.pushed.get(height); !ok || e.digest != digest || !e.held() {
		return ErrNotHeld
	}
	return a.want(l, height, use, done)
}

// want makes a pushed entry a wanted one. mu is held.
func (a *Archive) want(l *lane, height uint64, use Use, done func(error)) error {
	e, _ := l.pushed.get(height)
	it := &item{use: use, bytes: l.bytes(height, &e)}
	if err := a.admitWanted(l, it, quota{}, false); err != nil {
		return err
	}
	a.supersede(place{l.sequencer, height}, e.digest)
	p, err := a.take(l, height, e, it.room)
	if err != nil {
		return err
	}
	a.await(p, done)
	return nil
}

// take appends the record of a wanted entry, and stores it at its place. Its pushed ancestors
// become wanted with it. mu is held.
func (a *Archive) take(l *lane, height uint64, e entry, room bool) (journal.Position, error) {
	if err := a.takeParents(l, height, e.parent); err != nil {
		return 0, err
	}
	e.room = room
	r := bodyRecord{kind: wantedRecord, room: room, at: e.at, header: l.header(height, &e)}
	p, err := a.append(r.appendTo(nil))
	if err != nil {
		return 0, err
	}
	e.position = p
	a.state.setWanted(l, height, e)
	return p, nil
}

// takeParents makes the pushed bodies below a header wanted, if they are its ancestors: a window
// has at most two bodies. mu is held.
func (a *Archive) takeParents(l *lane, height uint64, parent wire.Digest) error {
	if height == 0 {
		return nil
	}
	e, ok := l.pushed.get(height - 1)
	if !ok || e.digest != parent {
		return nil
	}
	_, err := a.take(l, height-1, e, false)
	return err
}

// PutHeaders stores headers whose bodies will follow, in ascending order of heights. A header that
// is there already stays as it is, with its body. done is called once all are durable. If
// PutHeaders returns an error, it may have stored some of the first headers, and done is not
// called. The errors are those of Put.
func (a *Archive) PutHeaders(headers []payload.Header, done func(error)) error {
	for i := range headers {
		if err := a.checkHeader(&headers[i]); err != nil {
			return err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.indexUsable(); err != nil {
		return err
	}
	for i := range headers {
		h := &headers[i]
		l := a.state.peek(&h.Sequencer)
		digest := payload.Digest(a.cfg.Namespace, h)
		if e, ok := l.wanted.get(h.Height); ok && e.digest == digest {
			a.supersede(place{h.Sequencer, h.Height}, digest)
			continue
		}
		if !l.keeps(h.Height) {
			return fmt.Errorf("%w: height %d is below %d", ErrPruned, h.Height, l.floor)
		}
		if _, ok := l.wanted.get(h.Height); !ok {
			if crowded, err := a.crowded(ForDelivery); err != nil {
				return err
			} else if crowded {
				return fmt.Errorf("%w: %d headers are held", ErrQuota, a.state.headers)
			}
		}
		e := entry{parent: h.Parent, root: h.Root, digest: digest, size: uint32(h.BodySize)}
		if p, ok := l.pushed.get(h.Height); ok && p.digest == digest && p.held() {
			e.at = p.at
		}
		a.supersede(place{h.Sequencer, h.Height}, digest)
		if _, err := a.take(l, h.Height, e, false); err != nil {
			return err
		}
	}
	a.await(a.last(), done)
	return nil
}

// PutLock stores a verified lock. The highest lock of each lane and epoch is kept. A pushed body
// that the lock certifies becomes wanted. done is called as by Put. ErrPruned means that the lock
// is below the watermark.
func (a *Archive) PutLock(k wire.Lock, done func(error)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.indexUsable(); err != nil {
		return err
	}
	l := a.state.peek(&k.Chunk.Sequencer)
	if old, ok := l.locks[k.Epoch]; ok && old.Chunk.Height >= k.Chunk.Height {
		a.await(old.position, done)
		return nil
	}
	if k.Chunk.Height < l.watermark { // the highest lock too: see lane.keeps
		return fmt.Errorf("%w: a lock at height %d, below %d", ErrPruned, k.Chunk.Height, l.watermark)
	}
	if e, ok := l.pushed.get(k.Chunk.Height); ok && e.digest == k.Chunk.Payload {
		a.supersede(place{l.sequencer, k.Chunk.Height}, e.digest)
		if _, err := a.take(l, k.Chunk.Height, e, false); err != nil {
			return err
		}
	}
	p, err := a.append(encodeLock(&k))
	if err != nil {
		return err
	}
	a.state.setLock(l, lock{Lock: cloneLock(&k), position: p})
	a.await(p, done)
	return nil
}

// Prune moves a lane's watermark up: the host needs nothing below it any more. Entries below it are
// dropped after Config.Retain, except the lane's top. A watermark that is not above the current one
// changes nothing. done is called once the watermark is durable.
func (a *Archive) Prune(sequencer wire.PublicKey, below uint64, done func(error)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.usable(); err != nil {
		return err
	}
	l := a.state.peek(&sequencer)
	if below <= l.watermark {
		a.awaitLazily(l.position, done)
		return nil
	}
	to := laneState{sequencer: sequencer, watermark: below, floor: l.floor}
	if a.cfg.Retain < 0 {
		to.floor = below
	}
	if err := a.move(l, to); err != nil {
		return err
	}
	if a.cfg.Retain > 0 {
		l.retain(below, a.now(), a.cfg.Retain)
		if a.retainDue == 0 || l.marks[0].due < a.retainDue {
			a.retainDue = l.marks[0].due
		}
	}
	if err := a.dropWhile(func() bool {
		return a.state.retained > a.cfg.Quota/4 || a.state.retained > 0 && a.state.used > a.cfg.Quota
	}); err != nil {
		return err
	}
	a.awaitLazily(l.position, done)
	return nil
}

// now returns the nanoseconds since Open. The clock is the monotonic one: setting the wall clock
// does not change when retained entries are dropped.
func (a *Archive) now() int64 { return int64(time.Since(a.began)) }

// marksPerRetain bounds the marks of a lane: entries passed within a sixteenth of Retain are
// dropped together.
const marksPerRetain = 16

// retain records that entries below height may be dropped once the time is over.
func (l *lane) retain(height uint64, now int64, keep time.Duration) {
	step := max(int64(keep)/marksPerRetain, 1)
	due := (now+int64(keep))/step*step + step
	if n := len(l.marks); n > 0 && l.marks[n-1].due >= due {
		l.marks[n-1].height = height
		return
	}
	l.marks = append(l.marks, mark{due, height})
}

// move appends a lane's record and moves its watermark and floor. mu is held.
func (a *Archive) move(l *lane, to laneState) error {
	p, err := a.append(to.appendTo(nil))
	if err != nil {
		return err
	}
	a.state.setLane(l, to, p)
	signal(a.wake) // a segment may be mostly dead by now
	return nil
}

// dropWhile drops retained entries, the oldest first, while needed returns true. mu is held.
func (a *Archive) dropWhile(needed func() bool) error {
	for more := true; more && needed(); {
		var err error
		if more, err = a.dropOldest(); err != nil {
			return err
		}
	}
	return nil
}

// dropOldest drops the lowest retained place of the lane whose retained entries are the oldest; of
// several such lanes, the one with the most heights. It reports whether there was one. mu is held.
func (a *Archive) dropOldest() (bool, error) {
	var oldest *lane
	for _, l := range a.state.lanes {
		if len(l.marks) > 0 && (oldest == nil || l.marks[0].due < oldest.marks[0].due ||
			l.marks[0].due == oldest.marks[0].due && l.watermark-l.floor > oldest.watermark-oldest.floor) {
			oldest = l
		}
	}
	if oldest == nil {
		return false, nil
	}
	to, end := oldest.floor+1, oldest.marks[0].height
	if end-to > uint64(oldest.wanted.len()) {
		to = end // mostly gaps
	}
	for ; to < end; to++ {
		if _, ok := oldest.wanted.get(to - 1); ok {
			break
		}
	}
	return true, a.move(oldest, laneState{sequencer: oldest.sequencer, watermark: oldest.watermark, floor: to})
}

// expire raises the floors whose time is over, and returns when the next one is due, in nanoseconds
// since Open, or 0. mu is held.
func (a *Archive) expire(now int64) (next int64, err error) {
	if a.retainDue == 0 || now < a.retainDue {
		return a.retainDue, nil
	}
	a.retainDue = 0
	for _, l := range a.state.lanes {
		for len(l.marks) > 0 && l.marks[0].due <= now {
			if err := a.move(l, laneState{sequencer: l.sequencer, watermark: l.watermark, floor: l.marks[0].height}); err != nil {
				return 0, err
			}
		}
		if len(l.marks) > 0 && (a.retainDue == 0 || l.marks[0].due < a.retainDue) {
			a.retainDue = l.marks[0].due
		}
	}
	return a.retainDue, nil
}

// Flush returns once everything put before the call is durable, or ctx has ended, or the archive
// has failed or was closed before.
func (a *Archive) Flush(ctx context.Context) error {
	result := make(chan error, 1)
	a.mu.Lock()
	if err := a.usable(); err != nil {
		a.mu.Unlock()
		return err
	}
	a.queue = append(a.queue, &item{flush: true, dones: []func(error){func(err error) { result <- err }}})
	a.mu.Unlock()
	signal(a.wake)
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// completions is the goroutine that calls done functions.
func (a *Archive) completions() {
	defer close(a.done)
	for {
		<-a.complete
		for {
			ready, over := a.ready()
			for _, w := range ready {
				for _, done := range w.dones {
					done(w.err)
				}
			}
			if over {
				return
			}
			if len(ready) == 0 {
				break
			}
		}
	}
}

// ready returns the waiters that are done, and whether there will be no more.
func (a *Archive) ready() (ready []waiter, over bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	failed := a.failed()
	durable := a.index.Durable()
	rest := a.waiting[:0]
	blocked := false // done functions keep their order
	for _, w := range a.waiting {
		switch {
		case blocked:
			rest = append(rest, w)
			continue
		case w.err == nil && w.position <= durable:
		case w.err == nil && failed != nil:
			w.err = failed
		case w.err == nil && a.closed:
			w.err = ErrClosed
		case w.err == nil:
			blocked = true
			rest = append(rest, w)
			continue
		}
		ready = append(ready, w)
	}
	clear(a.waiting[len(rest):])
	a.waiting = rest
	if failed != nil && len(a.queue) > 0 {
		signal(a.wake) // the writer drops the queued items
	}
	if len(a.empty) > 0 && a.empty[0].position <= durable {
		signal(a.removable)
	}
	return ready, a.closed && len(rest) == 0
}

// Close writes the queued bodies, makes them durable, calls their done functions, and waits for the
// archive's goroutines. It returns the error of Err, or of closing. Later calls return the same.
func (a *Archive) Close() error {
	a.mu.Lock()
	first := !a.closing
	a.closing = true
	a.mu.Unlock()
	if first {
		a.unregister()
		signal(a.wake)
		<-a.written
		<-a.removed
		failed := a.Err() // before the index is closed
		err := a.index.Close()
		if failed != nil {
			err = failed
		} else if err != nil {
			err = fmt.Errorf("archive: closing the index: %w", err)
		}
		a.mu.Lock()
		a.closed, a.closeErr = true, err
		a.mu.Unlock()
		signal(a.complete)
	}
	<-a.done
	return a.closeErr
}
