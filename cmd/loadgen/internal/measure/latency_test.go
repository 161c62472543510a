package measure

import (
	"math"
	"testing"
	"time"
)

func TestLatenciesCoverTheLastPeriodsAndAll(t *testing.T) {
	l := NewLatencies()
	if l.turn(2) != (Quantiles{}) {
		t.Error("quantiles of nothing")
	}
	for ms := range 100 {
		l.Record(time.Duration(ms+1) * time.Millisecond)
	}
	first := l.turn(2)
	l.Record(24 * time.Hour) // longer than the longest recorded latency
	both, later := l.turn(2), l.turn(2)
	all := l.All()
	near := func(got, want float64) bool { return math.Abs(got-want) <= want/100 }
	if !near(first.P50, 50) || !near(first.P90, 90) || !near(first.Max, 100) {
		t.Errorf("first %+v", first)
	}
	if !near(both.P50, 51) || !near(both.Max, 600_000) || !near(later.P50, 600_000) {
		t.Errorf("two periods %+v, the two after %+v", both, later)
	}
	if !near(all.P50, 51) || !near(all.Max, 600_000) {
		t.Errorf("all %+v", all)
	}
}
