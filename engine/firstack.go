package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// If an AckSigner signs with another key than the set has for us, or for another namespace, peers
// report us as faulty. So our first ack of each epoch is verified before it is sent, like every
// chunk of ours: docs/protocol.md 4.5.

const (
	// firstAckPause and mostAckPause bound the time after an ack of ours that did not verify until
	// the next one of the epoch is signed. The pause doubles each time.
	firstAckPause = time.Second
	mostAckPause  = 32 * time.Second
	// mostCompared bounds the number of keys under which an ack is tried, to find the key that
	// signed it.
	mostCompared = 1024
)

// errNotProven stands for a signature that was not requested, since the last one did not verify.
var errNotProven = errors.New("engine: our acks of this epoch do not verify")

// firstAck holds whether an ack of ours has verified in the epoch of the latest request.
type firstAck struct {
	epoch  uint64
	proven bool
	retry  time.Time     // the next ack is not signed before
	pause  time.Duration // that led to retry
}

// ackSignature has our ack signed, and the first one of an epoch verified.
func (e *Engine) ackSignature(ctx context.Context, subject wire.Subject, signer verify.AckSigner) ([]byte, error) {
	f := &e.firstAck
	if f.epoch != subject.Epoch {
		*f = firstAck{epoch: subject.Epoch}
	}
	if !f.proven && time.Now().Before(f.retry) {
		return nil, errNotProven
	}
	var signature []byte
	err := e.callSigner(ctx, &e.limits.ack, "ack", &subject.Chunk, func(ctx context.Context) (err error) {
		signature, err = signer.SignAck(ctx, subject)
		return err
	})
	if err != nil || f.proven {
		return signature, err
	}
	// Not with ctx: where a lane grows faster than signatures are verified, no first ack would be
	// verified.
	if err := e.proveAck(e.ctx, subject, signature); err != nil {
		if e.ctx.Err() == nil {
			f.pause = min(max(firstAckPause, 2*f.pause), mostAckPause)
			f.retry = time.Now().Add(f.pause)
			e.logLimited(&e.limits.ack, slog.LevelError, "our ack is not sent", "epoch", subject.Epoch, "error", err,
				"next attempt in", f.pause)
		}
		return nil, err
	}
	f.proven = true
	e.log.Info("our first ack of the epoch verifies", "epoch", subject.Epoch)
	return signature, ctx.Err()
}

// proveAck verifies an ack of ours, on the workers. The error names the fault of the signer.
func (e *Engine) proveAck(ctx context.Context, subject wire.Subject, signature []byte) error {
	scheme, ok := e.sets.Scheme(subject.Epoch)
	if !ok {
		return unknownEpoch(subject.Epoch)
	}
	me, ok := scheme.Index(e.cfg.Identity)
	if !ok {
		return errors.New("engine: we are no validator of the epoch")
	}
	if want := scheme.Format().AckSignature; len(signature) != want {
		return fmt.Errorf("engine: the AckSigner's signature has %d bytes, and the scheme's acks have %d: "+
			"it signs for another scheme, or with another encoding", len(signature), want)
	}
	valid, err := e.validFor(ctx, scheme, subject, signature, []wire.Participant{me})
	if err != nil || len(valid) > 0 {
		return err
	}
	wrong := fmt.Errorf("the AckSigner's signature does not verify under the key that the set has for us, participant %d", me)
	n := scheme.Format().Participants
	if n > mostCompared {
		return fmt.Errorf("engine: %w: it signs with another key, or for another namespace than the scheme's", wrong)
	}
	others := make([]wire.Participant, n)
	for i := range others {
		others[i] = wire.Participant(i)
	}
	switch valid, err = e.validFor(ctx, scheme, subject, signature, others); {
	case err != nil:
		return err
	case len(valid) > 0:
		return fmt.Errorf("engine: %w, but under that of participant %d, %v: the keys of two validators are mixed up",
			wrong, valid[0], scheme.Participants()[valid[0]])
	}
	return fmt.Errorf("engine: %w, nor under that of another validator: its key is none of the set's, "+
		"or it signs for another namespace than the scheme's", wrong)
}

// validFor returns the participants among all under whose keys the signature verifies.
func (e *Engine) validFor(ctx context.Context, scheme verify.Scheme, subject wire.Subject, signature []byte, all []wire.Participant) ([]wire.Participant, error) {
	f := scheme.Format()
	st := &verify.Statement{
		Scheme: scheme, Subject: subject, EachVote: true, Unattributed: true, Unbatched: true,
		Signers: wire.NewSigners(f.Participants), Slab: make([]byte, f.Participants*f.AckSignature),
	}
	for _, i := range all {
		st.Signers.Add(i)
		copy(st.Vote(i), signature)
	}
	verdicts, err := e.verifier.Verify(ctx, []*verify.Statement{st})
	if err != nil {
		return nil, err
	}
	if err := verdicts[0].Err; err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(i wire.Participant) bool { return slices.Contains(verdicts[0].Invalid, i) }), nil
}
