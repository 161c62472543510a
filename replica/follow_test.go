package replica_test

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

// docs/protocol.md 7.4: «A process without weight, a follower, does the same from whichever peers admit
// it; a peer that asked for it is sent each new lock of a lane».
func TestRule7_4_AFollowerIsHandedEveryLane(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		key := testkit.Identities(5, 77)[0]
		follower := testkit.Identity(key)
		c.tune = func(i int, config *replica.Config) {
			config.Admit = func(id wire.PublicKey) network.Role {
				if id == follower {
					return network.Follower
				}
				return network.Refused
			}
			config.TipInterval = time.Minute // the feed is what brings locks
			if i == 4 {
				epochs, err := engine.NewStaticEpochs(c.set.Scheme, nil, c.ids)
				if err != nil {
					t.Fatal(err)
				}
				config.Key, config.Epochs = key, epochs
				config.Transport = c.net.NewTransport(follower, replica.Types(0))
			}
		}
		c.startAll(90_000, 30)
		c.all, c.disk = append(c.all, nil), append(c.disk, newMemFS())
		app := newChain(follower, 0, 0)
		c.startAs(4, 0, app)
		c.eventually(30*time.Second, "every lane is handed over to the follower too", c.everywhere(30))
		c.stopAll()
	})
}

// In a network with acks to the sequencer the certificate comes as a message.
func TestReplicasWorkWithAcksToTheSequencer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		c.tune = func(_ int, config *replica.Config) { config.Engine.Acks = engine.AcksToSequencer }
		c.startAll(90_000, 20)
		c.eventually(30*time.Second, "every lane is handed over", c.everywhere(20))
		c.stopAll()
	})
}
