package bodies

import (
	"context"
	"errors"
	"fmt"
	"runtime/metrics"
	"time"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

// keepInterval is how often a host writes down how far lanes were delivered, and moves its
// watermarks.
const keepInterval = 250 * time.Millisecond

// moment is how far lanes were delivered at a time.
type moment struct {
	at      time.Time
	cursors map[wire.PublicKey]cursor
}

// keep does what a host does besides applying chunks, until ctx ends: it writes down how far each
// lane has been delivered, and only then moves the lane's watermark there, some time later.
func (m *Member) keep(ctx context.Context, r *replica.Replica) {
	ticker := time.NewTicker(keepInterval)
	defer ticker.Stop()
	var written map[wire.PublicKey]cursor
	var past []moment // that are written, not older than Keep but for the first
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			m.sampleHeap()
			var err error
			if written, err = m.writeCursors(written); err != nil {
				m.cfg.Problems.Fault("%s: %v", m.cfg.Name, err)
				return
			}
			past = append(past, moment{now, written})
			for len(past) > 1 && now.Sub(past[1].at) >= m.cfg.Keep {
				past = past[1:]
			}
			if now.Sub(past[0].at) < m.cfg.Keep {
				continue
			}
			if err := m.prune(ctx, r, past[0].cursors); err != nil && ctx.Err() == nil {
				m.cfg.Problems.Fault("%s: moving a watermark: %v", m.cfg.Name, err)
				return
			}
		}
	}
}

// prune moves the watermarks of lanes to where they were delivered, but not above what others need.
func (m *Member) prune(ctx context.Context, r *replica.Replica, to map[wire.PublicKey]cursor) error {
	for lane, at := range to {
		below := at.Next
		if m.cfg.Least != nil {
			below = min(below, m.cfg.Least(lane))
		}
		if below <= m.pruned[lane] {
			continue
		}
		if err := r.Prune(ctx, lane, below); err != nil && !errors.Is(err, archive.ErrClosed) {
			return fmt.Errorf("lane %v: %w", lane, err)
		}
		m.pruned[lane] = below
	}
	return nil
}

// heapObjects is what the objects of the heap take, the dead ones that are not collected yet among
// them.
const heapObjects = "/memory/classes/heap/objects:bytes"

func (m *Member) sampleHeap() {
	if !m.cfg.WatchHeap {
		return
	}
	sample := []metrics.Sample{{Name: heapObjects}}
	metrics.Read(sample)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.past.HeapPeak = max(m.past.HeapPeak, sample[0].Value.Uint64())
}
