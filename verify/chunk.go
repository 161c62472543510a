package verify

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"

	zip215 "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"

	"github.com/lanecast/lanecast/wire"
)

// sequencersRemembered bounds the cache of sequencers' keys. They are in the form that verifies
// fastest, and take 1.5 kB each.
const sequencersRemembered = 1024

// ChunkVerifier verifies sequencers' signatures on chunks, under the rules of ZIP-215. It is safe
// for use by many goroutines and remembers recently used keys.
type ChunkVerifier struct {
	prefix []byte
	keys   *cache[wire.PublicKey, *zip215.ExpandedPublicKey] // nil for a key that is no point
}

// NewChunkVerifier returns the verifier of a network.
func NewChunkVerifier(namespace []byte) *ChunkVerifier {
	return &ChunkVerifier{
		prefix: prefix(namespace, chunkSuffix),
		keys:   newCache[wire.PublicKey, *zip215.ExpandedPublicKey](sequencersRemembered),
	}
}

func (v *ChunkVerifier) key(id wire.PublicKey) *zip215.ExpandedPublicKey {
	return v.keys.get(id, func() *zip215.ExpandedPublicKey {
		k, err := zip215.NewExpandedPublicKey(id[:])
		if err != nil {
			return nil // no point of the curve: no signature verifies
		}
		return k
	})
}

// Verify reports whether p's sequencer signed p's chunk.
func (v *ChunkVerifier) Verify(p *wire.Proposal) bool {
	k := v.key(p.Chunk.Sequencer)
	return k != nil && zip215.VerifyExpandedWithOptions(k, chunkMessage(v.prefix, &p.Chunk), p.Signature[:], zip215Rules)
}

// VerifyBatch sets every valid[i] to the result of Verify for ps[i]. It verifies them in a batch
// first, and one by one if that fails, so it costs about half as much if all are valid. It panics
// if the slices differ in length.
func (v *ChunkVerifier) VerifyBatch(ps []*wire.Proposal, valid []bool) {
	if len(ps) != len(valid) {
		panic("verify: the numbers of proposals and verdicts differ")
	}
	batch := zip215.NewBatchVerifierWithCapacity(len(ps))
	at := make([]int, 0, len(ps))
	for i, p := range ps {
		k := v.key(p.Chunk.Sequencer)
		valid[i] = false
		if k == nil {
			continue
		}
		batch.AddExpandedWithOptions(k, chunkMessage(v.prefix, &p.Chunk), p.Signature[:], zip215Rules)
		at = append(at, i)
	}
	if len(at) == 0 {
		return
	}
	_, each := batch.Verify(rand.Reader)
	for k, i := range at {
		valid[i] = each[k]
	}
}

// chunkSigner signs chunks with an identity key.
type chunkSigner struct {
	prefix []byte
	id     wire.PublicKey
	sign   func(message []byte) []byte // a function, because fmt would print the key
}

// NewChunkSigner returns the signer of the sequencer whose identity key is key. It panics if key is
// not ed25519.PrivateKeySize bytes.
func NewChunkSigner(namespace []byte, key ed25519.PrivateKey) ChunkSigner {
	id := wire.PublicKey(key.Public().(ed25519.PublicKey))
	return &chunkSigner{prefix(namespace, chunkSuffix), id, signWith(key)}
}

// PublicKey implements [ChunkSigner].
func (s *chunkSigner) PublicKey() wire.PublicKey { return s.id }

// SignChunk implements [ChunkSigner]. For another sequencer's chunk it returns [ErrProposal].
func (s *chunkSigner) SignChunk(ctx context.Context, chunk wire.Chunk) (wire.Signature, error) {
	if err := ctx.Err(); err != nil {
		return wire.Signature{}, fmt.Errorf("verify: signing a chunk: %w", err)
	}
	if chunk.Sequencer != s.id {
		return wire.Signature{}, fmt.Errorf("verify: signing a chunk of %v with the key of %v: %w", chunk.Sequencer, s.id, ErrProposal)
	}
	return wire.Signature(s.sign(chunkMessage(s.prefix, &chunk))), nil
}
