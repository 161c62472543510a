package node

import (
	"math"
	"time"
)

// Kinds of schedule.
const (
	constantRate = "constant"
	stepRate     = "step"
	rampRate     = "ramp"
)

// rampPhases is the number of parts of a ramp in the report.
const rampPhases = 10

// leg is a part of a schedule in which the rate changes evenly.
type leg struct {
	begin, length time.Duration
	from, to      float64 // acks/s at its begin and end
	before        float64 // acks due before it
}

// schedule is the list of times at which the acks of an open loop are due, independent of the
// engine. A generator that waited for the engine before sending the next ack would leave out the
// worst moments (coordinated omission). The first leg is the warm-up; each of the others is
// reported as a phase.
type schedule struct{ legs []leg }

// newSchedule returns the schedule of a kind from one rate to another, in acks/s. steps is the
// number of levels of stepRate.
func newSchedule(kind string, from, to float64, steps int, warmup, duration time.Duration) *schedule {
	s := &schedule{}
	s.add(warmup, from, from)
	switch kind {
	case stepRate:
		for i := range steps {
			rate := from + (to-from)*float64(i)/float64(max(1, steps-1))
			s.add(duration/time.Duration(steps), rate, rate)
		}
	case rampRate:
		for i := range rampPhases {
			part := func(i int) float64 { return from + (to-from)*float64(i)/rampPhases }
			s.add(duration/rampPhases, part(i), part(i+1))
		}
	default:
		s.add(duration, from, from)
	}
	return s
}

func (s *schedule) add(length time.Duration, from, to float64) {
	g := leg{length: length, from: from, to: to}
	if len(s.legs) > 0 {
		last := s.legs[len(s.legs)-1]
		g.begin, g.before = last.begin+last.length, last.before+last.acks()
	}
	s.legs = append(s.legs, g)
}

// acks returns the number of acks due in the leg.
func (g leg) acks() float64 { return (g.from + g.to) / 2 * g.length.Seconds() }

// end returns the end of the schedule, total the number of acks due until then.
func (s *schedule) end() time.Duration {
	last := s.legs[len(s.legs)-1]
	return last.begin + last.length
}

func (s *schedule) total() float64 {
	last := s.legs[len(s.legs)-1]
	return last.before + last.acks()
}

// due returns the time at which ack k is due, k from 0. Past the end it continues at the last rate.
func (s *schedule) due(k float64) time.Duration {
	at := 0
	for at+1 < len(s.legs) && k >= s.legs[at+1].before {
		at++
	}
	g := s.legs[at]
	n := k - g.before
	seconds := n / g.from
	if n >= g.acks() {
		seconds = g.length.Seconds() + (n-g.acks())/g.to
	} else if rise := (g.to - g.from) / g.length.Seconds(); rise != 0 {
		// n = from·t + rise·t²/2, written so that a small rise loses no digits
		seconds = 2 * n / (g.from + math.Sqrt(g.from*g.from+2*rise*n))
	}
	return g.begin + time.Duration(seconds*float64(time.Second))
}

// count returns the number of acks that are due before a time; past the end, as many as until then.
func (s *schedule) count(t time.Duration) float64 {
	n := 0.0
	for _, g := range s.legs {
		in := min(t-g.begin, g.length)
		if in <= 0 { // a leg of no length, or one that has not begun
			continue
		}
		rise := (g.to - g.from) / g.length.Seconds()
		n = g.before + g.from*in.Seconds() + rise/2*in.Seconds()*in.Seconds()
	}
	return n
}

// phaseOf returns the phase that a time falls into; false for the warm-up and past the end.
func (s *schedule) phaseOf(t time.Duration) (int, bool) {
	for i, g := range s.legs[1:] {
		if t >= g.begin && t < g.begin+g.length {
			return i, true
		}
	}
	return 0, false
}
