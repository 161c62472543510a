package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/internal/shrink"
	"github.com/lanecast/lanecast/wire"
)

// beginCall returns the context of a call that the core requested. The context ends with the
// engine, or when the core cancels the call.
func (e *Engine) beginCall(number uint64) context.Context {
	ctx, cancel := context.WithCancel(e.ctx)
	e.calls[number] = cancel
	return ctx
}

// cancelCall ends the context of a call that has not returned.
func (e *Engine) cancelCall(number uint64) {
	if cancel := e.calls[number]; cancel != nil {
		cancel()
	}
}

// endCall makes the loop tell the core that a call has returned.
func (e *Engine) endCall(number uint64, tell func(now time.Duration)) {
	e.onLoop(func(now time.Duration) {
		e.cancelCall(number)
		delete(e.calls, number)
		e.calls = shrink.Map(e.calls, &e.callsPeak)
		tell(now)
	})
}

// askPropose asks the application for the payload at a height of our lane.
func (e *Engine) askPropose(call uint64, at Place) {
	ctx := e.beginCall(call)
	e.goGuarded("Automaton.Propose", func() {
		payload, err := e.cfg.Automaton.Propose(ctx, at)
		e.endCall(call, func(now time.Duration) { e.core.ApplicationProposed(now, call, payload, err) })
	})
}

// askVerify asks the application for its verdict on a chunk.
func (e *Engine) askVerify(call uint64, at Place, payload wire.Digest) {
	ctx := e.beginCall(call)
	e.goGuarded("Automaton.Verify", func() {
		began := time.Now()
		ok, err := e.cfg.Automaton.Verify(ctx, at, payload)
		verdict := core.Refused
		switch {
		case err != nil:
			verdict = core.Failed
			if ctx.Err() == nil {
				e.logLimited(&e.limits.verdict, slog.LevelWarn, "the application reached no verdict",
					"sequencer", at.Sequencer, "height", at.Height, "error", err)
			}
		case ok:
			verdict = core.Approved
		}
		if ctx.Err() == nil {
			e.metrics.verifyDuration.Observe(time.Since(began).Seconds())
		}
		e.endCall(call, func(now time.Duration) { e.core.ApplicationVerified(now, call, verdict) })
	})
}
