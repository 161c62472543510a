package engine_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// Four engines run, strangers send random messages, handles are closed and reopened meanwhile, and
// the engines are stopped at a random moment. Every buffer that was taken is released exactly once.
func TestEveryBufferIsReleasedForEveryOutcomeOfItsMessage(t *testing.T) {
	owned := poison.Owned()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	strangers := testkit.Identities(8, 99)
	for _, m := range members {
		m.config.MaxPeers, m.config.PeerQuota, m.config.MaxMessage = 256, 64, 4096
	}
	kept := wire.NewBuffer() // checks that buffers are counted
	if got := poison.Owned(); got != owned+1 {
		t.Fatalf("%d buffers are owned, want %d", got, owned+1)
	}
	kept.Release()
	delivered, refused := 0, map[string]int{}
	for round := range 8 {
		startAll(t, net, members)
		var wg sync.WaitGroup
		var mu sync.Mutex
		for g, key := range strangers {
			e, id := members[g%len(members)].engine, testkit.Identity(key)
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(round), uint64(g)))
				p, err := e.Peer(id)
				if err != nil {
					if !errors.Is(err, engine.ErrStopped) {
						t.Error(err)
					}
					return
				}
				count, errs := 0, map[string]int{}
				for running := true; running; count++ {
					running = !errors.Is(err, engine.ErrStopped)
					if count%64 == 63 { // lets the engines run
						time.Sleep(time.Millisecond)
					}
					b := wire.NewBuffer()
					switch r.IntN(4) {
					case 0: // garbage
						b.Append(make([]byte, r.IntN(200)))
					case 1: // a validator's ack
						b.Set((&wire.Ack{Chunk: wire.Chunk{Sequencer: members[r.IntN(4)].id, Height: r.Uint64N(20)}, Signature: make([]byte, 64)}).AppendTo)
					case 2:
						b.Set((&wire.Node{Chunk: wire.Chunk{Sequencer: id, Height: r.Uint64N(2)}}).AppendTo)
					case 3:
						b.Append(make([]byte, 4097*r.IntN(2)))
					}
					switch r.IntN(3) {
					case 0:
						err = p.DeliverAck(b)
					case 1:
						err = p.DeliverNode(b)
					case 2:
						_, err = p.Deliver([]engine.Message{
							{Kind: engine.Kind(r.IntN(4)), Buffer: b},
							{Kind: engine.KindAck, Buffer: wire.CopyBuffer([]byte("garbage"))},
						})
					}
					if err != nil {
						errs[err.Error()]++
					}
					if r.IntN(200) == 0 {
						p.Close()
						if again, err := e.Peer(id); err == nil {
							p = again
						}
					}
				}
				mu.Lock()
				defer mu.Unlock()
				delivered += count
				for text, n := range errs {
					refused[text] += n
				}
			})
		}
		time.Sleep(time.Duration(5+rand.IntN(20)) * time.Millisecond)
		haltAll(t, members)
		wg.Wait()
		if got := poison.Owned(); got != owned {
			t.Fatalf("round %d: %d buffers are owned after the engines ended, %d before", round, got, owned)
		}
	}
	if len(refused) < 3 {
		t.Errorf("of %d messages, refused were only %v", delivered, refused)
	}
	t.Logf("%d messages, of which were refused: %v", delivered, refused)
}
