package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/lanecast/lanecast/wire"
)

var (
	// ErrNotValidator: a secret key whose public key is none of the validator set's.
	ErrNotValidator = errors.New("the key is not in the validator set")
	// ErrVariableTime: signing was not allowed to take a time that depends on the key, and this build cannot sign
	// otherwise.
	ErrVariableTime = errors.New("signing is not constant-time in this build; build with cgo, or set AllowVariableTimeSigning")
)

// blsSigner signs acks with a key of the set.
type blsSigner struct {
	scheme *blsScheme
	key    *SecretKey
}

// Signer returns the signer of the validator whose key is k; of the share, for [Threshold]. The error wraps
// [ErrNotValidator] if k is not in the set, and [ErrVariableTime] if this build's signing is not constant-time and the
// options do not allow that.
func (b *blsScheme) Signer(k *SecretKey) (AckSigner, error) {
	if !b.curve.ConstantTime() && !b.options.AllowVariableTimeSigning {
		return nil, fmt.Errorf("verify: %w", ErrVariableTime)
	}
	if k == nil || k.variant != b.variant {
		return nil, fmt.Errorf("verify: %v: %w, which is %v", k, ErrNotValidator, b.variant)
	}
	var encoded []byte
	for i := range b.len() {
		if encoded = b.curve.Append(encoded[:0], b.keys, i, false); bytes.Equal(encoded, k.public) {
			return &blsSigner{b, k}, nil
		}
	}
	return nil, fmt.Errorf("verify: %v: %w", k, ErrNotValidator)
}

// SignAck implements [AckSigner]. The hash of the subject is the one that verification remembers.
func (s *blsSigner) SignAck(ctx context.Context, subject wire.Subject) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("verify: signing an ack: %w", err)
	}
	b := s.scheme
	signature := b.curve.Sign(s.key.secret(), b.hash(subject))
	return b.curve.Append(make([]byte, 0, b.format.AckSignature), signature, 0, b.options.AckEncoding == Uncompressed), nil
}
