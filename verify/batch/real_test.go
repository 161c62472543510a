package batch

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/fixture"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// realVotes returns a statement with good votes of everyone in set.
func realVotes(t testing.TB, set *fixture.Set, i int) *verify.Statement {
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

// All five schemes in one batch: good votes, votes of others passed off as one's own, garbage, certificates good and
// bad, and a node. Every certificate made is verified afresh.
func TestTheRealSchemesInOneBatch(t *testing.T) {
	namespace := []byte("real")
	const n = 4
	var sets []*fixture.Set
	for _, k := range []struct {
		kind    fixture.Kind
		variant verify.Variant
		acks    verify.AckEncoding
	}{
		{fixture.Multisig, verify.MinSig, verify.Compressed}, {fixture.Multisig, verify.MinPk, verify.Uncompressed},
		{fixture.Threshold, verify.MinSig, verify.Uncompressed}, {fixture.Threshold, verify.MinPk, verify.Compressed},
		{fixture.Ed25519, 0, 0},
	} {
		set, err := fixture.New(k.kind, k.variant, k.acks, n, namespace, 1)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, set)
	}
	b := newBench(t, Options{Workers: 2, BatchSize: 64})
	certificates := map[*fixture.Set][]byte{}
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
			node.Alone = k%2 == 0
			expect(good, valid(true))
			expect(bad, valid(false))
			expect(node, valid(true))
			forged := realVotes(t, set, 20+k)
			forged.Signers.Remove(3)
			copy(forged.Vote(0), forged.Vote(2))
			expect(forged, valid(false, 0))
			proven := realVotes(t, set, 30+k)
			copy(proven.Vote(2), proven.Vote(3))
			proven.ProveOnly = true
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
