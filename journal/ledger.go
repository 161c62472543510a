package journal

import "sort"

// segmentInfo describes a segment file. Own records are those first appended to it. Their positions
// are first ≤ p < next without a gap, so one bit each suffices to mark the dead ones.
type segmentInfo struct {
	head
	next Position // position after the last own record
	size int64    // size in bytes up to the end of the last frame
	live int      // number of live records here: own ones, and those moved here
	kept int      // number of records in the file, dead or alive, including copies
	dead []uint64 // bit p−first: own record p is released or was moved; grown when needed
}

func (s *segmentInfo) isDead(p Position) bool {
	i := uint64(p - s.first)
	return i/64 < uint64(len(s.dead)) && s.dead[i/64]>>(i%64)&1 == 1
}

func (s *segmentInfo) bury(p Position) {
	i := uint64(p - s.first)
	for uint64(len(s.dead)) <= i/64 {
		s.dead = append(s.dead, 0)
	}
	s.dead[i/64] |= 1 << (i % 64)
	s.live--
}

// liveBytes estimates the live bytes, as if all records in the segment were equally long.
func (s *segmentInfo) liveBytes() int64 {
	if s.kept == 0 {
		return 0
	}
	return int64(float64(s.size) * float64(s.live) / float64(s.kept))
}

// ledger records the segment of each live record. It takes one bit per record in the log, and one
// map entry per live record that compaction has moved.
type ledger struct {
	// segments are in ascending order of number, without a gap. The last is the tail. Not empty
	// once the journal is open.
	segments []*segmentInfo
	moved    map[Position]*segmentInfo
}

func (l *ledger) tail() *segmentInfo { return l.segments[len(l.segments)-1] }

// owner returns the segment to which p was first appended, or nil if that was removed.
func (l *ledger) owner(p Position) *segmentInfo {
	// Segments without own records have the same first position as the one after them: take the
	// last.
	i := sort.Search(len(l.segments), func(i int) bool { return l.segments[i].first > p })
	if i == 0 {
		return nil
	}
	if s := l.segments[i-1]; p < s.next {
		return s
	}
	return nil
}

// home returns the segment in which p lives, or nil if it is dead or unknown.
func (l *ledger) home(p Position) *segmentInfo {
	if s, ok := l.moved[p]; ok {
		return s
	}
	if s := l.owner(p); s != nil && !s.isDead(p) {
		return s
	}
	return nil
}

// add counts the next own record of s.
func (l *ledger) add(s *segmentInfo) {
	s.next++
	s.live++
	s.kept++
}

// move notes that a durable copy of p is in s. It reports whether p was alive before; afterwards it
// is.
func (l *ledger) move(p Position, s *segmentInfo) bool {
	was := l.home(p)
	if was != nil {
		l.release(p)
	}
	l.moved[p] = s
	s.live++
	s.kept++
	return was != nil
}

func (l *ledger) release(p Position) {
	if s, ok := l.moved[p]; ok {
		s.live--
		delete(l.moved, p)
	} else if s := l.owner(p); s != nil && !s.isDead(p) {
		s.bury(p)
	}
}

// dead returns the number of segments at the front without live records. The tail is not counted.
func (l *ledger) dead() int {
	n := 0
	for n < len(l.segments)-1 && l.segments[n].live == 0 {
		n++
	}
	return n
}

// sparse reports whether at most half of the bytes in the segments that are not dead are live.
func (l *ledger) sparse(dead int) bool {
	var live, all int64
	for _, s := range l.segments[dead:] {
		live += s.liveBytes()
		all += s.size
	}
	return live <= all/2
}
