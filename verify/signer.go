package verify

import (
	"bytes"
	"context"
	"fmt"

	"github.com/lanecast/lanecast/wire"
)

// blsSigner signs acks with a key of the set.
type blsSigner struct {
	scheme *blsScheme
	key    *SecretKey
}

// Signer returns the signer of the validator whose key is k, or for [Threshold] whose share is k.
// The error wraps [ErrNotValidator] if k is not in the set, and [ErrVariableTime] if this build's
// signing is not constant-time and the config does not allow that.
func (e *blsScheme) Signer(k *SecretKey) (AckSigner, error) {
	if !e.curve.ConstantTime() && !e.config.AllowVariableTimeSigning {
		return nil, fmt.Errorf("verify: %w", ErrVariableTime)
	}
	if k == nil || k.variant != e.variant {
		return nil, fmt.Errorf("verify: %v: %w, which is %v", k, ErrNotValidator, e.variant)
	}
	var encoded []byte
	for i := range e.len() {
		if encoded = e.curve.Append(encoded[:0], e.keys, i, false); bytes.Equal(encoded, k.public) {
			return &blsSigner{e, k}, nil
		}
	}
	return nil, fmt.Errorf("verify: %v: %w", k, ErrNotValidator)
}

// SignAck implements [AckSigner]. It shares the remembered hash of the subject with verification.
func (s *blsSigner) SignAck(ctx context.Context, subject wire.Subject) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("verify: signing an ack: %w", err)
	}
	b := s.scheme
	signature := b.curve.Sign(s.key.secret(), b.hash(subject))
	return b.curve.Append(make([]byte, 0, b.format.AckSignature), signature, 0, b.config.AckEncoding == Uncompressed), nil
}
