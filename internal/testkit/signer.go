package testkit

import (
	"context"

	"github.com/lanecast/lanecast/wire"
)

// AckSignerFunc is a function that implements verify.AckSigner. Tests wrap a Set's signer in one to
// delay signatures or to make them fail:
//
//	slow := testkit.AckSignerFunc(func(ctx context.Context, s wire.Subject) ([]byte, error) {
//		time.Sleep(time.Second)
//		return set.Signers[0].SignAck(ctx, s)
//	})
type AckSignerFunc func(ctx context.Context, s wire.Subject) ([]byte, error)

// SignAck implements verify.AckSigner.
func (f AckSignerFunc) SignAck(ctx context.Context, s wire.Subject) ([]byte, error) { return f(ctx, s) }
