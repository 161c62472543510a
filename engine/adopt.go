package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/wire"
)

// Adopt adopts locks that others know: the highest of each lane, for a process that joins before
// its first epoch begins, or those that it has missed. They are verified first. If one does not
// verify, or is of an unknown epoch, none is adopted and the error says why.
//
// In a process that is recovering from a lost journal, one call ends the recovery: it is
// [Engine.Recover] with these locks alone, and its own lane has ended.
//
// After ctx's error the locks, of which Adopt keeps copies, may still be adopted.
func (e *Engine) Adopt(ctx context.Context, locks ...wire.Lock) error {
	locks = slices.Clone(locks)
	for i := range locks {
		locks[i].Certificate = slices.Clone(locks[i].Certificate)
	}
	if err := e.verifyAll(ctx, locks); err != nil {
		return err
	}
	adopted, err := ask(ctx, e, func() error { return e.adopt(locks) })
	if err != nil {
		return err
	}
	return adopted
}

// verifyAll returns an error if a lock does not verify.
func (e *Engine) verifyAll(ctx context.Context, locks []wire.Lock) error {
	verdicts, err := e.VerifyLocks(ctx, locks)
	if err != nil {
		return err
	}
	for i, err := range verdicts {
		if err != nil {
			c := &locks[i].Chunk
			return fmt.Errorf("engine: adopting the lock of height %d of sequencer %s: %w", c.Height, c.Sequencer, err)
		}
	}
	return nil
}

// adopt runs on the loop.
func (e *Engine) adopt(locks []wire.Lock) error {
	recovering := e.core.Recovering()
	if err := e.core.Adopt(time.Since(e.began), locks); err != nil {
		return err
	}
	if recovering {
		e.warnOfAbstaining()
	}
	return nil
}

// warnOfAbstaining logs the number of lanes on which nothing is acked yet, since the journal was
// lost.
func (e *Engine) warnOfAbstaining() {
	if lanes, to := e.core.Abstaining(); lanes > 0 {
		e.log.Warn("the journal was lost: nothing is acked up to the heights that may have been acked before",
			"lanes", lanes, "up to height", to)
	}
}

// adoptConfigured adopts the locks of the configuration, before the engine handles the first
// message.
func (e *Engine) adoptConfigured() error {
	if len(e.cfg.Adopt) == 0 {
		return nil
	}
	if err := e.verifyAll(e.ctx, e.cfg.Adopt); err != nil {
		return err
	}
	return e.adopt(e.cfg.Adopt)
}

// Forget drops the lane of a sequencer that is in no known epoch within bounds, for good, with all
// its records in the journal. The sequencer must never be in a set again, and its locks must never
// be adopted: this process no longer knows its acks on the lane. For another lane the error is
// ErrNotDormant.
func (e *Engine) Forget(ctx context.Context, sequencer wire.PublicKey) error {
	forgotten, err := ask(ctx, e, func() bool { return e.core.Forget(sequencer) })
	if err == nil && !forgotten {
		err = fmt.Errorf("%w: that of sequencer %s", ErrNotDormant, sequencer)
	}
	return err
}

// watchOwnLane logs each change of the reason why our own lane cannot grow, other than waiting for
// the application and the validators.
func (e *Engine) watchOwnLane() {
	state, claimed := e.core.OwnLane()
	if state == e.ownLane {
		return
	}
	e.ownLane = state
	switch state {
	case core.OwnLaneFree:
		e.log.Info("our own lane is free again")
	case core.OwnLaneRecovering:
		e.log.Warn("our journal was lost: nothing is signed until locks are adopted")
	case core.OwnLaneEnded:
		e.log.Warn("our own lane has ended with the journal that was lost; go on under a new sequencer key in a later epoch")
	case core.OwnLaneBehind:
		e.log.Error("our own lane is blocked: validators hold a higher chunk of ours than our journal; the journal is older than "+
			"the network, and this folder a copy or a backup", "height", claimed)
	case core.OwnLaneContradicted:
		e.log.Error("our own lane is blocked: the network certified another chunk at the height of our tip; somebody else signs " +
			"with our key")
	}
}
