package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// sign executes one signature request after the other: a signer is never called twice at once. One
// goroutine runs it for acks and one for chunks, so that slow acks do not delay our lane.
func (e *Engine) sign(requests *queue[func()]) {
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-requests.wake:
		}
		for e.ctx.Err() == nil {
			request, _, ok := requests.pop()
			if !ok {
				break
			}
			request()
		}
	}
}

// signChunk requests our signature on a chunk of ours.
func (e *Engine) signChunk(call uint64, chunk wire.Chunk) {
	ctx := e.beginCall(call)
	e.chunkSigs.push(func() {
		var signature wire.Signature
		err := e.callSigner(ctx, &e.limits.chunk, "chunk", &chunk, func(ctx context.Context) (err error) {
			signature, err = e.cfg.Sequencer.SignChunk(ctx, chunk)
			return err
		})
		e.endCall(call, func(now time.Duration) {
			e.ownChunk = signature
			e.core.ChunkSigned(now, call, signature, err)
		})
	})
}

// signAck requests the signature of our ack.
func (e *Engine) signAck(call uint64, subject wire.Subject, signer verify.AckSigner) {
	ctx := e.beginCall(call)
	e.ackSigs.push(func() {
		signature, err := e.ackSignature(ctx, subject, signer)
		e.endCall(call, func(now time.Duration) { e.core.AckSigned(now, call, signature, err) })
	})
}

// callSigner calls a signer, unless the signature is no longer wanted. A signer that does not
// answer within SignTimeout has failed: the core asks again.
func (e *Engine) callSigner(ctx context.Context, limit *logLimit, what string, chunk *wire.Chunk, call func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, e.cfg.SignTimeout,
		fmt.Errorf("no signature within SignTimeout, %v", e.cfg.SignTimeout))
	defer cancel()
	err := call(limited)
	if err != nil && ctx.Err() == nil {
		if limited.Err() != nil {
			err = context.Cause(limited)
		}
		e.logLimited(limit, slog.LevelError, "signing failed", "what", what, "sequencer", chunk.Sequencer, "height", chunk.Height,
			"error", err)
	}
	return err
}

// checkOwnChunk logs that a chunk signature of ours was found invalid. The core sends nothing, and
// has the chunk signed again.
func (e *Engine) checkOwnChunk(v *verify.Verdict) {
	// A peer may send chunks in our name, but none with a signature that was never sent.
	if p := v.Statement.Proposal; p != nil && v.Err == nil && !v.ProposalValid && p.Signature == e.ownChunk &&
		p.Chunk.Sequencer == e.cfg.Identity {
		e.logLimited(&e.limits.chunk, slog.LevelError, "our chunk is not sent: the Sequencer's signature does not verify under "+
			"Identity and Namespace, so it signs for another namespace or with another key than its PublicKey",
			"height", p.Chunk.Height)
	}
}
