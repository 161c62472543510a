package replica

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/wire"
)

// line is a peer that answers one request after the other, each within service, over a link with a
// latency.
type line struct{ latency, service time.Duration }

// rounds keeps as many requests open as the pace allows, some thousand times, and returns the
// number at the end.
func (l line) rounds(p *pace) int {
	now := time.Now()
	for range 2000 {
		open := p.most(true)
		took := max(l.latency+l.service, time.Duration(open)*l.service)
		now = now.Add(took / time.Duration(open))
		p.answered(now, took)
	}
	return p.most(true)
}

func TestAPeerIsAskedForAsMuchAsItAnswersAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		line
		least, most int
	}{
		"a long line":         {line{200 * time.Millisecond, time.Microsecond}, mostAsked, mostAsked},
		"a fast peer":         {line{time.Millisecond, 10 * time.Microsecond}, mostAsked, mostAsked},
		"a peer that is busy": {line{time.Millisecond, 2 * time.Millisecond}, leastAsked, 12},
		"a slow peer":         {line{time.Millisecond, 50 * time.Millisecond}, leastAsked, 12},
	} {
		p := newPace()
		if got := c.rounds(&p); got < c.least || got > c.most {
			t.Errorf("%s is asked for %d items at once, want %d to %d", name, got, c.least, c.most)
		}
	}
	p := newPace()
	line{time.Millisecond, 10 * time.Microsecond}.rounds(&p)
	line{time.Millisecond, 3 * time.Millisecond}.rounds(&p)
	if got := p.most(true); got > 12 {
		t.Errorf("a peer that became busy is asked for %d items at once", got)
	}
	line{500 * time.Millisecond, 10 * time.Microsecond}.rounds(&p)
	if got := p.most(true); got != mostAsked {
		t.Errorf("over a line that became longer a peer is asked for %d items at once", got)
	}
}

// docs/protocol.md 7.4: «what is next in its lane has a share of its own of requests».
func TestWhatIsNextInItsLaneIsAskedForWhenNothingElseMayBe(t *testing.T) {
	all := newPeers()
	all.connect(wire.PublicKey{1}, network.Member)
	p, now := all.get(wire.PublicKey{1}), time.Now()
	others := 0
	for ok := true; ok && others < 1000; others++ {
		ok, _ = all.ask(p, now, false)
	}
	if ok, _ := all.ask(p, now, true); !ok || others > mostAsked {
		t.Errorf("after %d requests what comes next was not asked for", others-1)
	}
}
