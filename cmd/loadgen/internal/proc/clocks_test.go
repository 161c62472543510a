package proc

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/wire"
)

func TestTheMostExactMeasurementOfEachHalfOfARunIsKept(t *testing.T) {
	c := newClocks(func(id wire.PublicKey) (int, bool) { return int(id[0]), id[0] < 3 })
	began := time.Unix(1000, 0)
	c.parting = began.Add(5 * time.Second)
	add := func(at int, i byte, roundTrip, offset time.Duration) {
		c.add(began.Add(time.Duration(at)*time.Second), []network.PeerStatus{{Identity: wire.PublicKey{i}, RoundTrip: roundTrip, ClockOffset: offset}})
	}
	add(0, 1, 0, 0) // not measured yet
	add(1, 1, 8*time.Millisecond, 3*time.Millisecond)
	add(2, 1, 2*time.Millisecond, 5*time.Millisecond)
	add(3, 1, 6*time.Millisecond, 9*time.Millisecond)
	add(4, 1, 2*time.Millisecond, 5*time.Millisecond) // repeated: the first one stays
	add(7, 1, 10*time.Millisecond, 20*time.Millisecond)
	add(8, 1, 4*time.Millisecond, 21*time.Millisecond)
	add(8, 2, 40*time.Millisecond, -time.Second)
	add(8, 9, 4*time.Millisecond, time.Second) // no member
	want := []Clock{
		{Member: 2, At: began.Add(2 * time.Second).UnixNano(), Offset: 5, Error: 1},
		{Member: 2, At: began.Add(8 * time.Second).UnixNano(), Offset: 21, Error: 2},
		{Member: 3, At: began.Add(8 * time.Second).UnixNano(), Offset: -1000, Error: 20},
	}
	got := c.all(3)
	if len(got) != len(want) {
		t.Fatalf("%+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}
