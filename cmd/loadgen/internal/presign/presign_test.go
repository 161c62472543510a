package presign

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// unequal are weights of seven validators: without the second there is no quorum.
var unequal = []uint64{1, 9, 2, 3, 8, 1, 2}

// forEachScheme runs a test on sets of every kind, variant and encoding.
func forEachScheme(t *testing.T, test func(t *testing.T, s *Set)) {
	for _, o := range []Config{
		{Kind: testkit.Multisig, Variant: verify.MinSig},
		{Kind: testkit.Multisig, Variant: verify.MinPk, Acks: verify.Uncompressed},
		{Kind: testkit.Multisig, Variant: verify.MinSig, Acks: verify.Uncompressed},
		{Kind: testkit.Threshold, Variant: verify.MinSig},
		{Kind: testkit.Threshold, Variant: verify.MinPk},
		{Kind: testkit.Ed25519},
		{Kind: testkit.Secp256r1},
		{Kind: testkit.Multisig, Variant: verify.MinSig, Weights: unequal},
		{Kind: testkit.Ed25519, Weights: unequal},
		{Kind: testkit.Secp256r1, Weights: unequal},
	} {
		o.Validators, o.Namespace, o.Seed = 7, []byte("presign-test"), 3
		t.Run(fmt.Sprintf("%s/%v/%v/%v", o.Kind, o.Variant, o.Acks, o.Weights), func(t *testing.T) {
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
	return signPlan(t, s, Plan{Heights: heights})
}

// signPlan signs a lane of participant 2 whose payloads are its heights.
func signPlan(t *testing.T, s *Set, p Plan) *Lane {
	t.Helper()
	p.Key = s.Identity(2)
	p.Payload = func(h uint64) (d wire.Digest) {
		binary.BigEndian.PutUint64(d[:], h+1)
		return d
	}
	l, err := s.Sign(t.Context(), p)
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

func TestAPresignedAckEqualsTheAckOfTheValidatorsSigner(t *testing.T) {
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

func TestCertificateMessagesCarryTheCertificateOfTheNextNode(t *testing.T) {
	forEachScheme(t, func(t *testing.T, s *Set) {
		const heights = 3
		l := sign(t, s, heights)
		scheme, err := s.Scheme()
		if err != nil {
			t.Fatal(err)
		}
		formats := wire.SameFormat(s.Format())
		for h := range uint64(heights) {
			var lock wire.Lock
			if err := lock.Decode(l.AppendCertificate(nil, h, h), formats); err != nil {
				t.Fatal(err)
			}
			if err := verify.VerifyCertificate(scheme, l.Subject(h), lock.Certificate); err != nil || lock.Subject() != l.Subject(h) {
				t.Errorf("height %d: %v", h, err)
			}
			if h+1 == heights {
				continue
			}
			var above wire.Node
			if err := above.Decode(l.Node(h+1), formats); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(lock.Certificate, above.Parent.Certificate) {
				t.Errorf("height %d has one certificate, and another one in the node above", h)
			}
		}
		var wrong wire.Lock
		if err := wrong.Decode(l.AppendCertificate(nil, 1, 0), formats); err != nil {
			t.Fatal(err)
		}
		if wrong.Subject() != l.Subject(1) || verify.VerifyCertificate(scheme, wrong.Subject(), wrong.Certificate) == nil {
			t.Error("the certificate of another chunk verifies")
		}
	})
}

func TestAnAcklessLaneIsTheSameWithoutTheAcks(t *testing.T) {
	forEachScheme(t, func(t *testing.T, s *Set) {
		with, without := signPlan(t, s, Plan{Heights: 3, Seed: 5}), signPlan(t, s, Plan{Heights: 3, Seed: 5, Ackless: true})
		for h := range uint64(3) {
			if !bytes.Equal(with.Node(h), without.Node(h)) || !bytes.Equal(with.Certificate(h), without.Certificate(h)) {
				t.Errorf("height %d differs", h)
			}
		}
		if len(without.votes) > 0 {
			t.Errorf("%d bytes of votes", len(without.votes))
		}
	})
}

func TestQuorumsWeighEnoughAndExcludeTheAbsentValidator(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 12).Draw(t, "validators")
		var weights []uint64
		if rapid.Bool().Draw(t, "weighted") {
			weights = rapid.SliceOfN(rapid.Uint64Range(1, 20), n, n).Draw(t, "weights")
		}
		s, err := New(Config{Kind: testkit.Ed25519, Validators: n, Weights: weights})
		if err != nil {
			t.Fatal(err)
		}
		absent := wire.Participant(rapid.IntRange(0, n).Draw(t, "absent"))
		q := s.Quorum(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), absent)
		if got, want := s.weights.Sum(q), s.weights.Quorum(); got < want {
			t.Fatalf("%v weighs %d of %d", q, got, want)
		}
		needed := int(absent) < n && s.weights.Total()-s.weights.Of(absent) < s.weights.Quorum()
		if q.Has(absent) != needed && int(absent) < n {
			t.Fatalf("absent %d is among %v", absent, q)
		}
		for i := range q.All() {
			if s.weights.Sum(q)-s.weights.Of(i) >= s.weights.Quorum() && s.weights.Equal() {
				t.Fatalf("%v does not need %d", q, i)
			}
		}
	})
}

func TestWeightsThatDoNotFitAreRefused(t *testing.T) {
	for _, o := range []Config{
		{Kind: testkit.Multisig, Validators: 4, Weights: []uint64{1, 2, 3}},
		{Kind: testkit.Threshold, Validators: 4, Weights: []uint64{1, 2, 3, 4}},
		{Kind: testkit.Ed25519, Validators: 4, Weights: []uint64{1, 2, 0, 4}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("no error for %+v", o)
		}
	}
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
