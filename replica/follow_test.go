package replica_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// docs/protocol.md 7.4: «A process without weight, a follower, does the same from whichever peers
// admit it; a peer that asked for it is sent each new lock of a lane».
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
			config.TipInterval = time.Minute // only the feed brings locks
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

// slowReads is a disk that blocks reads of bodies until it is released.
type slowReads struct {
	*memFS
	release chan struct{}
	reading atomic.Int64
}

func (s *slowReads) OpenRead(name string) (journal.File, error) {
	if strings.HasSuffix(name, ".data") {
		s.reading.Add(1)
		<-s.release
		s.reading.Add(-1)
	}
	return s.memFS.OpenRead(name)
}

// docs/protocol.md 7.3: «Peers that are neither validators nor sequencers within bounds share a
// part of all quotas of their own, served last».
func TestRule7_3_FollowersThatFloodDelayNoRequestOfAMember(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		var keys []wire.PublicKey
		for _, k := range testkit.Identities(5, 77) {
			keys = append(keys, testkit.Identity(k))
		}
		disk := &slowReads{release: make(chan struct{})}
		c.tune = func(i int, config *replica.Config) {
			config.Admit = func(id wire.PublicKey) network.Role {
				if slices.Contains(keys, id) {
					return network.Follower
				}
				return network.Refused
			}
			if i == 0 && disk.memFS != nil {
				config.Archive.FS = disk
			}
		}
		c.startAll(1000, 2)
		c.eventually(time.Minute, "every lane is handed over", c.everywhere(2))
		c.stop(0) // so that its cache is empty
		c.stop(3)
		disk.memFS = c.disk[0]
		r := c.start(0, c.all[0].chain)
		c.all[3] = nil
		chunk := wire.Chunk{Sequencer: c.ids[1], Height: 0, Payload: r.chain.delivered[c.ids[1]][0]}
		request := (&message.PieceRequest{Place: message.Place{Sequencer: chunk.Sequencer}, Digest: chunk.Payload}).AppendTo(nil)
		var asking sync.WaitGroup
		var answered atomic.Int64
		ask := func(s *stranger, times int) {
			for range times {
				asking.Go(func() {
					m, err := s.Request(s.ctx, c.ids[0], message.PieceRequestType, request)
					if err == nil && m.Type == message.PieceType {
						answered.Add(1)
					}
					m.Buffer.Release()
				})
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		own := disk.reading.Load() // bodies of tips, which are shown to the application again
		var all []*stranger
		for _, id := range keys {
			s := c.stranger(id, nil)
			s.awaits(c.ids[0])
			all = append(all, s)
			ask(s, network.MaxRequests)
		}
		if n := disk.reading.Load() - own; n != 2 {
			t.Errorf("%d requests of followers are worked on at once", n)
		}
		member := c.stranger(c.ids[3], nil)
		member.awaits(c.ids[0])
		ask(member, 10)
		if n := disk.reading.Load() - own; n != 2+10 {
			t.Errorf("%d requests are worked on when a member has asked for ten more", n)
		}
		close(disk.release)
		asking.Wait()
		if n := answered.Load(); n != int64(10+len(keys)*network.MaxRequests) {
			t.Errorf("%d requests were answered", n)
		}
		for _, s := range append(all, member) {
			s.stop()
		}
		c.stopAll()
	})
}
