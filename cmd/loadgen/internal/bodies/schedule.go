package bodies

import "time"

// schedule holds the times at which the bodies of a lane are due: at a constant rate, even if
// earlier ones are late. Its user guards it.
type schedule struct {
	interval time.Duration // 0: a body is due whenever one is asked for
	phase    time.Duration // delay of the first body, so that lanes take turns
	next     time.Time     // time of the next body; zero before the first
	due      uint64        // number of bodies due before next
}

func newSchedule(rate float64, turn, turns int) schedule {
	if rate == 0 {
		return schedule{}
	}
	interval := time.Duration(float64(time.Second) / rate)
	return schedule{interval: interval, phase: interval * time.Duration(turn) / time.Duration(max(1, turns))}
}

// begin starts the schedule: bodies are due from now on.
func (s *schedule) begin(now time.Time) {
	if s.interval > 0 {
		s.next = now.Add(s.phase)
	}
}

// stop ends the schedule: no bodies are due from now on.
func (s *schedule) stop(now time.Time) {
	s.due = s.dueUntil(now)
	s.next = time.Time{}
}

// take returns the time at which the next body is due, which may be in the past.
func (s *schedule) take(now time.Time) time.Time {
	if s.interval == 0 {
		return now
	}
	due := s.next
	s.next = s.next.Add(s.interval)
	s.due++
	return due
}

// dueUntil returns the number of bodies that were due until now, 0 if bodies have no times.
func (s *schedule) dueUntil(now time.Time) uint64 {
	if s.interval == 0 || s.next.IsZero() || s.next.After(now) {
		return s.due
	}
	return s.due + 1 + uint64(now.Sub(s.next)/s.interval)
}
