package cluster

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/audit"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/bodies"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

// Phases of a run in which a member is away.
const (
	beforeAway = iota
	duringAway
	afterAway
	awayPhases
)

// absence makes one validator leave and return while the load goes on.
type absence struct {
	member int           // −1: nobody leaves
	after  time.Duration // time of the run at which the member leaves
	length time.Duration
	phase  atomic.Int32
	lane   wire.PublicKey                 // the member's lane
	back   time.Time                      // time of its return; lane and back are set before phase
	others [awayPhases]*measure.Latencies // latencies of deliveries at the others, by phase

	cancel context.CancelFunc
	done   chan struct{} // closed when the member is back and level, or the absence was cancelled

	mu      sync.Mutex
	counted engine.Counters // counters of the stopped engine
	became  report.Away
}

// newAbsence returns the absence of one member, with its times. It is a cli usage error if the
// others are no quorum.
func newAbsence(cfg *Config) (*absence, error) {
	a := &absence{member: -1, length: cfg.Bodies.Away, after: cfg.Bodies.Warmup(cfg.Duration), done: make(chan struct{})}
	for i := range a.others {
		a.others[i] = measure.NewLatencies()
	}
	if cfg.Bodies.Away == 0 {
		close(a.done)
		return a, nil
	}
	weights, err := cfg.VotingWeights()
	if err != nil {
		return nil, err
	}
	lightest := wire.Participant(0)
	for i := range wire.Participant(cfg.Validators) {
		if weights.Of(i) <= weights.Of(lightest) {
			lightest = i
		}
	}
	if a.member = int(lightest); weights.Of(lightest) > weights.Tolerated() {
		return nil, cli.Usagef("--away: without any one of the validators the others are no quorum")
	}
	a.became = report.Away{Member: a.member, Left: a.after.Seconds()}
	return a, nil
}

// begin starts the absence with the run: the member leaves when its time comes.
func (a *absence) begin(f *replicas, problems *audit.Problems) {
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	if a.member < 0 {
		return
	}
	go func() {
		defer close(a.done)
		if err := a.leaveAndReturn(ctx, f); err != nil {
			problems.Fault("the member that was away: %v", err)
		}
	}()
}

// end cancels the steps that are left: the member stays away, or behind.
func (a *absence) end() {
	a.cancel()
	<-a.done
}

// wait waits until the member is level.
func (a *absence) wait(ctx context.Context) {
	select {
	case <-a.done:
	case <-ctx.Done():
		a.end()
	}
}

func (a *absence) leaveAndReturn(ctx context.Context, f *replicas) error {
	m := f.members[a.member]
	if !pause(ctx, a.after) {
		return nil
	}
	left := time.Now()
	if err := a.leave(m); err != nil {
		return err
	}
	whole := pause(ctx, a.length)
	a.note(func(r *report.Away) { r.Seconds = time.Since(left).Seconds() })
	if !whole {
		return nil
	}
	a.lane, a.back = m.identity, time.Now()
	a.phase.Store(afterAway)
	if err := m.Start(); err != nil {
		return err
	}
	fetched := m.Counters().Fetched
	own, others := a.progress(f)
	a.note(func(r *report.Away) { r.Returned, r.Missed = true, own.Behind(others) })
	for !own.Level(others) {
		if !pause(ctx, levelInterval) {
			return nil
		}
		own, others = a.progress(f)
	}
	took := time.Since(a.back).Seconds()
	bytes := float64(m.Counters().Fetched-fetched) * float64(m.size)
	a.note(func(r *report.Away) { r.Level, r.FetchedMB = took, bytes/1e6/took })
	return nil
}

// leave stops the member. Callers that ask for the status of all members wait meanwhile.
func (a *absence) leave(m *replicaMember) error {
	ctx, cancel := context.WithTimeout(context.Background(), measure.StatusTimeout)
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	status, err := m.Engine().Status(ctx)
	if err != nil {
		return err
	}
	a.counted = status.Counters
	a.phase.Store(duringAway)
	return m.Stop()
}

// levelInterval is the interval at which the progress of the member is checked.
const levelInterval = 20 * time.Millisecond

// progress returns the counts of the member that was away, and those of the others.
func (a *absence) progress(f *replicas) (own measure.Bodies, others []measure.Bodies) {
	for i, m := range f.members {
		switch b := m.Progress(); {
		case i == a.member:
			own = b
		case !m.follower:
			others = append(others, b)
		}
	}
	return own, others
}

func (a *absence) note(what func(*report.Away)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	what(&a.became)
}

// spans reports whether a delivery is of a body that the member made before it left and that was
// certified only after its return: its latency includes the absence.
func (a *absence) spans(d bodies.Delivery, now time.Time) bool {
	return a.phase.Load() == afterAway && d.Chunk.Sequencer == a.lane && now.Add(-d.Took).Before(a.back)
}

// status returns the sums over all engines, including the stopped one.
func (a *absence) status(ctx context.Context, f *replicas) (engine.Status, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sum, err := statusOf(ctx, f.engines())
	addCounters(&sum.Counters, &a.counted)
	return sum, err
}

// result returns the figures of the absence; nil if no member was to be away.
func (a *absence) result() *report.Away {
	if a.member < 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.became
	r.Before, r.During, r.After = a.others[beforeAway].All(), a.others[duringAway].All(), a.others[afterAway].All()
	return &r
}

// pause waits; it returns false if ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
