package proc

import (
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/wire"
)

// Clock is the offset of another member's clock at one moment: positive if that clock was ahead.
type Clock struct {
	Member int     `json:"member"`
	At     int64   `json:"at"` // ns since 1970, by our clock
	Offset float64 `json:"offset_ms"`
	// Error is half of the measured round trip: the offset is right to within it, even if the two
	// ways differ.
	Error float64 `json:"error_ms"`
}

// clocks keeps the most exact measurements of each other member's clock: one from before the time
// parting and one from after it.
type clocks struct {
	parting time.Time // zero: not known yet
	index   func(wire.PublicKey) (int, bool)
	last    map[wire.PublicKey]network.PeerStatus
	best    [2]map[int]Clock // before and after parting
}

func newClocks(index func(wire.PublicKey) (int, bool)) *clocks {
	return &clocks{
		index: index, last: make(map[wire.PublicKey]network.PeerStatus), best: [2]map[int]Clock{make(map[int]Clock), make(map[int]Clock)},
	}
}

// add takes in the measurements of the network.
func (c *clocks) add(now time.Time, peers []network.PeerStatus) {
	period := c.best[0]
	if !c.parting.IsZero() && now.After(c.parting) {
		period = c.best[1]
	}
	for _, p := range peers {
		before := c.last[p.Identity]
		c.last[p.Identity] = p
		i, ok := c.index(p.Identity)
		if !ok || p.RoundTrip <= 0 || p.RoundTrip == before.RoundTrip && p.ClockOffset == before.ClockOffset {
			continue
		}
		half := measure.Milliseconds(p.RoundTrip) / 2
		if best, known := period[i]; known && best.Error <= half {
			continue
		}
		period[i] = Clock{Member: i + 1, At: now.UnixNano(), Offset: measure.Milliseconds(p.ClockOffset), Error: half}
	}
}

// all returns the measurements, the earlier of each member first.
func (c *clocks) all(members int) (list []Clock) {
	for i := range members {
		for _, period := range c.best {
			if m, ok := period[i]; ok {
				list = append(list, m)
			}
		}
	}
	return list
}
