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

// keepInterval is the interval at which a host writes the delivered heights of its lanes and moves
// its watermarks.
const keepInterval = 250 * time.Millisecond

// moment holds the delivered heights of the lanes at one time.
type moment struct {
	at      time.Time
	cursors map[wire.PublicKey]cursor
}

// keep does the work of a host besides applying chunks, until ctx ends: it writes the delivered
// height of each lane to disk, and only after that, Keep later, moves the lane's watermark there.
func (m *Member) keep(ctx context.Context, r *replica.Replica) {
	ticker := time.NewTicker(keepInterval)
	defer ticker.Stop()
	var written map[wire.PublicKey]cursor
	var past []moment // written to disk; not older than Keep, except the first
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

// prune moves the watermarks of lanes to their delivered heights, but not above the heights that
// others need.
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

// heapObjects is the metric of the bytes of heap objects, including dead ones that are not
// collected yet.
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
