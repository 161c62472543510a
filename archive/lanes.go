package archive

import (
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

// entry is the content of one place of a lane.
type entry struct {
	parent, root, digest wire.Digest
	position             journal.Position // of its record
	at                   location         // of the body; zero if there is none
	size                 uint32           // of the body
	room                 bool             // the body was put into its lane's own room
	damaged              bool             // the body cannot be read
}

// held reports whether the body is there.
func (e *entry) held() bool { return e.at.segment != 0 && !e.damaged }

// lane is the content of one lane. Its rules are those of doc.go under Recovery.
type lane struct {
	laneState
	position journal.Position // of its record; 0 if it has none
	wanted   entries
	pushed   entries
	locks    map[uint64]lock // by epoch
	top      uint64          // highest height in wanted, which always has it; 0 if wanted is empty
	lockTop  uint64          // highest height in locks, which always has it; 0 if locks is empty
	room     int64           // bytes taken of its own room
	marks    []mark          // by ascending time and height
}

type lock struct {
	wire.Lock
	position journal.Position
}

// mark is a height below which entries may be dropped from a time on.
type mark struct {
	due    int64 // in nanoseconds since Open
	height uint64
}

func (l *lane) header(height uint64, e *entry) payload.Header {
	return payload.Header{Sequencer: l.sequencer, Height: height, Parent: e.parent, BodySize: uint64(e.size), Root: e.root}
}

// bytes returns the bytes that the body of an entry takes in its segment; 0 if there is none.
func (l *lane) bytes(height uint64, e *entry) int64 {
	if e.at.segment == 0 {
		return 0
	}
	h := l.header(height, e)
	return bodyFrame(h.Size(), h.BodySize)
}

// quotaOf returns the quota in which the body of a wanted entry counts.
func (l *lane) quotaOf(height uint64, e *entry) quota {
	if e.room && height >= l.watermark {
		return quota{room: l.bytes(height, e)}
	}
	return quota{used: l.bytes(height, e)}
}

// keeps reports whether a header at this height stays. For a height that was dropped the answer
// stays false: neither top nor lockTop moves to such a height, since a header there is a new one,
// and a lock there is refused.
func (l *lane) keeps(height uint64) bool {
	return height >= l.floor || height >= l.top || len(l.locks) > 0 && height == l.lockTop
}

// keepsLock reports whether a lock at this height stays.
func (l *lane) keepsLock(height uint64) bool { return height >= l.watermark || height >= l.lockTop }

// window returns the lowest height at which a pushed body is useful; ok is false if there is none.
func (l *lane) window() (lowest uint64, ok bool) {
	lowest = l.watermark
	if l.wanted.len() > 0 {
		if l.top == ^uint64(0) {
			return 0, false
		}
		lowest = max(lowest, l.top+1)
	}
	if len(l.locks) > 0 {
		if l.lockTop == ^uint64(0) {
			return 0, false
		}
		lowest = max(lowest, l.lockTop+1)
	}
	return lowest, true
}

// pushedLives reports whether a pushed body at this height stays.
func (l *lane) pushedLives(height uint64) bool {
	lowest, ok := l.window()
	return ok && height >= lowest
}

// state is the index in memory. It does no I/O and has no lock.
type state struct {
	lanes    map[wire.PublicKey]*lane
	segments map[uint32]*dataSegment
	headers  int   // entries of all lanes
	used     int64 // bytes of wanted bodies that are in no lane's own room
	room     int64 // bytes of wanted bodies in their lane's own room
	pushed   int64 // bytes of pushed bodies
	retained int64 // of used, bytes between floors and watermarks

	release func(journal.Position) // called when a record is dead
	emptied func(*dataSegment)     // called when no record names a sealed segment any more
}

// dataSegment is the index's knowledge of a data segment.
type dataSegment struct {
	number  uint32
	size    int64 // bytes of the file
	live    int64 // bytes of bodies that records name
	bodies  int   // that records name
	sealed  bool  // nothing is written to it any more
	missing bool  // the file is not there
	beyond  int64 // the former length of a longer file that is being written over; else 0
}

// disk is the length of the segment's file.
func (g *dataSegment) disk() int64 { return max(g.size, g.beyond) }

func newState() *state {
	return &state{lanes: map[wire.PublicKey]*lane{}, segments: map[uint32]*dataSegment{},
		release: func(journal.Position) {}, emptied: func(*dataSegment) {}}
}

// peek returns a lane. A new lane becomes part of the index once something is put into it.
func (s *state) peek(id *wire.PublicKey) *lane {
	if l := s.lanes[*id]; l != nil {
		return l
	}
	return &lane{laneState: laneState{sequencer: *id}, locks: map[uint64]lock{}}
}

// lane returns a lane, and makes it if it is not there.
func (s *state) lane(id *wire.PublicKey) *lane {
	l := s.peek(id)
	s.lanes[*id] = l
	return l
}

func (s *state) segment(number uint32) *dataSegment {
	g := s.segments[number]
	if g == nil {
		g = &dataSegment{number: number}
		s.segments[number] = g
	}
	return g
}

// name adds a body to the counts of its segment, or subtracts it.
func (s *state) name(at location, bytes int64, bodies int) {
	if at.segment == 0 {
		return
	}
	g := s.segment(at.segment)
	g.live += bytes * int64(bodies)
	if g.bodies += bodies; g.bodies == 0 && g.sealed {
		s.emptied(g)
	}
}

// count adds a wanted entry to the sums if times is 1, and subtracts it if times is −1. The lane's
// floor and watermark must be the same both times.
func (s *state) count(l *lane, height uint64, e *entry, times int64) {
	q := l.quotaOf(height, e)
	l.room += q.room * times
	s.room += q.room * times
	s.used += q.used * times
	if height >= l.floor && height < l.watermark {
		s.retained += q.used * times
	}
}

// setWanted puts an entry in its place, and drops the entries that are dead then.
func (s *state) setWanted(l *lane, height uint64, e entry) {
	s.lanes[l.sequencer] = l
	s.name(e.at, l.bytes(height, &e), 1) // first, so that no segment in use is emptied
	if old, ok := l.wanted.get(height); ok {
		s.count(l, height, &old, -1)
		s.headers--
		s.name(old.at, l.bytes(height, &old), -1)
		s.release(old.position)
	}
	before, had := l.top, l.wanted.len() > 0
	l.wanted.set(height, e)
	s.count(l, height, &e, 1)
	s.headers++
	l.top = max(l.top, height)
	if had && before != l.top && !l.keeps(before) {
		s.dropWanted(l, before)
	}
	s.dropPushed(l)
}

func (s *state) dropWanted(l *lane, height uint64) {
	e, ok := l.wanted.get(height)
	if !ok {
		return
	}
	l.wanted.remove(height)
	s.count(l, height, &e, -1)
	s.headers--
	s.name(e.at, l.bytes(height, &e), -1)
	s.release(e.position)
}

// setPushed puts a pushed entry in its place.
func (s *state) setPushed(l *lane, height uint64, e entry) {
	s.lanes[l.sequencer] = l
	s.name(e.at, l.bytes(height, &e), 1)
	s.removePushed(l, height)
	l.pushed.set(height, e)
	s.headers++
	s.pushed += l.bytes(height, &e)
}

func (s *state) removePushed(l *lane, height uint64) {
	e, ok := l.pushed.get(height)
	if !ok {
		return
	}
	l.pushed.remove(height)
	s.headers--
	s.pushed -= l.bytes(height, &e)
	s.name(e.at, l.bytes(height, &e), -1)
	s.release(e.position)
}

// dropPushed drops the pushed entries that are not useful any more.
func (s *state) dropPushed(l *lane) {
	for height := range l.pushed.all() {
		if !l.pushedLives(height) {
			s.removePushed(l, height)
		}
	}
}

// setLock replaces the last lock of an epoch, and drops the entries that are dead then.
func (s *state) setLock(l *lane, k lock) {
	s.lanes[l.sequencer] = l
	if old, ok := l.locks[k.Epoch]; ok {
		s.release(old.position)
	}
	before, had := l.lockTop, len(l.locks) > 0
	l.locks[k.Epoch] = k
	l.lockTop = max(l.lockTop, k.Chunk.Height)
	if had && before != l.lockTop && !l.keeps(before) {
		s.dropWanted(l, before)
	}
	s.dropLocks(l)
	s.dropPushed(l)
}

func (s *state) dropLocks(l *lane) {
	for epoch, k := range l.locks {
		if !l.keepsLock(k.Chunk.Height) {
			delete(l.locks, epoch)
			s.release(k.position)
		}
	}
}

// setLane moves a lane's watermark and floor, neither of which goes back, and drops the entries
// below.
func (s *state) setLane(l *lane, to laneState, position journal.Position) {
	s.lanes[l.sequencer] = l
	if l.position != 0 {
		s.release(l.position)
	}
	l.position = position
	// These entries change their class: all below the new floor, and all that the watermark passes.
	var moved []uint64
	collect := func(height uint64) { moved = append(moved, height) }
	l.within(l.floor, to.floor, collect)
	l.within(max(l.watermark, to.floor), to.watermark, collect)
	for _, height := range moved {
		e, _ := l.wanted.get(height)
		s.count(l, height, &e, -1)
	}
	l.watermark, l.floor = to.watermark, to.floor
	for _, height := range moved {
		e, _ := l.wanted.get(height)
		s.count(l, height, &e, 1)
		if !l.keeps(height) {
			s.dropWanted(l, height)
		}
	}
	s.dropLocks(l)
	s.dropPushed(l)
	for len(l.marks) > 0 && l.marks[0].height <= l.floor {
		l.marks = l.marks[1:]
	}
}

// within calls f for the heights from ≤ h < to that have a wanted entry, in any order.
func (l *lane) within(from, to uint64, f func(height uint64)) {
	if from >= to {
		return
	}
	if to-from > uint64(l.wanted.len()) {
		for height := range l.wanted.all() {
			if height >= from && height < to {
				f(height)
			}
		}
		return
	}
	for height := from; height < to; height++ {
		if _, ok := l.wanted.get(height); ok {
			f(height)
		}
	}
}

// replay applies a record of the index. Until settle has all records, nothing is counted, and
// nothing is dropped except an entry that another record for the same place replaces.
func (s *state) replay(position journal.Position, r *record) {
	switch r.kind {
	case wantedRecord, pushedRecord:
		h := &r.body.header
		l := s.lane(&h.Sequencer)
		places := &l.wanted
		if r.kind == pushedRecord {
			places = &l.pushed
		}
		if old, ok := places.get(h.Height); ok {
			if old.position > position {
				s.release(position)
				return
			}
			s.release(old.position)
		}
		places.set(h.Height, entry{parent: h.Parent, root: h.Root, position: position, at: r.body.at, size: uint32(h.BodySize),
			room: r.body.room})
	case lockRecord:
		l := s.lane(&r.lock.Chunk.Sequencer)
		if old, ok := l.locks[r.lock.Epoch]; ok {
			if old.Chunk.Height > r.lock.Chunk.Height || old.Chunk.Height == r.lock.Chunk.Height && old.position > position {
				s.release(position)
				return
			}
			s.release(old.position)
		}
		l.locks[r.lock.Epoch] = lock{Lock: cloneLock(&r.lock), position: position}
	case laneRecord:
		l := s.lane(&r.lane.sequencer)
		if l.position > position {
			s.release(position)
			return
		}
		if l.position != 0 {
			s.release(l.position)
		}
		l.laneState, l.position = r.lane, position
	}
}

// settle counts the replayed entries, drops the dead ones, and makes the digests of the others.
func (s *state) settle(digest func(*payload.Header) wire.Digest) {
	for _, l := range s.lanes {
		for height := range l.wanted.all() {
			l.top = max(l.top, height)
		}
		for _, k := range l.locks {
			l.lockTop = max(l.lockTop, k.Chunk.Height)
		}
		for height, e := range l.wanted.all() {
			if !l.keeps(height) {
				l.wanted.remove(height)
				s.release(e.position)
			}
		}
		for height, e := range l.pushed.all() {
			if !l.pushedLives(height) {
				l.pushed.remove(height)
				s.release(e.position)
			}
		}
		s.dropLocks(l)
		for _, places := range []*entries{&l.wanted, &l.pushed} {
			for height, e := range places.all() {
				h := l.header(height, &e)
				e.digest = digest(&h)
				places.set(height, e)
			}
		}
		for height, e := range l.wanted.all() {
			s.count(l, height, &e, 1)
			s.name(e.at, l.bytes(height, &e), 1)
		}
		for height, e := range l.pushed.all() {
			s.pushed += l.bytes(height, &e)
			s.name(e.at, l.bytes(height, &e), 1)
		}
		s.headers += l.wanted.len() + l.pushed.len()
	}
}

func cloneLock(l *wire.Lock) wire.Lock {
	c := *l
	c.Certificate = append([]byte(nil), l.Certificate...)
	return c
}
