package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/wire"
)

// reporting is the state of the goroutine that calls the Reporter.
type reporting struct {
	engine   *Engine
	queue    *queue[wire.Activity]
	draining chan struct{} // closed when nothing more will be queued
	gone     chan struct{} // closed when the goroutine ends
}

// report queues an activity. The queue has no bound of its own, since locks and evidence are never
// dropped: the loop takes no messages while the queue is long.
func (e *Engine) report(f *core.Effect) {
	if f.Elapsed > 0 {
		e.metrics.endToEnd.Observe(f.Elapsed.Seconds())
	}
	e.reports.push(f.Activity)
}

func (e *Engine) startReporting(ctx context.Context) *reporting {
	r := &reporting{engine: e, queue: e.reports, draining: make(chan struct{}), gone: make(chan struct{})}
	go func() {
		defer close(r.gone)
		e.guard("Reporter", func() {
			if err := r.run(ctx); err != nil {
				e.fail(err)
			}
		})
	}()
	return r
}

// run hands one activity after the other to the Reporter, until ctx ends or, while draining, none
// is left.
func (r *reporting) run(ctx context.Context) error {
	for ctx.Err() == nil {
		a, left, ok := r.queue.pop()
		if !ok {
			select {
			case <-r.queue.wake:
			case <-ctx.Done():
			case <-r.draining:
				if r.queue.len() == 0 {
					return nil
				}
			}
			continue
		}
		switch err := r.engine.cfg.Reporter.Report(ctx, a); {
		case err == nil:
			r.engine.reported.Add(1)
		case ctx.Err() == nil:
			return fmt.Errorf("%w: %v: %w", ErrReporter, a.Tag(), err)
		default:
			return nil // the call was cut short: if it is a lock, the next run reports it again
		}
		if left == 0 || left == r.engine.cfg.MaxPendingReports-1 {
			r.engine.signal() // records can be released, or the loop may take messages again
		}
	}
	return nil
}

// drain waits until the reporter has taken all waiting reports, for DrainTimeout at most; stop ends
// its context.
func (r *reporting) drain(stop context.CancelFunc) {
	close(r.draining)
	timer := time.AfterFunc(r.engine.cfg.DrainTimeout, stop)
	<-r.gone
	timer.Stop()
	stop()
	if left := r.queue.len(); left > 0 {
		r.engine.log.Warn("stopped with reports not handed over", "reports", left)
	}
}

// noteReported journals the progress of the reports, once nothing else will be appended, so that
// the next run does not repeat them.
func (e *Engine) noteReported() {
	if e.failed() != nil {
		return
	}
	e.core.Finish(time.Since(e.began), e.reported.Load())
	if err := e.carryOut(); err != nil {
		e.fail(err)
	}
}
