package measure

import (
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// heights returns the counters of a member that was delivered two lanes below these heights, and
// made the first one's bodies below another.
func heights(a, b, made uint64) Bodies {
	return Bodies{Lanes: []LaneHeights{{wire.PublicKey{1}, a, made}, {wire.PublicKey{2}, b, 0}}}
}

func TestAMemberIsLevelIfNoLaneIsBehindTheSlowestOfTheOthers(t *testing.T) {
	others := []Bodies{heights(5, 9, 6), heights(7, 8, 0)}
	for _, c := range []struct {
		own    Bodies
		level  bool
		behind uint64
	}{{heights(5, 8, 0), true, 3}, {heights(9, 9, 0), true, 0}, {heights(4, 9, 0), false, 3}, {heights(7, 0, 0), false, 9}} {
		if own := c.own; own.Level(others) != c.level || own.Behind(others) != c.behind {
			t.Errorf("%v is level: %v, behind %d", own.Lanes, own.Level(others), own.Behind(others))
		}
	}
}

func TestMembersAreSettledOnceAllHaveWhatAnyHasMade(t *testing.T) {
	if !Settled([]Bodies{heights(5, 2, 5), heights(5, 3, 0)}) {
		t.Error("all that was made is delivered")
	}
	if Settled([]Bodies{heights(6, 2, 6), heights(5, 3, 0)}) {
		t.Error("one member lacks a chunk")
	}
}

func TestWhatIsNoCounterStaysBetweenReadings(t *testing.T) {
	before, after := heights(1, 1, 0), heights(4, 4, 0)
	before.Delivered, after.Delivered = 2, 8
	before.Disk, after.Disk = 100, 150
	d := Between([]Bodies{before}, []Bodies{after})[0]
	if d.Delivered != 6 || d.Disk != 150 || d.Next(wire.PublicKey{1}) != 4 {
		t.Errorf("%+v", d)
	}
}
