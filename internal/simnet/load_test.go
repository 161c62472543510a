package simnet

import (
	"sync"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

func TestManySendersLoseNoMessageWithoutAReason(t *testing.T) {
	n := newNetwork(t, Config{Default: Conditions{Jitter: time.Millisecond, Loss: 0.1, Queue: 50}})
	const senders, messages = 8, 500
	join(t, n, 100)
	var endpoints [senders]*Endpoint
	for s := range endpoints {
		endpoints[s], _ = join(t, n, byte(s))
	}
	var group sync.WaitGroup
	for s := range byte(senders) {
		e := endpoints[s]
		group.Go(func() {
			for i := range messages {
				e.Send([]wire.PublicKey{id(100), id((s + 1) % senders)}, Kind(i%2), []byte{s}, i%3 == 0)
			}
		})
	}
	group.Wait()
	testkit.Eventually(t, "the counts add up", func() bool {
		c := n.Counts()
		return c.Sent == c.Delivered+c.Lost+c.Full && c.Sent == 2*senders*messages
	})
}

func BenchmarkSend(b *testing.B) {
	n := newNetwork(b, Config{Default: Conditions{Queue: 1 << 30}})
	a, _ := join(b, n, 1)
	if _, err := n.Join(id(2), func(m Message) { m.Body.Release() }); err != nil {
		b.Fatal(err)
	}
	body, to := make([]byte, 150), []wire.PublicKey{id(2)}
	b.ReportAllocs()
	for b.Loop() {
		a.Send(to, Ack, body, false)
	}
}
