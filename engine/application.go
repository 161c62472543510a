package engine

import (
	"errors"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/wire"
)

// answer is what came of an effect that another goroutine carried out.
type answer struct {
	kind      core.EffectKind // AskPropose, AskVerify, SignChunk or SignAck
	chunk     wire.Chunk      // what was asked about; with AskPropose the answer's payload is filled in
	epoch     uint64
	ok        bool        // AskPropose: there is a payload
	verdict   core.Answer // AskVerify
	signature []byte
	chunkSig  wire.Signature
	err       error
}

// reply hands an answer to the loop.
func (e *Engine) reply(a answer) {
	e.answers.push(a)
	e.signal()
}

func (e *Engine) feedAnswers(now time.Duration) {
	e.taken = e.answers.swap(e.taken)
	for i := range e.taken {
		switch a := &e.taken[i]; a.kind {
		case core.AskPropose:
			e.core.Proposed(now, a.chunk.Height, a.chunk.Payload, a.ok)
		case core.AskVerify:
			e.core.Verified(now, a.chunk, a.verdict)
		case core.SignChunk:
			e.core.ChunkSigned(now, a.chunk, a.chunkSig, a.err)
		case core.SignAck:
			e.core.AckSigned(now, wire.Subject{Chunk: a.chunk, Epoch: a.epoch}, a.signature, a.err)
		}
	}
	clear(e.taken)
}

// askPropose asks the application for the payload at a height of our lane; the core asks for one at a time.
func (e *Engine) askPropose(chunk wire.Chunk) {
	e.tasks.Go(func() {
		defer e.catch("Automaton.Propose")
		payload, err := e.cfg.Automaton.Propose(e.ctx, Context{chunk.Sequencer, chunk.Height})
		if err != nil && !errors.Is(err, ErrDeclined) && e.ctx.Err() == nil {
			e.log.Warn("the application failed to propose", "height", chunk.Height, "error", err)
		}
		chunk.Payload = payload
		e.reply(answer{kind: core.AskPropose, chunk: chunk, ok: err == nil})
	})
}

// askVerify asks the application for its verdict; the core asks for one at a time in each lane.
func (e *Engine) askVerify(chunk wire.Chunk) {
	e.tasks.Go(func() {
		defer e.catch("Automaton.Verify")
		began := time.Now()
		ok, err := e.cfg.Automaton.Verify(e.ctx, Context{chunk.Sequencer, chunk.Height}, chunk.Payload)
		verdict := core.Refused
		switch {
		case err != nil:
			verdict = core.Failed
			if e.ctx.Err() == nil {
				e.log.Warn("the application reached no verdict",
					"sequencer", chunk.Sequencer, "height", chunk.Height, "error", err)
			}
		case ok:
			verdict = core.Approved
		}
		e.metrics.verifyDuration.Observe(time.Since(began).Seconds())
		e.reply(answer{kind: core.AskVerify, chunk: chunk, verdict: verdict})
	})
}
