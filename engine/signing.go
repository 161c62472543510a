package engine

import (
	"context"
	"fmt"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// signRequest asks for the signature on a chunk of ours or, with a signer, for our ack.
type signRequest struct {
	ctx    context.Context // ends when the signature is no longer wanted
	call   uint64
	chunk  wire.Chunk
	epoch  uint64
	signer verify.AckSigner
}

// sign works off a queue of requests, one at a time: a signer is never called twice at once. One goroutine runs it for
// acks and one for chunks, so that slow acks do not hold up our lane.
func (e *Engine) sign(in string, requests *queue[signRequest]) {
	defer e.catch(in)
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-requests.wake:
		}
		for e.ctx.Err() == nil {
			r, _, ok := requests.pop()
			if !ok {
				break
			}
			e.reply(e.signOne(r))
		}
	}
}

// signOne calls the signer, unless the signature is no longer wanted. A signer that does not answer within SignTimeout
// has failed: the core asks again.
func (e *Engine) signOne(r signRequest) answer {
	a := answer{kind: core.SignChunk, call: r.call}
	if r.signer != nil {
		a.kind = core.SignAck
	}
	if a.err = r.ctx.Err(); a.err != nil {
		return a
	}
	ctx, cancel := context.WithTimeoutCause(r.ctx, e.cfg.SignTimeout, fmt.Errorf("no signature within SignTimeout, %v", e.cfg.SignTimeout))
	defer cancel()
	if r.signer == nil {
		a.chunkSig, a.err = e.cfg.Sequencer.SignChunk(ctx, r.chunk)
	} else {
		a.signature, a.err = r.signer.SignAck(ctx, wire.Subject{Chunk: r.chunk, Epoch: r.epoch})
	}
	if a.err != nil && r.ctx.Err() == nil {
		if ctx.Err() != nil {
			a.err = context.Cause(ctx)
		}
		e.log.Error("signing failed", "what", a.kind, "sequencer", r.chunk.Sequencer, "height", r.chunk.Height, "error", a.err)
	}
	return a
}
