package engine_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

type slowSigner struct {
	verify.AckSigner
	wait func(context.Context)
}

func (s slowSigner) SignAck(ctx context.Context, subject wire.Subject) ([]byte, error) {
	s.wait(ctx)
	return s.AckSigner.SignAck(ctx, subject)
}

type slowChunks struct {
	verify.ChunkSigner
	wait func(context.Context)
}

func (s slowChunks) SignChunk(ctx context.Context, chunk wire.Chunk) (wire.Signature, error) {
	s.wait(ctx)
	return s.ChunkSigner.SignChunk(ctx, chunk)
}

type flakySigner struct {
	verify.AckSigner
	calls *atomic.Int32
}

func (f flakySigner) SignAck(ctx context.Context, subject wire.Subject) ([]byte, error) {
	if f.calls.Add(1) == 1 {
		return nil, errors.New("the HSM is busy")
	}
	return f.AckSigner.SignAck(ctx, subject)
}

type flakyChunks struct {
	verify.ChunkSigner
	calls *atomic.Int32
}

func (f flakyChunks) SignChunk(ctx context.Context, chunk wire.Chunk) (wire.Signature, error) {
	if f.calls.Add(1) == 1 {
		return wire.Signature{}, errors.New("the HSM is busy")
	}
	return f.ChunkSigner.SignChunk(ctx, chunk)
}

type hangingSigner struct{}

func (hangingSigner) SignAck(ctx context.Context, _ wire.Subject) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// guardedSigner is a signer with protection against double signing: it records a signature before
// it returns it. Its first answers are lost.
type guardedSigner struct {
	verify.ChunkSigner
	mu      sync.Mutex
	signed  map[uint64]wire.Digest
	lose    int
	refused int
}

var errDoubleSigning = errors.New("refused: another chunk of this height was signed")

func (g *guardedSigner) SignChunk(ctx context.Context, c wire.Chunk) (wire.Signature, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if before, ok := g.signed[c.Height]; ok && before != c.Payload {
		g.refused++
		return wire.Signature{}, errDoubleSigning
	}
	g.signed[c.Height] = c.Payload
	s, err := g.ChunkSigner.SignChunk(ctx, c)
	if g.lose > 0 {
		g.lose--
		return wire.Signature{}, context.DeadlineExceeded
	}
	return s, err
}

// nobody is a sequencer without a key.
type nobody struct{ verify.ChunkSigner }

func (nobody) PublicKey() wire.PublicKey { return wire.PublicKey{} }
