package verify_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// nodeOf returns a valid node of a set's first identity. Its parent is certified in epoch 1.
func nodeOf(t testing.TB, set *testkit.Set, height uint64) *wire.Node {
	t.Helper()
	n := &wire.Node{Chunk: wire.Chunk{Sequencer: testkit.Identity(set.Identities[0]), Height: height, Payload: wire.Digest{1}}}
	signer := verify.NewChunkSigner(namespace, set.Identities[0])
	n.Signature = must(signer.SignChunk(t.Context(), n.Chunk))
	if n.HasParent() {
		n.Parent = wire.Parent{Payload: wire.Digest{2}, Epoch: 1}
		s := statement(t, set, n.ParentSubject(), upTo(verify.Quorum(len(set.Identities)))...)
		n.Parent.Certificate = certify(t, s)
	}
	return n
}

func onlyEpoch1(set *testkit.Set) func(uint64) (verify.Scheme, bool) {
	return func(epoch uint64) (verify.Scheme, bool) { return set.Scheme, epoch == 1 }
}

func TestAWholeNodeIsVerified(t *testing.T) {
	for _, k := range schemeCases {
		set := newSet(t, k, 4, 1)
		chunks, schemes := verify.NewChunkVerifier(namespace), onlyEpoch1(set)
		for height := range uint64(3) {
			if err := verify.VerifyNode(chunks, schemes, nodeOf(t, set, height)); err != nil {
				t.Errorf("%v, height %d: %v", k, height, err)
			}
		}
		for what, c := range map[string]struct {
			change func(n *wire.Node)
			want   error
		}{
			"another payload":         {func(n *wire.Node) { n.Chunk.Payload[0]++ }, verify.ErrProposal},
			"another height":          {func(n *wire.Node) { n.Chunk.Height++ }, verify.ErrProposal},
			"height 0":                {func(n *wire.Node) { n.Chunk.Height = 0 }, verify.ErrProposal},
			"another sequencer":       {func(n *wire.Node) { n.Chunk.Sequencer = testkit.Identity(set.Identities[1]) }, verify.ErrProposal},
			"another signature":       {func(n *wire.Node) { n.Signature[5] ^= 1 }, verify.ErrProposal},
			"a sequencer of no point": {func(n *wire.Node) { n.Chunk.Sequencer = wire.PublicKey{2} }, verify.ErrKey},
			"another parent":          {func(n *wire.Node) { n.Parent.Payload[0]++ }, verify.ErrCertificate},
			"an unknown epoch":        {func(n *wire.Node) { n.Parent.Epoch++ }, wire.ErrUnknownEpoch},
			"a certificate cut short": {func(n *wire.Node) { n.Parent.Certificate = n.Parent.Certificate[1:] }, verify.ErrCertificate},
			"a wrong certificate": {func(n *wire.Node) {
				n.Parent.Certificate = bytes.Clone(n.Parent.Certificate)
				n.Parent.Certificate[len(n.Parent.Certificate)-1] ^= 1
			}, verify.ErrCertificate},
			"no certificate": {func(n *wire.Node) { n.Parent.Certificate = nil }, verify.ErrCertificate},
		} {
			n := nodeOf(t, set, 1)
			c.change(n)
			if err := verify.VerifyNode(chunks, schemes, n); !errors.Is(err, c.want) {
				t.Errorf("%v, %s: %v", k, what, err)
			}
		}
	}
}

// This signature verifies under a key of small order, without a secret.
func TestANodeOfASequencerOfSmallOrderIsRefused(t *testing.T) {
	for _, key := range smallEdwards() {
		n := &wire.Node{Chunk: wire.Chunk{Sequencer: key}}
		copy(n.Signature[:], key[:])
		chunks := verify.NewChunkVerifier(namespace)
		if err := verify.VerifyNode(chunks, nil, n); !errors.Is(err, verify.ErrKey) {
			t.Errorf("%v: %v", key, err)
		}
	}
}

func TestAWholeLockIsVerified(t *testing.T) {
	for _, k := range schemeCases {
		set := newSet(t, k, 4, 1)
		n := nodeOf(t, set, 5)
		good := wire.Lock{Chunk: n.ParentSubject().Chunk, Epoch: 1, Certificate: n.Parent.Certificate}
		if err := verify.VerifyLock(onlyEpoch1(set), &good); err != nil {
			t.Errorf("%v: %v", k, err)
		}
		for want, change := range map[error]func(l *wire.Lock){
			verify.ErrCertificate: func(l *wire.Lock) { l.Chunk.Height++ },
			wire.ErrUnknownEpoch:  func(l *wire.Lock) { l.Epoch++ },
		} {
			l := good
			change(&l)
			if err := verify.VerifyLock(onlyEpoch1(set), &l); !errors.Is(err, want) {
				t.Errorf("%v, want %v: %v", k, want, err)
			}
		}
	}
}
