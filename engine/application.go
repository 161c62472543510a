package engine

import (
	"context"
	"errors"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/wire"
)

// answer holds the result of a call that another goroutine carried out.
type answer struct {
	kind      core.EffectKind // AskPropose, AskVerify, SignChunk or SignAck
	call      uint64
	ok        bool        // AskPropose: there is a payload
	payload   wire.Digest // AskPropose
	verdict   core.Answer // AskVerify
	signature []byte
	chunkSig  wire.Signature
	err       error
}

// beginCall returns the context of a call of the core's. It ends with the engine, or when the core cancels the call.
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

// reply hands an answer to the loop.
func (e *Engine) reply(a answer) {
	e.answers.push(a)
	e.signal()
}

func (e *Engine) feedAnswers(now time.Duration) {
	e.taken = e.answers.swap(e.taken)
	for i := range e.taken {
		a := &e.taken[i]
		e.cancelCall(a.call)
		delete(e.calls, a.call)
		switch a.kind {
		case core.AskPropose:
			e.core.ApplicationProposed(now, a.call, a.payload, a.ok)
		case core.AskVerify:
			e.core.ApplicationVerified(now, a.call, a.verdict)
		case core.SignChunk:
			e.core.ChunkSigned(now, a.call, a.chunkSig, a.err)
		case core.SignAck:
			e.core.AckSigned(now, a.call, a.signature, a.err)
		}
	}
	clear(e.taken)
}

// askPropose asks the application for the payload at a height of our lane.
func (e *Engine) askPropose(call uint64, chunk wire.Chunk) {
	ctx := e.beginCall(call)
	e.tasks.Go(func() {
		defer e.catch("Automaton.Propose")
		payload, err := e.cfg.Automaton.Propose(ctx, Place{chunk.Sequencer, chunk.Height})
		if err != nil && !errors.Is(err, ErrDeclined) && ctx.Err() == nil {
			e.log.Warn("the application failed to propose", "height", chunk.Height, "error", err)
		}
		e.reply(answer{kind: core.AskPropose, call: call, payload: payload, ok: err == nil})
	})
}

// askVerify asks the application for its verdict on a chunk.
func (e *Engine) askVerify(call uint64, chunk wire.Chunk) {
	ctx := e.beginCall(call)
	e.tasks.Go(func() {
		defer e.catch("Automaton.Verify")
		began := time.Now()
		ok, err := e.cfg.Automaton.Verify(ctx, Place{chunk.Sequencer, chunk.Height}, chunk.Payload)
		verdict := core.Refused
		switch {
		case err != nil:
			verdict = core.Failed
			if ctx.Err() == nil {
				e.log.Warn("the application reached no verdict",
					"sequencer", chunk.Sequencer, "height", chunk.Height, "error", err)
			}
		case ok:
			verdict = core.Approved
		}
		if ctx.Err() == nil {
			e.metrics.verifyDuration.Observe(time.Since(began).Seconds())
		}
		e.reply(answer{kind: core.AskVerify, call: call, verdict: verdict})
	})
}
