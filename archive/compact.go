package archive

import (
	"cmp"
	"path/filepath"
	"slices"
	"time"

	"github.com/lanecast/lanecast/internal/segment"
	"github.com/lanecast/lanecast/journal"
)

const (
	moveRound = 4 << 20          // bytes moved in one group, but for a body
	moveAgain = 10 * time.Second // after compaction found no room, or could not open a file
)

// mover is a compaction under way: the bodies that one old segment still holds are written again at
// the tail, some at a time, between groups.
type mover struct {
	source *dataSegment // nil if none is under way
	bodies []movedBody  // of source, by ascending offset; those in front are done
	credit int64        // bytes that may be moved; below zero after a body that was longer
	at     time.Time    // of the last change of credit
	file   journal.File
	buf    []byte
}

// movedBody is a body to be moved, and where it is then.
type movedBody struct {
	place
	from, to location
}

// compact moves some bodies out of a mostly dead segment, if the segments take too much room.
// written is the number of other bytes written since the last call. It returns the time until its
// next call; 0 means at once.
func (a *Archive) compact(written int64, now time.Time) (time.Duration, error) {
	m := &a.writer.mover
	if m.source != nil && m.over(a) {
		left := a.leftIn(m.source)
		m.stop()
		if left > 0 {
			return moveAgain, nil // never in a loop, for any error
		}
	}
	if m.source == nil && !a.startMove(now) {
		return idle, nil
	}
	rate := a.cfg.CompactRate
	elapsed := min(now.Sub(m.at), time.Second)
	m.at = now
	m.credit = min(m.credit+written+int64(elapsed.Seconds()*float64(rate)), max(moveRound, written))
	if m.credit <= 0 {
		return time.Duration(float64(1-m.credit)/float64(rate)*float64(time.Second)) + time.Millisecond, nil
	}
	moved, wait, err := a.moveSome(min(m.credit, moveRound))
	m.credit -= moved
	return wait, err
}

// over reports whether no body is left to be moved. A segment is also over if its remaining bodies
// were found damaged, or died meanwhile.
func (m *mover) over(a *Archive) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(m.bodies) == 0 || m.source.bodies == 0
}

// leftIn returns the number of bodies that a segment still holds.
func (a *Archive) leftIn(g *dataSegment) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return g.bodies
}

func (m *mover) stop() {
	if m.file != nil {
		_ = m.file.Close() // it was read only
	}
	m.source, m.file, m.bodies = nil, nil, nil
}

// startMove chooses the segment with the smallest live part, if all segments together take more
// than twice their live bytes plus two segments. Then at most half of some segment is live.
func (a *Archive) startMove(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := &a.writer.mover
	var total, live int64
	var best *dataSegment
	for _, g := range a.state.segments {
		live += g.live
		switch {
		case g.missing, g.sealed && g.bodies == 0: // the latter goes anyway
		case !g.sealed:
			total += a.writer.at
		default:
			total += g.size
			if g.live <= g.size/2 && (best == nil || g.part() < best.part() || g.part() == best.part() && g.number < best.number) {
				best = g
			}
		}
	}
	if total <= 2*live+2*a.cfg.SegmentSize || best == nil {
		return false
	}
	m.source, m.at, m.credit = best, now, max(m.credit, 1)
	for _, l := range a.state.lanes {
		for _, places := range []*entries{&l.wanted, &l.pushed} {
			for height, e := range places.all() {
				if e.at.segment == best.number {
					m.bodies = append(m.bodies, movedBody{place: place{l.sequencer, height}, from: e.at})
				}
			}
		}
	}
	slices.SortFunc(m.bodies, func(a, b movedBody) int { return cmp.Compare(a.from.offset, b.from.offset) })
	return true
}

// part is the live part of the segment.
func (g *dataSegment) part() float64 { return float64(g.live) / float64(g.size) }

// at returns the lane and the entry of a place whose body is at a location. mu is held.
func (s *state) at(p place, where location) (l *lane, e entry, pushed, ok bool) {
	if l = s.lanes[p.sequencer]; l == nil {
		return nil, e, false, false
	}
	if e, ok = l.wanted.get(p.height); ok && e.at == where {
		return l, e, false, true
	}
	e, ok = l.pushed.get(p.height)
	return l, e, true, ok && e.at == where
}

