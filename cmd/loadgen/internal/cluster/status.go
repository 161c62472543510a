package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

// recoveredBy returns, by sequencer, the highest height for which any of the engines has a chunk,
// −1 for none.
func recoveredBy(ctx context.Context, lanes []wire.PublicKey, engines []*engine.Engine) (map[wire.PublicKey]int64, error) {
	heights := make(map[wire.PublicKey]int64)
	for _, lane := range lanes {
		heights[lane] = -1
	}
	for i, e := range engines {
		status, err := e.Status(ctx)
		if err != nil {
			return nil, fmt.Errorf("member %d: asking for its status: %w", i, err)
		}
		for _, l := range status.Lanes {
			if l.HasTip {
				heights[l.Sequencer] = max(heights[l.Sequencer], int64(l.Tip))
			}
			if l.HasCertified {
				heights[l.Sequencer] = max(heights[l.Sequencer], int64(l.Certified))
			}
		}
	}
	return heights, nil
}

// statusOf returns the sums over the engines' statuses, and the highest of each lane. It leaves out
// engines that have failed or were stopped.
func statusOf(ctx context.Context, engines []*engine.Engine) (sum engine.Status, err error) {
	for i, e := range engines {
		status, err := e.Status(ctx)
		if errors.Is(err, engine.ErrStopped) {
			continue
		}
		if err != nil {
			return sum, fmt.Errorf("member %d: asking for its status: %w", i, err)
		}
		sum.Inbox += status.Inbox
		sum.Statements += status.Statements
		sum.Suspects += status.Suspects
		if sum.Lanes == nil {
			sum.Lanes = status.Lanes
		}
		for i := range min(len(sum.Lanes), len(status.Lanes)) { // in the same order at every member
			if l := &status.Lanes[i]; l.HasCertified && (!sum.Lanes[i].HasCertified || l.Certified > sum.Lanes[i].Certified) {
				sum.Lanes[i] = *l
			}
		}
		addCounters(&sum.Counters, &status.Counters)
	}
	return sum, nil
}

// addCounters adds the counters that are part of results.
func addCounters(a, b *engine.Counters) {
	a.AcksReceived += b.AcksReceived
	a.AcksInvalid += b.AcksInvalid
	a.NodesReceived += b.NodesReceived
	a.NodesInvalid += b.NodesInvalid
	a.CertificatesReceived += b.CertificatesReceived
	a.CertificatesInvalid += b.CertificatesInvalid
	a.Faults += b.Faults
	a.InboxDropped += b.InboxDropped
	a.OutboxDropped += b.OutboxDropped
}
