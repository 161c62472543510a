package testkit

import (
	"context"
	"slices"
	"sync"

	"github.com/lanecast/lanecast/wire"
)

// Recorder keeps all reported activities. It implements engine.Reporter. The zero value is ready to
// use; its methods may be called from any goroutine.
type Recorder struct {
	// Hook, if set, is called before an activity is kept. If it returns an error, so does Report,
	// and the activity is not kept.
	Hook func(ctx context.Context, a wire.Activity) error

	mu     sync.Mutex
	tips   []wire.Proposal
	locks  []wire.Lock
	faults []wire.Activity
}

// Report implements engine.Reporter.
func (r *Recorder) Report(ctx context.Context, a wire.Activity) error {
	if r.Hook != nil {
		if err := r.Hook(ctx, a); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch a := a.(type) {
	case *wire.Tip:
		r.tips = append(r.tips, a.Proposal)
	case *wire.Certified:
		r.locks = append(r.locks, a.Lock)
	default:
		r.faults = append(r.faults, a)
	}
	return nil
}

// Tips returns the proposals of all tips reported so far, in order.
func (r *Recorder) Tips() []wire.Proposal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.tips)
}

// Locks returns all locks reported so far, in order.
func (r *Recorder) Locks() []wire.Lock {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.locks)
}

// Faults returns all other activities reported so far, in order.
func (r *Recorder) Faults() []wire.Activity {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.faults)
}

// Height returns one more than the highest locked height of a lane, 0 if none is locked.
func (r *Recorder) Height(lane wire.PublicKey) (above uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.locks {
		if c := &r.locks[i].Chunk; c.Sequencer == lane {
			above = max(above, c.Height+1)
		}
	}
	return above
}
