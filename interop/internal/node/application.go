package node

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/interop/internal/record"
	"github.com/lanecast/lanecast/wire"
)

// maxSamples is the maximum number of reports of wrong messages that are kept.
const maxSamples = 10

// chunkName identifies a place, which has one chunk.
type chunkName struct {
	sequencer wire.PublicKey
	height    uint64
}

// application proposes random payloads, approves all payloads, and writes locks to a file.
type application struct {
	me    wire.PublicKey
	pace  time.Duration
	nonce [8]byte // so that a restarted process proposes different payloads
	log   io.Writer

	nodesIn, acksIn atomic.Uint64

	mu          sync.Mutex
	tips, locks map[wire.PublicKey]uint64
	payloads    map[chunkName]wire.Digest // certified payloads
	conflicts   uint64
	proposed    map[uint64]time.Time // own payloads that are not certified yet
	latencies   []float64            // of certified ones, in ms
	late        map[string]uint64
	invalid     map[string]uint64
	faults      map[string]uint64
	samples     []string
}

func newApplication(c Config, nonce [8]byte, log io.Writer) *application {
	return &application{
		me: c.Set.Identities[c.Index], pace: c.Pace, nonce: nonce, log: log,
		tips: map[wire.PublicKey]uint64{}, locks: map[wire.PublicKey]uint64{},
		payloads: map[chunkName]wire.Digest{}, proposed: map[uint64]time.Time{},
		late: map[string]uint64{}, invalid: map[string]uint64{}, faults: map[string]uint64{},
	}
}

// Propose implements engine.Automaton.
func (a *application) Propose(ctx context.Context, at engine.Place) (wire.Digest, error) {
	if a.pace > 0 {
		select {
		case <-time.After(a.pace):
		case <-ctx.Done():
			return wire.Digest{}, ctx.Err()
		}
	}
	a.mu.Lock()
	a.proposed[at.Height] = time.Now()
	a.mu.Unlock()
	b := slices.Clone(at.Sequencer[:])
	b = append(binary.BigEndian.AppendUint64(b, at.Height), a.nonce[:]...)
	return sha256.Sum256(b), nil
}

// Verify implements engine.Automaton.
func (a *application) Verify(context.Context, engine.Place, wire.Digest) (bool, error) {
	return true, nil
}

// Broadcast implements engine.Relay.
func (a *application) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {}

// Report implements engine.Reporter.
func (a *application) Report(_ context.Context, activity wire.Activity) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch activity := activity.(type) {
	case *wire.Tip:
		c := &activity.Proposal.Chunk
		a.tips[c.Sequencer] = max(a.tips[c.Sequencer], c.Height)
	case *wire.Certified:
		return a.lock(&activity.Lock)
	default: // a fault
		name := fmt.Sprintf("reported %T", activity)
		a.faults[name]++
		if len(a.samples) < maxSamples {
			a.samples = append(a.samples, fmt.Sprintf("%s %x", name, activity.AppendTo(nil)))
		}
	}
	return nil
}

func (a *application) lock(l *wire.Lock) error {
	now := time.Now()
	c := &l.Chunk
	a.locks[c.Sequencer] = max(a.locks[c.Sequencer], c.Height)
	at := chunkName{c.Sequencer, c.Height}
	if before, known := a.payloads[at]; known && before != c.Payload {
		a.conflicts++
	}
	a.payloads[at] = c.Payload
	if proposed, known := a.proposed[c.Height]; known && c.Sequencer == a.me {
		a.latencies = append(a.latencies, float64(now.Sub(proposed))/float64(time.Millisecond))
		delete(a.proposed, c.Height)
	}
	line := record.Lock{Lock: *l, At: now}
	_, err := a.log.Write(line.AppendTo(nil))
	return err
}

// count reads the numbers of late and wrong messages from the engine's metrics.
func (a *application) count(registry prometheus.Gatherer) {
	families, err := registry.Gather()
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range families {
		name := f.GetName()
		switch name {
		case "lanecast_acks_total", "lanecast_nodes_total", "lanecast_acks_proven_invalid_total":
		default:
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			n := uint64(m.GetCounter().GetValue())
			switch {
			case n == 0:
			case labels["status"] == "dropped":
				a.late[name+" "+labels["reason"]] = n
			case labels["status"] != "success":
				a.invalid[name+" "+labels["reason"]] = n
			}
		}
	}
}

// report returns the state of the process, with lanes in the given order.
func (a *application) report(lanes []wire.PublicKey) (r record.Report) {
	a.mu.Lock()
	defer a.mu.Unlock()
	heights := func(m map[wire.PublicKey]uint64) []int64 {
		out := make([]int64, len(lanes))
		for i, id := range lanes {
			out[i] = -1
			if h, known := m[id]; known {
				out[i] = int64(h)
			}
		}
		return out
	}
	r.Tips, r.Locks, r.Conflicts = heights(a.tips), heights(a.locks), a.conflicts
	r.NodesIn, r.AcksIn = a.nodesIn.Load(), a.acksIn.Load()
	r.Latency = quantiles(a.latencies)
	r.Late, r.Refused, r.Samples = maps.Clone(a.late), maps.Clone(a.invalid), slices.Clone(a.samples)
	maps.Copy(r.Refused, a.faults)
	return r
}

// quantiles summarizes latencies.
func quantiles(latencies []float64) record.Latency {
	if len(latencies) == 0 {
		return record.Latency{}
	}
	v := slices.Sorted(slices.Values(latencies))
	at := func(q float64) float64 { return v[int(float64(len(v)-1)*q)] }
	return record.Latency{Count: len(v), P50: at(0.5), P99: at(0.99), Max: at(1)}
}
