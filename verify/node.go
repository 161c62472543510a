package verify

import (
	"fmt"

	"github.com/lanecast/lanecast/wire"
)

// VerifyNode verifies a whole node by itself, for programs without an engine: its sequencer's
// signature on the chunk and, above height 0, the certificate of its parent. schemes returns the
// scheme of an epoch, as the engine's providers do. A valid node proves that a quorum of the
// parent's epoch certified the chunk below, and thereby all chunks below that.
//
// VerifyNode does not know which sequencers may propose: the caller checks that the sequencer is
// one of the epoch. VerifyNode refuses sequencers whose key is no point or of small order, since
// anybody could sign for the latter.
//
// The error wraps [ErrKey], [ErrProposal], [ErrCertificate], or wire.ErrUnknownEpoch if schemes
// does not know the parent's epoch.
func VerifyNode(chunks *ChunkVerifier, schemes func(epoch uint64) (Scheme, bool), n *wire.Node) error {
	if err := CheckIdentity(n.Chunk.Sequencer); err != nil {
		return err
	}
	if p := n.Proposal(); !chunks.Verify(&p) {
		return fmt.Errorf("verify: the chunk of %v at height %d: %w", n.Chunk.Sequencer, n.Chunk.Height, ErrProposal)
	}
	if !n.HasParent() {
		return nil
	}
	return VerifyLock(schemes, &wire.Lock{Chunk: n.ParentSubject().Chunk, Epoch: n.Parent.Epoch, Certificate: n.Parent.Certificate})
}

// VerifyLock verifies by itself that a lock's certificate is valid for its chunk and epoch. schemes
// and the errors are as in [VerifyNode].
func VerifyLock(schemes func(epoch uint64) (Scheme, bool), l *wire.Lock) error {
	scheme, ok := schemes(l.Epoch)
	if !ok || scheme == nil {
		return fmt.Errorf("verify: %w: %d, of the certificate of %v at height %d", wire.ErrUnknownEpoch, l.Epoch, l.Chunk.Sequencer, l.Chunk.Height)
	}
	return VerifyCertificate(scheme, l.Subject(), l.Certificate)
}
