package bodies

import "time"

// schedule says when the bodies of a lane are due: at a constant rate, whatever becomes of those
// before. Its user guards it.
type schedule struct {
	interval time.Duration // 0: a body is due whenever one is asked for
	phase    time.Duration // of the first one, so that lanes take turns
	next     time.Time     // when the next one is due; zero before the first
	due      uint64        // bodies that were due until next
}

func newSchedule(rate float64, turn, turns int) schedule {
	if rate == 0 {
		return schedule{}
	}
	interval := time.Duration(float64(time.Second) / rate)
	return schedule{interval: interval, phase: interval * time.Duration(turn) / time.Duration(max(1, turns))}
}

// begin says that bodies are due from now on.
func (s *schedule) begin(now time.Time) {
	if s.interval > 0 {
		s.next = now.Add(s.phase)
	}
}

// stop says that none are due from now on.
func (s *schedule) stop(now time.Time) {
	s.due = s.dueUntil(now)
	s.next = time.Time{}
}

// take returns when the next body is due, which may be in the past.
func (s *schedule) take(now time.Time) time.Time {
	if s.interval == 0 {
		return now
	}
	due := s.next
	s.next = s.next.Add(s.interval)
	s.due++
	return due
}

// dueUntil returns how many bodies were due until now, 0 if none are due at a time.
func (s *schedule) dueUntil(now time.Time) uint64 {
	if s.interval == 0 || s.next.IsZero() || s.next.After(now) {
		return s.due
	}
	return s.due + 1 + uint64(now.Sub(s.next)/s.interval)
}
