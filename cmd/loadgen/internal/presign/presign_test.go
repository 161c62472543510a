package presign

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// forEachScheme runs a test on sets of every kind, variant and encoding.
func forEachScheme(t *testing.T, test func(t *testing.T, s *Set)) {
	for _, o := range []Config{
		{Kind: testkit.Multisig, Variant: verify.MinSig},
		{Kind: testkit.Multisig, Variant: verify.MinPk, Acks: verify.Uncompressed},
		{Kind: testkit.Multisig, Variant: verify.MinSig, Acks: verify.Uncompressed},
		{Kind: testkit.Threshold, Variant: verify.MinSig},
		{Kind: testkit.Threshold, Variant: verify.MinPk},
		{Kind: testkit.Ed25519},
	} {
		o.Validators, o.Namespace, o.Seed = 7, []byte("presign-test"), 3
		t.Run(fmt.Sprintf("%s/%v/%v", o.Kind, o.Variant, o.Acks), func(t *testing.T) {
			s, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			test(t, s)
		})
	}
}

func sign(t *testing.T, s *Set, heights int) *Lane {
	t.Helper()
	l, err := s.Sign(t.Context(), Plan{Key: s.Identity(2), Heights: heights, Payload: func(h uint64) (d wire.Digest) {
		binary.BigEndian.PutUint64(d[:], h+1)
		return d
	}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestEveryPresignedAckVerifiesButTheWrongOne(t *testing.T) {
	forEachScheme(t, func(t *testing.T, s *Set) {
		l := sign(t, s, 2)
		scheme, err := s.Scheme()
		if err != nil {
			t.Fatal(err)
		}
		for i := range wire.Participant(7) {
			var a wire.Ack
			if err := a.Decode(l.AppendAck(nil, 1, i, int(i))); err != nil {
				t.Fatal(err)
			}
			if err := verify.VerifyAck(scheme, &a); err != nil {
				t.Errorf("participant %d: %v", i, err)
			}
			if err := a.Decode(l.AppendAck(nil, 1, i, 7)); err != nil {
				t.Fatal(err)
			}
			if verify.VerifyAck(scheme, &a) == nil {
				t.Errorf("the wrong ack verifies for participant %d", i)
			}
		}
	})
}

func TestAPresignedAckIsWhatTheValidatorsSignerSigns(t *testing.T) {
	forEachScheme(t, func(t *testing.T, s *Set) {
		l := sign(t, s, 1)
		scheme, err := s.Scheme()
		if err != nil {
			t.Fatal(err)
		}
		signer, err := s.Signer(scheme, 4)
		if err != nil {
			t.Fatal(err)
		}
		vote, err := signer.SignAck(t.Context(), l.Subject(0))
		if err != nil {
			t.Fatal(err)
		}
		if size := len(vote); !bytes.Equal(vote, l.Votes(0)[4*size:5*size]) {
			t.Error("the votes differ")
		}
	})
}

func TestNodesCarryValidSignaturesAndParentCertificates(t *testing.T) {
	forEachScheme(t, func(t *testing.T, s *Set) {
		l := sign(t, s, 3)
		scheme, err := s.Scheme()
		if err != nil {
			t.Fatal(err)
		}
		chunks := verify.NewChunkVerifier([]byte("presign-test"))
		for h := range uint64(3) {
			var n wire.Node
			if err := n.Decode(l.Node(h), wire.SameFormat(s.Format())); err != nil {
				t.Fatal(err)
			}
			if p := n.Proposal(); n.Chunk != l.Subject(h).Chunk || !chunks.Verify(&p) {
				t.Errorf("height %d: chunk %+v", h, n.Chunk)
			}
			if h == 0 {
				continue
			}
			if err := verify.VerifyCertificate(scheme, n.ParentSubject(), n.Parent.Certificate); err != nil {
				t.Errorf("height %d: %v", h, err)
			}
		}
	})
}

func TestANodelessLaneHasAcksOnly(t *testing.T) {
	s, err := New(Config{Kind: testkit.Ed25519, Validators: 4})
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Sign(t.Context(), Plan{Key: s.Identity(0), Heights: 2, Nodeless: true, Payload: func(uint64) wire.Digest { return wire.Digest{} }})
	if err != nil {
		t.Fatal(err)
	}
	if l.Node(1) != nil || l.Heights() != 2 || len(l.Votes(1)) != 5*64 {
		t.Errorf("node %x, %d heights, %d bytes of votes", l.Node(1), l.Heights(), len(l.Votes(1)))
	}
}

func TestASetOfOneIsRefused(t *testing.T) {
	if _, err := New(Config{Kind: testkit.Multisig, Validators: 1}); err == nil {
		t.Error("no error")
	}
	if _, err := New(Config{Kind: "rsa", Validators: 4}); err == nil {
		t.Error("no error for an unknown kind")
	}
}

func BenchmarkSignAChunk(b *testing.B) {
	for _, o := range []Config{
		{Kind: testkit.Multisig, Variant: verify.MinSig, Validators: 100},
		{Kind: testkit.Multisig, Variant: verify.MinSig, Acks: verify.Uncompressed, Validators: 100},
		{Kind: testkit.Multisig, Variant: verify.MinPk, Validators: 100},
	} {
		b.Run(fmt.Sprintf("%v/%v/n=%d", o.Variant, o.Acks, o.Validators), func(b *testing.B) {
			s, err := New(o)
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			if _, err := s.Sign(b.Context(), Plan{Key: s.Identity(0), Heights: b.N, Payload: func(uint64) wire.Digest { return wire.Digest{} }}); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/ack")
		})
	}
}
