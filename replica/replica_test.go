package replica_test

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/simnet"
)

func TestEveryLaneIsHandedOverEverywhere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, simnet.Conditions{Latency: 5 * time.Millisecond})
		for i := range c.ids {
			c.start(i, newChain(c.ids[i], 100_000, 20))
		}
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(20))
		c.stopAll()
	})
}
