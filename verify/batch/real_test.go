package batch

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// realVotes returns a statement with good votes of every validator in set.
func realVotes(t testing.TB, set *testkit.Set, i int) *verify.Statement {
	t.Helper()
	n := set.Scheme.Format().Participants
	s := &verify.Statement{
		Tag: uint64(i), Scheme: set.Scheme, Subject: subject(i), Signers: everyone(n),
		Slab: make([]byte, n*set.Scheme.Format().AckSignature),
	}
	for p := range s.Signers.All() {
		sig, err := set.Signers[p].SignAck(context.Background(), s.Subject)
		if err != nil {
			t.Fatal(err)
		}
		copy(s.Vote(p), sig)
	}
	return s
}

// All six schemes in one batch: good votes, votes copied from other validators, garbage, good and
// bad certificates, and a node. Every certificate made is verified again by itself.
func TestTheRealSchemesInOneBatch(t *testing.T) {
	namespace := []byte("real")
	const n = 4
	var sets []*testkit.Set
	for _, k := range []struct {
		kind    testkit.Kind
		variant verify.Variant
		acks    verify.AckEncoding
	}{
		{testkit.Multisig, verify.MinSig, verify.Compressed}, {testkit.Multisig, verify.MinPk, verify.Uncompressed},
		{testkit.Threshold, verify.MinSig, verify.Uncompressed}, {testkit.Threshold, verify.MinPk, verify.Compressed},
		{testkit.Ed25519, 0, 0}, {testkit.Secp256r1, 0, 0},
	} {
		set, err := testkit.New(k.kind, k.variant, k.acks, n, namespace, 1)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, set)
	}
	b := newBench(t, Config{Workers: 2, BatchSize: 64})
	certificates := map[*testkit.Set][]byte{}
	for round := range 2 {
		var ss []*verify.Statement
		var wants []func(v verify.Verdict) error
		expect := func(s *verify.Statement, want func(v verify.Verdict) error) {
			ss, wants = append(ss, s), append(wants, want)
		}
		valid := func(ok bool, invalid ...wire.Participant) func(v verify.Verdict) error {
			return func(v verify.Verdict) error {
				if v.Err != nil || v.CertificateValid != ok || !slices.Equal(v.Invalid, invalid) {
					return fmt.Errorf("want valid %v, invalid %v; got %+v", ok, invalid, v)
				}
				if s := v.Statement; v.Certificate != nil {
					return verify.VerifyCertificate(s.Scheme, s.Subject, v.Certificate)
				}
				return nil
			}
		}
		for k, set := range sets {
			if round == 0 {
				expect(realVotes(t, set, k), func(v verify.Verdict) error {
					certificates[set] = v.Certificate
					return valid(true)(v)
				})
				garbage := realVotes(t, set, 10+k)
				for i := range garbage.Vote(1) {
					garbage.Vote(1)[i] = 0xff
				}
				expect(garbage, valid(true, 1))
				continue
			}
			good := &verify.Statement{Scheme: set.Scheme, Subject: subject(k), Certificate: certificates[set]}
			bad := &verify.Statement{Scheme: set.Scheme, Subject: subject(k + 1), Certificate: certificates[set]}
			node := &verify.Statement{Scheme: set.Scheme, Subject: subject(k), Certificate: certificates[set], Proposal: proposal(t, k)}
			node.Unbatched = k%2 == 0
			expect(good, valid(true))
			expect(bad, valid(false))
			expect(node, valid(true))
			forged := realVotes(t, set, 20+k)
			forged.Signers.Remove(3)
			copy(forged.Vote(0), forged.Vote(2))
			expect(forged, valid(false, 0))
			proven := realVotes(t, set, 30+k)
			copy(proven.Vote(2), proven.Vote(3))
			proven.EachVote = true
			expect(proven, valid(false, 2))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		verdicts, err := b.Verify(ctx, ss)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range verdicts {
			if err := wants[i](v); err != nil {
				t.Errorf("round %d, statement %d, %T: %v", round, i, ss[i].Scheme, err)
			}
		}
	}
}

// collude replaces the votes of five colluders by others with the same sum. The vote of first lacks
// T = (0, 2), a point of order three. The votes of four neighbours are P, −P, Q, T − Q: if they are
// added up in pairs, the identity is added to T.
func collude(t testing.TB, s *verify.Statement, first wire.Participant, four [4]wire.Participant) {
	t.Helper()
	read := func(i wire.Participant) (p bls12381.G1Affine) {
		if _, err := p.SetBytes(s.Vote(i)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	var torsion, sum, opposite bls12381.G1Affine
	torsion.Y.SetUint64(2)
	if !torsion.IsOnCurve() {
		t.Fatal("(0, 2) is not on the curve")
	}
	sum.Neg(&torsion)
	for _, i := range append([]wire.Participant{first}, four[:]...) {
		p := read(i)
		sum.Add(&sum, &p)
	}
	write := func(i wire.Participant, p bls12381.G1Affine) {
		b := p.Bytes()
		copy(s.Vote(i), b[:])
	}
	p, q := read(four[0]), read(four[2])
	write(first, sum)
	opposite.Neg(&p)
	write(four[1], opposite)
	opposite.Neg(&q)
	opposite.Add(&opposite, &torsion)
	write(four[3], opposite)
}

// Five of a hundred send votes that add up to the identity and to (0, 2) in neighbouring pairs. A
// routine that distinguishes points only by x gets their sum wrong. The errors of all five cancel,
// so the exact sum is valid, wherever their votes are. Without the first one's vote the errors do
// not cancel, and an invalid vote is found.
func TestFiveColludersNeitherStopACertificateNorPassForInconsistentKeys(t *testing.T) {
	const n = 100
	set, err := testkit.New(testkit.Multisig, verify.MinSig, verify.Compressed, n, []byte("real"), 1)
	if err != nil {
		t.Fatal(err)
	}
	decide := func(s *verify.Statement) verify.Verdict {
		t.Helper()
		b := newBench(t, Config{Workers: 1, BatchSize: 1}) // without offenders
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		verdicts, err := b.Verify(ctx, []*verify.Statement{s})
		if err != nil {
			t.Fatal(err)
		}
		return verdicts[0]
	}
	good := realVotes(t, set, 1)
	quorum := verify.Quorum(n)
	for i := quorum; i < n; i++ {
		good.Signers.Remove(wire.Participant(i))
	}
	step := 1
	if testing.Short() {
		step = 3
	}
	for place := 0; place < quorum-4; place += step {
		s := *good
		s.Slab = slices.Clone(good.Slab)
		at := wire.Participant(place + 1)
		collude(t, &s, 0, [4]wire.Participant{at, at + 1, at + 2, at + 3})
		v := decide(&s)
		if v.Err != nil || v.Certificate == nil || v.Invalid != nil {
			t.Fatalf("the four at %d: %d bytes of certificate, invalid %v, %v", at, len(v.Certificate), v.Invalid, v.Err)
		}
		if err := verify.VerifyCertificate(set.Scheme, s.Subject, v.Certificate); err != nil {
			t.Fatalf("the four at %d: %v", at, err)
		}
		if place%9 == 0 { // the first one's vote is valid, and the sum of the four errors is T
			copy(s.Vote(0), good.Vote(0))
			if v := decide(&s); v.Err != nil || v.Certificate != nil || len(v.Invalid) == 0 {
				t.Fatalf("the four at %d, alone: %d bytes of certificate, invalid %v, %v", at, len(v.Certificate), v.Invalid, v.Err)
			}
		}
	}
}
