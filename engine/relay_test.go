package engine_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// orderLog records the order in which the relay and the sender get our chunks. The sender works
// once open is closed.
type orderLog struct {
	open chan struct{}

	mu    sync.Mutex
	told  map[uint64][]bool // by height: the value of again in each call
	early []uint64          // heights whose node was sent before the relay was told
}

func (l *orderLog) Broadcast(_ context.Context, at engine.Place, _ wire.Digest, _ []wire.PublicKey, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told[at.Height] = append(l.told[at.Height], again)
}

func (l *orderLog) SendAck([]wire.PublicKey, []byte) { <-l.open }

func (l *orderLog) SendCertificate([]wire.PublicKey, []byte) { <-l.open }

func (l *orderLog) SendNode(_ []wire.PublicKey, message []byte) {
	<-l.open
	var n wire.Node
	if n.DecodeStored(message) != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.told[n.Chunk.Height]) == 0 {
		l.early = append(l.early, n.Chunk.Height)
	}
}

// A relay may push a payload only where again is false, so the first call that it gets must have
// that value, even if earlier calls were dropped; and no node is sent before the relay was told of
// it.
func TestTheFirstBroadcastThatARelayGetsIsNoRepeatAndComesBeforeTheNode(t *testing.T) {
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	m := members[0]
	l := &orderLog{open: make(chan struct{}), told: make(map[uint64][]bool)}
	m.config.Relay, m.config.Sender, m.config.MaxOutbox, m.config.RebroadcastTimeout = l, l, 2, 50*time.Millisecond
	may := make(chan struct{})
	m.app.propose = func(_ context.Context, at engine.Place) (wire.Digest, error) {
		<-may
		return payloadAt(at), nil
	}
	startAll(t, net, members)
	eventually(t, "the outbox is full", func() bool { return status(t, m.engine).Outbox == 2 })
	drops := status(t, m.engine).Counters.OutboxDropped
	close(may)
	eventually(t, "broadcast and node are dropped", func() bool {
		_, ok, err := m.engine.Tip(t.Context(), m.id)
		return err == nil && ok && status(t, m.engine).Counters.OutboxDropped >= drops+2
	})
	close(l.open)
	eventually(t, "the relay is told", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.told) > 0 })
	haltAll(t, members)
	for height, calls := range l.told {
		for i, again := range calls {
			if again != (i > 0) {
				t.Errorf("height %d: call %d says again %v", height, i, again)
			}
		}
	}
	if len(l.early) > 0 {
		t.Errorf("nodes were sent before the relay was told of them: heights %v", l.early)
	}
}
