package engine

import (
	"fmt"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// VerifyEvidence verifies an activity that any engine reported, with nothing but the network's keys
// (docs/protocol.md 4.6):
//
//   - a Conflict, LockConflict or ConflictingAcks holds if its halves name one place and different
//     payloads, and every signature in them verifies alone. ConflictingAcks is evidence only where
//     the scheme is attributable;
//   - a Tip holds if its sequencer signed it, a Certified if its certificate is valid;
//   - InvalidAck, InvalidNode, InvalidCertificate and InconsistentKeys prove nothing:
//     ErrNotEvidence.
//
// A Fork, which only replicas report, is for replica.VerifyEvidence: ErrNotEvidence here.
//
// The error wraps verify.ErrKey if the sequencer's key is of small order, and so is no sequencer's
// (docs/protocol.md 3.1); verify.ErrProposal, verify.ErrCertificate or verify.ErrVote for the part
// that does not verify; wire.ErrNoConflict; wire.ErrUnknownEpoch for an epoch that schemes does not
// know; or ErrNotEvidence. VerifyEvidence does not check that a sequencer was one in any epoch.
// Decode an activity from outside with wire.DecodeActivity first.
func VerifyEvidence(a wire.Activity, chunks *verify.ChunkVerifier, schemes SchemeLookup) error {
	v := evidenceVerifier{chunks, schemes}
	switch a := a.(type) {
	case *wire.Tip:
		return v.proposal(&a.Proposal)
	case *wire.Certified:
		return v.lock(&a.Lock)
	case *wire.Conflict:
		if a.Lock != nil {
			return first(conflicting(&a.Proposal.Chunk, &a.Lock.Chunk), func() error { return v.proposal(&a.Proposal) },
				func() error { return v.lock(a.Lock) })
		}
		return first(conflicting(&a.Proposal.Chunk, &a.Other.Chunk), func() error { return v.proposal(&a.Proposal) },
			func() error { return v.proposal(&a.Other) })
	case *wire.LockConflict:
		return first(conflicting(&a.First.Chunk, &a.Second.Chunk), func() error { return v.lock(&a.First) },
			func() error { return v.lock(&a.Second) })
	case *wire.ConflictingAcks:
		return v.acks(a)
	case nil:
		return fmt.Errorf("%w: no activity", ErrNotEvidence)
	default:
		return fmt.Errorf("%w: %v", ErrNotEvidence, a.Tag())
	}
}

type evidenceVerifier struct {
	chunks  *verify.ChunkVerifier
	schemes SchemeLookup
}

func (v evidenceVerifier) proposal(p *wire.Proposal) error {
	if err := verify.CheckIdentity(p.Chunk.Sequencer); err != nil { // in its name anybody can sign
		return fmt.Errorf("engine: height %d: %w", p.Chunk.Height, err)
	}
	if !v.chunks.Verify(p) {
		return fmt.Errorf("engine: height %d: %w", p.Chunk.Height, verify.ErrProposal)
	}
	return nil
}

func (v evidenceVerifier) lock(l *wire.Lock) error {
	scheme, ok := v.schemes.Scheme(l.Epoch)
	if !ok {
		return unknownEpoch(l.Epoch)
	}
	return verify.VerifyCertificate(scheme, l.Subject(), l.Certificate)
}

func (v evidenceVerifier) acks(a *wire.ConflictingAcks) error {
	if a.First.Epoch != a.Second.Epoch || a.First.Participant != a.Second.Participant {
		return fmt.Errorf("engine: acks of different validators or epochs: %w", wire.ErrNoConflict)
	}
	scheme, ok := v.schemes.Scheme(a.First.Epoch)
	if !ok {
		return unknownEpoch(a.First.Epoch)
	}
	if !scheme.Attributable() {
		return fmt.Errorf("%w: the scheme's votes prove nothing to others", ErrNotEvidence)
	}
	return first(conflicting(&a.First.Chunk, &a.Second.Chunk),
		func() error { return verify.VerifyAck(scheme, &a.First) },
		func() error { return verify.VerifyAck(scheme, &a.Second) })
}

// conflicting checks that two chunks are different payloads for one height of one lane.
func conflicting(a, b *wire.Chunk) error {
	if a.Sequencer != b.Sequencer || a.Height != b.Height || a.Payload == b.Payload {
		return fmt.Errorf("engine: %w", wire.ErrNoConflict)
	}
	return nil
}

// first returns err, or the first error that the checks return.
func first(err error, checks ...func() error) error {
	for _, check := range checks {
		if err != nil {
			return err
		}
		err = check()
	}
	return err
}