// moveSome moves bodies of up to so many bytes, or one.
func (a *Archive) moveSome(limit int64) (moved int64, wait time.Duration, err error) {
	w := &a.writer
	m := &w.mover
	// Compaction frees more room than it takes. So it continues below MinFree, where nothing else
	// does: otherwise a disk would stay there if most segments hold a few live bodies.
	if free, err := a.free(); err != nil || a.cfg.MinFree > 0 && free < a.cfg.MinFree/2+limit {
		a.mu.Lock()
		a.dropSpares()
		a.mu.Unlock()
		return 0, moveAgain, nil // callers of Put get the error
	}
	if m.file == nil {
		m.file, err = a.cfg.FS.OpenRead(filepath.Join(a.dir, segmentName(m.source.number)))
		if err != nil && !isMissing(err) {
			m.stop()
			// For example, too many files are open. A body that cannot be read is found later.
			return 0, moveAgain, nil
		}
	}
	var batch []movedBody
	began := int64(0)
	for len(m.bodies) > 0 && moved < limit {
		b := m.bodies[0]
		a.mu.Lock()
		l, e, _, ok := a.state.at(b.place, b.from)
		var bytes int64
		if ok {
			bytes = l.bytes(b.height, &e)
		}
		a.mu.Unlock()
		if !ok {
			m.bodies = m.bodies[1:]
			continue
		}
		if len(batch) > 0 && w.at+bytes > a.cfg.SegmentSize {
			break // roomFor would leave a segment that is not in the index yet
		}
		stored, damage := a.readStored(m.file, b.place, &e, m.buf)
		m.buf = stored.buf
		if damage != nil {
			m.bodies = m.bodies[1:]
			if err := a.lose(b, damage); err != nil {
				return moved, 0, err
			}
			continue
		}
		if len(batch) == 0 {
			if err := a.roomFor(bytes); err != nil {
				return a.movedNone(err)
			}
			began = w.at
		}
		if b.to, err = w.frame(nil, stored.payload, segment.PartOf(stored.payload), began); err != nil {
			return a.movedNone(a.giveUp(err))
		}
		if err := w.flush(); err != nil { // the next body comes into the same buffer
			return a.movedNone(a.giveUp(err))
		}
		m.bodies = m.bodies[1:]
		batch = append(batch, b)
		moved += bytes
	}
	if len(batch) == 0 {
		return moved, 0, nil
	}
	if err := w.sync(); err != nil {
		return a.movedNone(a.giveUp(err))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	w.grown()
	for _, b := range batch {
		l, e, pushed, ok := a.state.at(b.place, b.from)
		if !ok {
			continue
		}
		e.at = b.to
		if err := a.replace(l, b.height, e, pushed); err != nil {
			return moved, 0, err
		}
	}
	return moved, 0, nil
}

// movedNone ends a compaction whose group could not be written. After a full disk it is only
// postponed.
func (a *Archive) movedNone(err error) (int64, time.Duration, error) {
	a.writer.mover.stop()
	if isFull(err) {
		return 0, moveAgain, nil
	}
	return 0, 0, err
}

// replace appends a record of an entry whose body has gone elsewhere. mu is held.
func (a *Archive) replace(l *lane, height uint64, e entry, pushed bool) error {
	r := bodyRecord{kind: wantedRecord, room: e.room, at: e.at, header: l.header(height, &e)}
	if pushed {
		r.kind = pushedRecord
	}
	var err error
	if e.position, err = a.append(r.appendTo(nil)); err != nil {
		return err
	}
	e.damaged = false
	if pushed {
		a.state.setPushed(l, height, e)
	} else {
		a.state.setWanted(l, height, e)
	}
	return nil
}

// lose records in the index that a body is missing: it is damaged, and its segment is to be
// removed.
func (a *Archive) lose(b movedBody, damage *DamageError) error {
	a.mu.Lock()
	l, e, pushed, ok := a.state.at(b.place, b.from)
	if !ok {
		a.mu.Unlock()
		return nil
	}
	if !e.damaged {
		a.damages++
	}
	e.at = location{}
	err := a.replace(l, b.height, e, pushed)
	a.mu.Unlock()
	if a.cfg.Damaged != nil {
		a.cfg.Damaged(damage)
	}
	return err
}

// stored is a frame of a data segment, in buf.
type stored struct {
	buf     []byte
	payload []byte
	prefix  int // bytes of the payload in front of the body
}

// readStored reads the whole frame of an entry's body, into buf if it is large enough, and checks
// it. file is nil if there is none.
func (a *Archive) readStored(file journal.File, p place, e *entry, buf []byte) (stored, *DamageError) {
	l := lane{laneState: laneState{sequencer: p.sequencer}}
	h := l.header(p.height, e)
	n := int(bodyFrame(h.Size(), h.BodySize))
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	s := stored{buf: buf, prefix: prefixSize(h.Size(), h.BodySize)}
	damage := func(reason string, err error) (stored, *DamageError) {
		return s, damaged(p, e, reason, err)
	}
	if file == nil {
		return damage("the segment is missing", nil)
	}
	if err := readFull(file, buf, e.at.byte()); err != nil {
		return damage("it cannot be read: "+err.Error(), err)
	}
	var f segment.Frame
	if why := f.Parse(buf, e.at.byte(), e.at.byte()+int64(n)); why != "" {
		return damage(why, nil)
	}
	if !segment.Sound(buf, segment.Seed(a.identity, uint64(e.at.segment))) {
		return damage("the checksum does not match", nil)
	}
	s.payload = buf[segment.FrameHead : segment.FrameHead+int(f.Stored)]
	if int(f.Stored) != s.prefix+int(h.BodySize) || string(s.payload[1:1+h.Size()]) != string(h.AppendTo(nil)) {
		return damage("it is another body", nil)
	}
	return s, nil
}

func damaged(p place, e *entry, reason string, err error) *DamageError {
	return &DamageError{Sequencer: p.sequencer, Height: p.height, File: segmentName(e.at.segment), Offset: e.at.byte(), Reason: reason, Err: err}
}
