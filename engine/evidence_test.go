package engine_test

import (
	"errors"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

func propose(t testing.TB, signer verify.ChunkSigner, height uint64, payload byte) wire.Proposal {
	t.Helper()
	chunk := wire.Chunk{Sequencer: signer.PublicKey(), Height: height, Payload: wire.Digest{payload}}
	signature, err := signer.SignChunk(t.Context(), chunk)
	if err != nil {
		t.Fatal(err)
	}
	return wire.Proposal{Chunk: chunk, Signature: signature}
}

func vote(t testing.TB, s *testkit.Set, i int, chunk wire.Chunk, epoch uint64) wire.Ack {
	t.Helper()
	signature, err := s.Signers[i].SignAck(t.Context(), wire.Subject{Chunk: chunk, Epoch: epoch})
	if err != nil {
		t.Fatal(err)
	}
	return wire.Ack{Chunk: chunk, Epoch: epoch, Participant: wire.Participant(i), Signature: signature}
}

func TestEvidenceHoldsOnlyWithEverySignatureInIt(t *testing.T) {
	s := newSet(t, testkit.Multisig, 4, 1)
	threshold := newSet(t, testkit.Threshold, 4, 1)
	schemes := &world{schemes: map[uint64]verify.Scheme{0: s.Scheme, 1: s.Scheme, 5: threshold.Scheme}}
	chunks := verify.NewChunkVerifier(namespace)

	p, other := propose(t, s.ChunkSigners[0], 3, 1), propose(t, s.ChunkSigners[0], 3, 2)
	elsewhere := propose(t, s.ChunkSigners[0], 4, 2)
	forged := other
	forged.Signature[0] ^= 1
	lock, contrary := certify(t, s, p.Chunk, 0), certify(t, s, other.Chunk, 1)
	wrong := contrary
	wrong.Chunk.Payload = wire.Digest{9}
	nowhere := contrary
	nowhere.Epoch = 99
	a, b := vote(t, s, 2, p.Chunk, 1), vote(t, s, 2, other.Chunk, 1)
	someone, later, bad := vote(t, s, 1, other.Chunk, 1), vote(t, s, 2, other.Chunk, 0), b
	bad.Signature = someone.Signature
	short := b
	short.Signature = b.Signature[:47]
	shareA, shareB := vote(t, threshold, 0, p.Chunk, 5), vote(t, threshold, 0, other.Chunk, 5)
	unknownA, unknownB := a, b
	unknownA.Epoch, unknownB.Epoch = 99, 99

	// Under the neutral element, R = the neutral element and S = 0 verify on every chunk.
	anybodys := wire.Proposal{Chunk: wire.Chunk{Sequencer: wire.PublicKey{1}, Payload: wire.Digest{1}}, Signature: wire.Signature{1}}
	too := anybodys
	too.Chunk.Payload = wire.Digest{2}
	if !chunks.Verify(&anybodys) || !chunks.Verify(&too) {
		t.Fatal("these are to be valid signatures")
	}

	for _, c := range []struct {
		name string
		a    wire.Activity
		want error
	}{
		{"tip of small order", &wire.Tip{Proposal: anybodys}, verify.ErrKey},
		{"conflict of small order", &wire.Conflict{Proposal: anybodys, Other: too}, verify.ErrKey},
		{"tip", &wire.Tip{Proposal: p}, nil},
		{"forged tip", &wire.Tip{Proposal: forged}, verify.ErrProposal},
		{"lock", &wire.Certified{Lock: lock}, nil},
		{"lock for something else", &wire.Certified{Lock: wrong}, verify.ErrCertificate},
		{"lock of an unknown epoch", &wire.Certified{Lock: nowhere}, wire.ErrUnknownEpoch},
		{"conflict", &wire.Conflict{Proposal: p, Other: other}, nil},
		{"conflict with itself", &wire.Conflict{Proposal: p, Other: p}, wire.ErrNoConflict},
		{"conflict of two heights", &wire.Conflict{Proposal: p, Other: elsewhere}, wire.ErrNoConflict},
		{"conflict, second forged", &wire.Conflict{Proposal: p, Other: forged}, verify.ErrProposal},
		{"conflict, first forged", &wire.Conflict{Proposal: forged, Other: p}, verify.ErrProposal},
		{"conflict with a lock", &wire.Conflict{Proposal: p, Lock: &contrary}, nil},
		{"conflict with its own lock", &wire.Conflict{Proposal: p, Lock: &lock}, wire.ErrNoConflict},
		{"conflict with an invalid lock", &wire.Conflict{Proposal: p, Lock: &wrong}, verify.ErrCertificate},
		{"forged conflict with a lock", &wire.Conflict{Proposal: forged, Lock: &lock}, verify.ErrProposal},
		{"lock conflict", &wire.LockConflict{First: lock, Second: contrary}, nil},
		{"lock conflict with itself", &wire.LockConflict{First: lock, Second: lock}, wire.ErrNoConflict},
		{"lock conflict, second invalid", &wire.LockConflict{First: lock, Second: wrong}, verify.ErrCertificate},
		{"lock conflict, second unknown", &wire.LockConflict{First: lock, Second: nowhere}, wire.ErrUnknownEpoch},
		{"conflicting acks", &wire.ConflictingAcks{First: a, Second: b}, nil},
		{"acks of two validators", &wire.ConflictingAcks{First: a, Second: someone}, wire.ErrNoConflict},
		{"acks of two epochs", &wire.ConflictingAcks{First: a, Second: later}, wire.ErrNoConflict},
		{"the same ack twice", &wire.ConflictingAcks{First: a, Second: a}, wire.ErrNoConflict},
		{"acks, second invalid", &wire.ConflictingAcks{First: a, Second: bad}, verify.ErrVote},
		{"acks, second cut short", &wire.ConflictingAcks{First: a, Second: short}, wire.ErrSignatureSize},
		{"acks of an unknown epoch", &wire.ConflictingAcks{First: unknownA, Second: unknownB}, wire.ErrUnknownEpoch},
		{"acks that anyone could make", &wire.ConflictingAcks{First: shareA, Second: shareB}, engine.ErrNotEvidence},
		{"invalid ack", &wire.InvalidAck{}, engine.ErrNotEvidence},
		{"invalid node", &wire.InvalidNode{}, engine.ErrNotEvidence},
		{"inconsistent keys", &wire.InconsistentKeys{}, engine.ErrNotEvidence},
		{"nothing", nil, engine.ErrNotEvidence},
	} {
		if err := engine.VerifyEvidence(c.a, chunks, schemes); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestAnEngineReportsEvidenceThatVerifies(t *testing.T) {
	m, s, w := quiet(t)
	m.start()
	liar := s.ChunkSigners[1]
	p, err := m.engine.Peer(liar.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range []byte{1, 2} {
		proposal := propose(t, liar, 0, payload)
		node := wire.Node{Chunk: proposal.Chunk, Signature: proposal.Signature}
		if err := p.DeliverNodeBytes(node.AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is read", func() bool { return status(t, m.engine).Counters.NodesAccepted >= uint64(payload) })
	}
	eventually(t, "the conflict is reported", func() bool { return len(m.recorder.Faults()) == 1 })
	found := m.recorder.Faults()[0]
	if found.Tag() != wire.TagConflict {
		t.Fatalf("reported a %v", found.Tag())
	}
	decoded, err := wire.DecodeActivity(found.AppendTo(nil), wire.SameFormat(s.Scheme.Format()))
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.VerifyEvidence(decoded, verify.NewChunkVerifier(namespace), w); err != nil {
		t.Errorf("another process does not believe it: %v", err)
	}
}
