package verify_test

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

func proposal(t testing.TB, k ed25519.PrivateKey, height uint64) *wire.Proposal {
	t.Helper()
	signer := verify.NewChunkSigner(namespace, k)
	c := wire.Chunk{Sequencer: signer.PublicKey(), Height: height, Payload: wire.Digest{byte(height)}}
	s, err := signer.SignChunk(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return &wire.Proposal{Chunk: c, Signature: s}
}

func TestAChunkSignatureIsOverItsNamespaceAndChunk(t *testing.T) {
	k := testkit.Identities(1, 1)[0]
	p := proposal(t, k, 300)
	m := append([]byte{byte(len(namespace) + 6)}, namespace...)
	m = append(m, "_CHUNK"...)
	m = append(m, p.Chunk.Sequencer[:]...)
	m = append(m, 0xac, 0x02) // 300
	m = append(m, p.Chunk.Payload[:]...)
	if !ed25519.Verify(k.Public().(ed25519.PublicKey), m, p.Signature[:]) {
		t.Error("the standard library refuses it")
	}
	v := verify.NewChunkVerifier(namespace)
	if !v.Verify(p) {
		t.Error("refused")
	}
	if verify.NewChunkVerifier([]byte("other")).Verify(p) {
		t.Error("accepted in another namespace")
	}
	for what, change := range map[string]func(*wire.Proposal){
		"height":    func(p *wire.Proposal) { p.Chunk.Height++ },
		"payload":   func(p *wire.Proposal) { p.Chunk.Payload[1]++ },
		"sequencer": func(p *wire.Proposal) { p.Chunk.Sequencer = testkit.Identity(testkit.Identities(1, 2)[0]) },
		"no point":  func(p *wire.Proposal) { p.Chunk.Sequencer = wire.PublicKey{2} },
		"signature": func(p *wire.Proposal) { p.Signature[3]++ },
	} {
		q := *p
		change(&q)
		if v.Verify(&q) {
			t.Errorf("accepted with another %s", what)
		}
	}
}

func TestABatchOfChunksReportsEachValidOne(t *testing.T) {
	v := verify.NewChunkVerifier(namespace)
	for _, bad := range [][]int{{}, {0}, {4}, {1, 2, 3}, {0, 1, 2, 3, 4}} {
		ps := make([]*wire.Proposal, 5)
		want := make([]bool, 5)
		for i, k := range testkit.Identities(5, 1) {
			ps[i] = proposal(t, k, uint64(i))
			want[i] = !slices.Contains(bad, i)
			if !want[i] && i%2 == 0 {
				ps[i].Chunk.Height++
			} else if !want[i] {
				ps[i].Chunk.Sequencer = wire.PublicKey{2}
			}
		}
		got := []bool{true, false, true, false, true}
		if v.VerifyBatch(ps, got); !slices.Equal(got, want) {
			t.Errorf("bad %v: %v", bad, got)
		}
	}
	v.VerifyBatch(nil, nil)
	one := []bool{true}
	if v.VerifyBatch([]*wire.Proposal{{Chunk: wire.Chunk{Sequencer: wire.PublicKey{2}}}}, one); one[0] {
		t.Error("a sequencer that is no point is accepted")
	}
}

// Under ZIP-215 a key and R of small order verify with s = 0 whatever the message, in non-canonical
// encodings too; the standard library's rules refuse the latter.
func TestChunksVerifyUnderTheRulesOfZIP215(t *testing.T) {
	v := verify.NewChunkVerifier(namespace)
	for _, encoding := range []string{
		"0100000000000000000000000000000000000000000000000000000000000000", // the identity
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // the same, y = p + 1
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // of order 2
		"0000000000000000000000000000000000000000000000000000000000000080", // of order 4
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // of order 8
	} {
		small, err := hex.DecodeString(encoding)
		if err != nil {
			t.Fatal(err)
		}
		p := &wire.Proposal{Chunk: wire.Chunk{Sequencer: wire.PublicKey(small), Height: 1}}
		copy(p.Signature[:], small)
		valid := []bool{false, false}
		v.VerifyBatch([]*wire.Proposal{p, p}, valid)
		if !v.Verify(p) || !valid[0] || !valid[1] {
			t.Errorf("%s: alone %v, in a batch %v", encoding, v.Verify(p), valid)
		}
		copy(p.Signature[32:], "\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10")
		if v.Verify(p) {
			t.Errorf("%s: s = l is accepted", encoding)
		}
	}
}

func TestAChunkSignerSignsItsOwnChunksOnly(t *testing.T) {
	keys := testkit.Identities(2, 1)
	signer := verify.NewChunkSigner(namespace, keys[0])
	if _, err := signer.SignChunk(context.Background(), wire.Chunk{Sequencer: testkit.Identity(keys[1])}); !errors.Is(err, verify.ErrProposal) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := signer.SignChunk(ctx, wire.Chunk{Sequencer: signer.PublicKey()}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
