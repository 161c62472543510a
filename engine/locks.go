package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// VerifyLocks verifies the certificates of locks together, on the engine's workers and with the
// caches of its schemes, for example to catch up. The answers are in the order of locks: nil for a
// valid one, else an error that wraps verify.ErrCertificate, or wire.ErrUnknownEpoch when the
// epoch's validators are not known, or verify.ErrInconsistentKeys. VerifyLocks does not check that
// the sequencer was one in the epoch. Certificates are copied.
//
// If the second result is an error, ctx's or ErrStopped, there are no answers. VerifyLocks may be
// called from any goroutine, and waits for Run to begin.
func (e *Engine) VerifyLocks(ctx context.Context, locks []wire.Lock) ([]error, error) {
	select {
	case <-e.started:
	case <-e.silent:
		return nil, ErrStopped
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	answers := make([]error, len(locks))
	statements := make([]*verify.Statement, 0, len(locks))
	places := make([]int, 0, len(locks))
	for i := range locks {
		l := &locks[i]
		scheme, ok := e.sets.Scheme(l.Epoch)
		switch {
		case !ok:
			answers[i] = unknownEpoch(l.Epoch)
		case len(l.Certificate) == 0: // nil would mean a statement of votes
			answers[i] = fmt.Errorf("%w: it is empty", verify.ErrCertificate)
		default:
			statements = append(statements, &verify.Statement{
				Scheme: scheme, Subject: l.Subject(), Certificate: slices.Clone(l.Certificate),
			})
			places = append(places, i)
		}
	}
	if len(statements) == 0 {
		return answers, nil
	}
	verdicts, err := e.verifier.Verify(ctx, statements)
	if err != nil {
		return nil, e.noAnswers(ctx, err)
	}
	for k := range verdicts {
		v := &verdicts[k]
		switch {
		case v.Err != nil && (errors.Is(v.Err, context.Canceled) || errors.Is(v.Err, ErrPool)):
			return nil, e.noAnswers(ctx, v.Err)
		case v.Err != nil:
			answers[places[k]] = v.Err
		case !v.CertificateValid:
			answers[places[k]] = verify.ErrCertificate
		}
	}
	return answers, nil
}

// noAnswers returns the reason: the caller's context or the engine has ended.
func (e *Engine) noAnswers(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.Canceled):
		return ErrStopped
	}
	return fmt.Errorf("engine: verifying locks: %w", err)
}

func unknownEpoch(epoch uint64) error {
	return fmt.Errorf("engine: epoch %d: %w", epoch, wire.ErrUnknownEpoch)
}
