package member

import (
	"testing"
	"time"
)

func TestTheClockTimesEachChunkOnce(t *testing.T) {
	var c clock
	if _, ok := c.certified(3); ok {
		t.Error("timed a chunk that was not proposed")
	}
	c.proposed(3)
	c.proposed(4) // before the lock of 3 is reported
	time.Sleep(2 * time.Millisecond)
	if took, ok := c.certified(3); !ok || took < 2*time.Millisecond {
		t.Errorf("took %v, %v", took, ok)
	}
	if _, ok := c.certified(3); ok {
		t.Error("timed a chunk twice")
	}
	if _, ok := c.certified(4); !ok {
		t.Error("forgot the second chunk")
	}
}
