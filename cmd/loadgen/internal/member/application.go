package member

import (
	"context"
	"sync"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

// Application is a member's application: it proposes at once when it is asked, and accepts genuine
// payloads.
type Application struct {
	Payloads setup.Payloads
	Open     <-chan struct{} // closed when the measured run begins; until then nothing is proposed
	Shut     <-chan struct{} // closed when the run ends, and with it all proposals; nil: they go on
	// Dated makes the number of a payload's run the time of its proposal, in nanoseconds since 1970
	// by the sequencer's clock. All who see the chunk then know when it was proposed.
	Dated bool
	clock clock
}

// Propose implements engine.Automaton.
func (a *Application) Propose(ctx context.Context, at engine.Place) (wire.Digest, error) {
	select {
	case <-a.Open:
	case <-ctx.Done():
		return wire.Digest{}, ctx.Err()
	}
	select {
	case <-a.Shut:
		return wire.Digest{}, engine.ErrDeclined
	default:
	}
	a.clock.proposed(at.Height)
	payloads := a.Payloads
	if a.Dated {
		payloads.Run = uint64(time.Now().UnixNano())
	}
	return payloads.Digest(at), nil
}

// Verify implements engine.Automaton.
func (a *Application) Verify(_ context.Context, at engine.Place, payload wire.Digest) (bool, error) {
	return a.Payloads.Genuine(at, payload), nil
}

// clock holds the times at which the chunks of a lane were proposed. The next chunk may be proposed
// before the lock of the last one has been reported, so there can be several.
type clock struct {
	mu        sync.Mutex
	proposals map[uint64]time.Time // by height, for the chunks of this run without a reported lock
}

func (c *clock) proposed(height uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proposals == nil {
		c.proposals = make(map[uint64]time.Time)
	}
	c.proposals[height] = time.Now()
}

// certified returns the time since the chunk at a height was proposed; false if it was not proposed
// in this run.
func (c *clock) certified(height uint64) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.proposals[height]
	delete(c.proposals, height)
	return time.Since(at), ok
}
