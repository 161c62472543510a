package batch

import (
	"context"
	"crypto/ed25519"
	"errors"
	"math/bits"
	"reflect"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

var (
	chunkNamespace = []byte("batch test")
	chunkVerifier  = verify.NewChunkVerifier(chunkNamespace)
	chunkSigner    = verify.NewChunkSigner(chunkNamespace, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
)

func proposal(t testing.TB, i int) *wire.Proposal {
	t.Helper()
	p := &wire.Proposal{Chunk: subject(i).Chunk}
	p.Chunk.Sequencer = chunkSigner.PublicKey()
	sig, err := chunkSigner.SignChunk(context.Background(), p.Chunk)
	if err != nil {
		t.Fatal(err)
	}
	p.Signature = sig
	return p
}

func newDecider() *decider { return &decider{chunks: chunkVerifier, offenders: new(offenderTable)} }

// decided decides one batch with d. It returns the verdicts, and the numbers of checks and of
// splits.
func decided(d *decider, statements ...*verify.Statement) (verdicts []verify.Verdict, checks, splits int) {
	d.reset()
	verdicts = make([]verify.Verdict, len(statements))
	d.decide(statements, verdicts)
	return verdicts, d.checks, d.splits
}

type schemeKind struct {
	name      string
	threshold bool
}

var kinds = []schemeKind{{"multisig", false}, {"threshold", true}}

func TestGoodStatementsOfAGroupCostOneCheck(t *testing.T) {
	for _, kind := range kinds {
		a, b := newFake(7, kind.threshold, 1), newFake(4, kind.threshold, 2)
		b.group = a.group
		other := newFake(4, kind.threshold, 3)
		var ss []*verify.Statement
		for i := range 10 {
			ss = append(ss, a.votes(i, everyone(7)), b.certificate(i, signersOf(4, 0, 1, 3)))
		}
		ss = append(ss, other.votes(1, everyone(4)))
		verdicts, checks, splits := decided(newDecider(), ss...)
		if checks != 2 || splits != 0 {
			t.Errorf("%s: %d checks, %d splits; want one per group", kind.name, checks, splits)
		}
		for i, v := range verdicts {
			if v.Statement != ss[i] || !v.CertificateValid || !v.ProposalValid || v.Invalid != nil || v.Err != nil {
				t.Fatalf("%s: verdict %d: %+v", kind.name, i, v)
			}
			if votes := ss[i].Certificate == nil; votes != (v.Certificate != nil) {
				t.Fatalf("%s: verdict %d: certificate %x", kind.name, i, v.Certificate)
			}
			if v.Certificate != nil {
				if _, ok := ss[i].Scheme.(*fake).certifies(ss[i].Subject, v.Certificate); !ok {
					t.Fatalf("%s: certificate %d does not verify", kind.name, i)
				}
			}
		}
	}
}

func TestAnEmptyStatementIsTrue(t *testing.T) {
	verdicts, _, _ := decided(newDecider(), &verify.Statement{})
	if v := verdicts[0]; !v.ProposalValid || !v.CertificateValid || v.Err != nil {
		t.Fatalf("%+v", v)
	}
}

func TestABadChunkSignatureSavesThePairingOfItsCertificate(t *testing.T) {
	f := newFake(4, false, 1)
	good, bad, lone := f.certificate(1, everyone(4)), f.certificate(2, everyone(4)), &verify.Statement{}
	good.Proposal, bad.Proposal, lone.Proposal = proposal(t, 1), proposal(t, 2), proposal(t, 3)
	bad.Proposal.Signature[5] ^= 1
	lone.Proposal.Chunk.Height++
	verdicts, _, _ := decided(newDecider(), bad, good, lone)
	if v := verdicts[0]; v.ProposalValid || v.CertificateValid {
		t.Errorf("bad: %+v", v)
	}
	if v := verdicts[1]; !v.ProposalValid || !v.CertificateValid {
		t.Errorf("good: %+v", v)
	}
	if v := verdicts[2]; v.ProposalValid || !v.CertificateValid {
		t.Errorf("alone: %+v", v)
	}
	if _, ok := f.sizes.Load(1); !ok || f.checks.Load() != 1 {
		t.Error("the certificate of the bad node was checked")
	}
}

// k wrong certificates of m: at most 1 + 2·k·⌈log₂ m⌉ checks, one fewer on each level where the
// first half passes.
func TestWrongCertificatesCostLogarithmicallyManyChecks(t *testing.T) {
	f := newFake(4, true, 1)
	for _, m := range []int{1, 2, 3, 8, 33, 64} {
		for k := 0; k <= m && k <= 4; k++ {
			ss := make([]*verify.Statement, m)
			for i := range ss {
				ss[i] = f.certificate(i, everyone(4))
			}
			wrong := map[int]bool{}
			for i := range k {
				at := (i*37 + m - 1) % m
				for wrong[at] {
					at = (at + 1) % m
				}
				wrong[at] = true
				ss[at].Certificate[7] ^= 1
			}
			verdicts, checks, splits := decided(newDecider(), ss...)
			for i, v := range verdicts {
				if v.CertificateValid == wrong[i] || v.Err != nil {
					t.Fatalf("m %d, k %d: verdict %d: %+v", m, k, i, v)
				}
			}
			if bound := 1 + 2*k*bits.Len(uint(m-1)); checks > bound || splits > checks {
				t.Errorf("m %d, k %d: %d checks, at most %d expected", m, k, checks, bound)
			}
		}
	}
}

func TestAHalfIsNotCheckedWhenTheOtherPassed(t *testing.T) {
	f := newFake(4, true, 1)
	ss := make([]*verify.Statement, 16)
	for i := range ss {
		ss[i] = f.certificate(i, everyone(4))
	}
	ss[15].Certificate[3] ^= 1
	// The whole fails; then 8, 4, 2 and 1 pass, so the wrong one is the remaining one.
	if _, checks, splits := decided(newDecider(), ss...); checks != 5 || splits != 1 {
		t.Fatalf("%d checks, %d failed", checks, splits)
	}
}

func TestAnUnreadableVoteIsInvalidAndTheOthersAreCombined(t *testing.T) {
	for _, kind := range kinds {
		f := newFake(7, kind.threshold, 1)
		enough, short := f.votes(1, everyone(7)), f.votes(2, signersOf(7, 0, 1, 2, 3, 4))
		f.blur(enough, 6)
		f.blur(enough, 2)
		f.blur(short, 3)
		verdicts, checks, _ := decided(newDecider(), enough, short)
		if v := verdicts[0]; v.Certificate == nil || !slices.Equal(v.Invalid, []wire.Participant{2, 6}) {
			t.Errorf("%s: enough: %+v", kind.name, v)
		}
		if v := verdicts[1]; v.CertificateValid || v.Certificate != nil || !slices.Equal(v.Invalid, []wire.Participant{3}) {
			t.Errorf("%s: short: %+v", kind.name, v)
		}
		if checks != 1 {
			t.Errorf("%s: %d checks", kind.name, checks)
		}
		if enough.Signers.Count() != 7 {
			t.Error("the statement's signers were changed")
		}
	}
}

func TestABadVoteIsFoundAndTheRestCertified(t *testing.T) {
	for _, kind := range kinds {
		for _, by := range []element{{v: 5}, {t: 1}, {v: 1, t: 2}} {
			f := newFake(7, kind.threshold, 1)
			s := f.votes(1, everyone(7))
			f.spoil(s, 3, by)
			verdicts, _, _ := decided(newDecider(), f.votes(2, everyone(7)), s)
			v := verdicts[1]
			if !slices.Equal(v.Invalid, []wire.Participant{3}) || v.Err != nil || !verdicts[0].CertificateValid {
				t.Fatalf("%s, error %v: %+v", kind.name, by, v)
			}
			signers, ok := f.certifies(s.Subject, v.Certificate)
			if !ok || !kind.threshold && (signers.Has(3) || signers.Count() != 6) {
				t.Fatalf("%s, error %v: certificate of %v", kind.name, by, signers)
			}
		}
	}
}

func TestTooFewGoodVotesMakeNoCertificate(t *testing.T) {
	for _, kind := range kinds {
		f := newFake(4, kind.threshold, 1)
		s := f.votes(1, signersOf(4, 0, 2, 3))
		f.spoil(s, 2, element{v: 9})
		verdicts, _, _ := decided(newDecider(), s)
		v := verdicts[0]
		if v.CertificateValid || v.Certificate != nil || v.Err != nil || !slices.Equal(v.Invalid, []wire.Participant{2}) {
			t.Fatalf("%s: %+v", kind.name, v)
		}
		below := f.votes(1, signersOf(4, 0, 2))
		verdicts, checks, _ := decided(newDecider(), below)
		if v := verdicts[0]; v.CertificateValid || v.Invalid != nil || checks != 0 || f.isolates.Load() != 1 {
			t.Fatalf("%s: votes below the quorum were worked on: %+v", kind.name, v)
		}
	}
}

// σ₀+ε and σ₁−ε: in a multisig the sum is a certificate; interpolation gives the two votes
// different weights.
func TestErrorsThatCancelAreHarmlessInAMultisigAndFoundInAThreshold(t *testing.T) {
	for _, kind := range kinds {
		f := newFake(7, kind.threshold, 1)
		s := f.votes(1, everyone(7))
		f.spoil(s, 0, element{v: 77})
		f.spoil(s, 1, element{v: prime - 77})
		verdicts, _, _ := decided(newDecider(), s)
		v := verdicts[0]
		if _, ok := f.certifies(s.Subject, v.Certificate); !ok {
			t.Fatalf("%s: %+v", kind.name, v)
		}
		want := []wire.Participant(nil)
		if kind.threshold {
			want = []wire.Participant{0, 1}
		}
		if !slices.Equal(v.Invalid, want) {
			t.Fatalf("%s: invalid %v, want %v", kind.name, v.Invalid, want)
		}
	}
}

func TestStatementsInOneBatchCannotCancelEachOther(t *testing.T) {
	f := newFake(4, true, 1)
	a, b := f.certificate(1, everyone(4)), f.certificate(2, everyone(4))
	for s, by := range map[*verify.Statement]element{a: {v: 5}, b: {v: prime - 5}} {
		e, _ := read(s.Certificate)
		s.Certificate = e.plus(by).appendTo(nil)
	}
	verdicts, _, _ := decided(newDecider(), a, b)
	if verdicts[0].CertificateValid || verdicts[1].CertificateValid {
		t.Fatal("two wrong certificates covered for each other")
	}
}

func TestSuspectsAreProvenBeforeTheyAreCombined(t *testing.T) {
	for _, kind := range kinds {
		f := newFake(4, kind.threshold, 1)
		guilty, innocent := f.votes(1, everyone(4)), f.votes(2, signersOf(4, 0, 1, 2))
		guilty.Suspects, innocent.Suspects = signersOf(4, 1, 3), signersOf(4, 1)
		f.spoil(guilty, 1, element{v: 1})
		verdicts, checks, splits := decided(newDecider(), guilty, innocent)
		if v := verdicts[0]; v.Certificate == nil || !slices.Equal(v.Invalid, []wire.Participant{1}) {
			t.Errorf("%s: guilty: %+v", kind.name, v)
		}
		// The other votes make no quorum, and this one is proven good, so the hint from the first
		// statement does not exclude it.
		if v := verdicts[1]; v.Certificate == nil || v.Invalid != nil {
			t.Errorf("%s: innocent: %+v", kind.name, v)
		}
		if checks != 1 || splits != 0 {
			t.Errorf("%s: %d checks, %d splits", kind.name, checks, splits)
		}
	}
}

func TestEachVoteProvesEveryVoteAndMakesNoCertificate(t *testing.T) {
	f := newFake(4, false, 1)
	good, bad := f.votes(1, everyone(4)), f.votes(2, signersOf(4, 0, 1, 3))
	good.EachVote, bad.EachVote = true, true
	// The combination of both would pass.
	f.spoil(bad, 1, element{v: 3})
	f.spoil(bad, 3, element{v: prime - 3})
	verdicts, checks, _ := decided(newDecider(), good, bad)
	if v := verdicts[0]; !v.CertificateValid || v.Certificate != nil || v.Invalid != nil {
		t.Errorf("good: %+v", v)
	}
	if v := verdicts[1]; v.CertificateValid || v.Certificate != nil || !slices.Equal(v.Invalid, []wire.Participant{1, 3}) {
		t.Errorf("bad: %+v", v)
	}
	if checks != 0 || f.combines.Load() != 0 {
		t.Error("something was combined")
	}
}

func TestInconsistentKeysBlameNoValidatorWhoseVoteIsValid(t *testing.T) {
	f := newFake(4, true, 1)
	f.groupKey++ // now the shares are from another polynomial
	s := f.votes(1, everyone(4))
	s.Suspects = signersOf(4, 2)
	f.spoil(s, 2, element{v: 1})
	verdicts, _, _ := decided(newDecider(), s, f.votes(2, everyone(4)))
	for i, v := range verdicts {
		var invalid []wire.Participant
		if i == 0 {
			invalid = append(invalid, 2)
		}
		if !errors.Is(v.Err, verify.ErrInconsistentKeys) || !slices.Equal(v.Invalid, invalid) || v.CertificateValid || v.Certificate != nil {
			t.Fatalf("%+v", v)
		}
	}
}

// Invalid votes that deceive Isolate are not taken for valid votes under inconsistent keys.
func TestEveryVoteIsProvenAloneBeforeTheKeysAreBlamed(t *testing.T) {
	for _, c := range []struct {
		invalid   []wire.Participant
		certified bool
	}{
		{[]wire.Participant{0}, true},
		{[]wire.Participant{2, 6}, true},
		{[]wire.Participant{1, 3, 5}, false}, // the other votes make no quorum
		{[]wire.Participant{0, 1, 2, 3, 4, 5, 6}, false},
	} {
		for _, threshold := range []bool{false, true} {
			f := newFake(7, threshold, 1)
			f.deceived = true
			s := f.votes(1, everyone(7))
			for k, p := range c.invalid {
				f.spoil(s, p, element{v: 1 << k})
			}
			verdicts, _, _ := decided(newDecider(), s, f.votes(2, everyone(7)))
			if v := verdicts[0]; v.Err != nil || !slices.Equal(v.Invalid, c.invalid) || v.CertificateValid != c.certified || (v.Certificate != nil) != c.certified {
				t.Errorf("threshold %v, %v are invalid: %+v", threshold, c.invalid, v)
			}
			if v := verdicts[1]; v.Certificate == nil || v.Invalid != nil {
				t.Errorf("threshold %v, of votes that are all valid: %+v", threshold, v)
			}
		}
	}
	f := newFake(7, false, 1)
	f.flips.Store(1 << 20) // no combination ever passes
	verdicts, _, _ := decided(newDecider(), f.votes(1, everyone(7)))
	if v := verdicts[0]; !errors.Is(v.Err, verify.ErrInconsistentKeys) || v.Invalid != nil || f.proves.Load() == 0 {
		t.Errorf("%+v after %d proofs", v, f.proves.Load())
	}
}

func TestGoodVotesUnderAFalseAlarmAreCertifiedAfterAll(t *testing.T) {
	f := newFake(4, false, 1)
	f.flips.Store(1)
	verdicts, _, _ := decided(newDecider(), f.votes(1, everyone(4)))
	if v := verdicts[0]; v.Certificate == nil || v.Invalid != nil || v.Err != nil {
		t.Fatalf("%+v", v)
	}
}

// One validator with a bad vote in each of m statements is found once. The other statements are
// tried again without it.
func TestAnOffenderIsLeftOutOfTheOtherStatements(t *testing.T) {
	for _, kind := range kinds {
		const m = 32
		f := newFake(7, kind.threshold, 1)
		var ss []*verify.Statement
		for i := range m {
			s := f.votes(i, everyone(7))
			f.spoil(s, 4, element{v: uint64(i + 1)})
			ss = append(ss, s)
		}
		d := newDecider()
		verdicts, checks, _ := decided(d, ss...)
		exposed := 0
		for i, v := range verdicts {
			if _, ok := f.certifies(ss[i].Subject, v.Certificate); !ok || v.Err != nil {
				t.Fatalf("%s: %+v", kind.name, v)
			}
			exposed += len(v.Invalid)
		}
		if exposed != 1 || f.isolates.Load() != 1 {
			t.Errorf("%s: exposed %d times, isolated %d times", kind.name, exposed, f.isolates.Load())
		}
		if bound := 2*bits.Len(m-1) + 2; checks > bound {
			t.Errorf("%s: %d checks, want at most %d", kind.name, checks, bound)
		}
		// The next batch, possibly of another worker, excludes it from the start.
		s := f.votes(100, everyone(7))
		f.spoil(s, 4, element{v: 3})
		next := &decider{chunks: chunkVerifier, offenders: d.offenders}
		verdicts, checks, splits := decided(next, s)
		if v := verdicts[0]; v.Certificate == nil || v.Invalid != nil || checks != 1 || splits != 0 {
			t.Errorf("%s: next batch: %+v, %d checks, %d failed", kind.name, v, checks, splits)
		}
		if !kind.threshold {
			if signers, _ := f.certifies(s.Subject, verdicts[0].Certificate); signers.Has(4) {
				t.Error("the offender is in the certificate")
			}
		}
	}
}

func TestAnOffendersVoteCountsWhereTheOthersAreTooFew(t *testing.T) {
	for _, kind := range kinds {
		f := newFake(4, kind.threshold, 1)
		d := newDecider()
		d.offenders.add(f, fakeEpoch, 4, []wire.Participant{0})

		needed := f.votes(1, signersOf(4, 0, 1, 2))
		verdicts, _, _ := decided(d, needed)
		if v := verdicts[0]; v.Certificate == nil || v.Invalid != nil {
			t.Errorf("%s: needed at once: %+v", kind.name, v)
		}
		if n := f.proves.Load(); n != 1 {
			t.Errorf("%s: needed at once: proven %d times, want once, before it is combined", kind.name, n)
		}
		// The vote of 0 is excluded first and needed later, since the vote of 3 is bad.
		later := f.votes(2, everyone(4))
		f.spoil(later, 3, element{v: 8})
		verdicts, _, _ = decided(d, later)
		if v := verdicts[0]; v.Certificate == nil || !slices.Equal(v.Invalid, []wire.Participant{3}) {
			t.Errorf("%s: needed later: %+v", kind.name, v)
		}
		// The same with both votes bad: both are proven invalid.
		f2 := newFake(4, kind.threshold, 2)
		d.offenders.add(f2, fakeEpoch, 4, []wire.Participant{0})
		both := f2.votes(3, everyone(4))
		f2.spoil(both, 0, element{v: 8})
		f2.blur(both, 3)
		verdicts, checks, _ := decided(d, both)
		if v := verdicts[0]; checks != 0 || f2.isolates.Load() != 0 || v.CertificateValid || !slices.Equal(v.Invalid, []wire.Participant{0, 3}) {
			t.Errorf("%s: both bad: %+v", kind.name, v)
		}
	}
}

// A statement whose maker can wait for other votes comes back undecided, and no vote is proven.
func TestAStatementThatMayBeDeferredIsNotProvenForAQuorum(t *testing.T) {
	for _, kind := range kinds {
		f := newFake(4, kind.threshold, 1)
		first, second, third := f.votes(1, everyone(4)), f.votes(2, everyone(4)), f.votes(3, everyone(4))
		for _, s := range []*verify.Statement{first, second, third} {
			s.MayDefer = true
			f.spoil(s, 1, element{v: 8})
		}
		f.blur(second, 2) // so that without 1 there are too few, …
		f.blur(third, 2)
		third.Suspects = signersOf(4, 1) // … and here without 2, since 1 is proven
		d := newDecider()
		decided(d, first)
		verdicts, checks, _ := decided(d, second, third)
		want := verify.Verdict{Statement: second, ProposalValid: true, Invalid: []wire.Participant{2}, Deferred: []wire.Participant{1}}
		if v := verdicts[0]; !reflect.DeepEqual(v, want) {
			t.Errorf("%s: without a suspect: %+v", kind.name, v)
		}
		want = verify.Verdict{Statement: third, ProposalValid: true, Invalid: []wire.Participant{1}, Deferred: []wire.Participant{2}}
		if v := verdicts[1]; !reflect.DeepEqual(v, want) || checks != 0 {
			t.Errorf("%s: with a suspect: %+v", kind.name, v)
		}

		short := f.votes(4, signersOf(4, 0, 1, 3))
		short.MayDefer = true
		proven := f.proves.Load()
		verdicts, checks, _ = decided(d, short)
		want = verify.Verdict{Statement: short, ProposalValid: true, Deferred: []wire.Participant{1}}
		if v := verdicts[0]; !reflect.DeepEqual(v, want) || checks != 0 || f.proves.Load() != proven {
			t.Errorf("%s: deferred: %+v", kind.name, v)
		}
		short.MayDefer = false
		verdicts, _, _ = decided(d, short)
		if v := verdicts[0]; v.Certificate == nil || v.Deferred != nil {
			t.Errorf("%s: the same, not to be deferred: %+v", kind.name, v)
		}
	}
}

func TestASuspectProvenGoodIsNotLeftOutOnAHint(t *testing.T) {
	f := newFake(4, false, 1)
	d := newDecider()
	d.offenders.add(f, fakeEpoch, 4, []wire.Participant{1})
	s := f.votes(1, everyone(4))
	s.Suspects = signersOf(4, 1)
	verdicts, _, _ := decided(d, s)
	if signers, ok := f.certifies(s.Subject, verdicts[0].Certificate); !ok || !signers.Has(1) {
		t.Fatalf("certificate of %v", signers)
	}
}

// A vote is proven once, even if other workers name its signer as an offender meanwhile: here the
// vote of a suspect, and a vote that was left out and is needed.
func TestAVoteThatWasProvenIsNotProvenAgainOnALaterHint(t *testing.T) {
	f := newFake(4, false, 1)
	d := newDecider()
	d.offenders.add(f, fakeEpoch, 4, []wire.Participant{2})
	s := f.votes(1, signersOf(4, 0, 1, 2))
	s.Suspects = signersOf(4, 1)
	f.flips.Store(1) // so that the statement is tried again
	f.checking = func(int) { d.offenders.add(f, fakeEpoch, 4, []wire.Participant{1}) }
	verdicts, _, _ := decided(d, s)
	if v := verdicts[0]; v.Certificate == nil || v.Invalid != nil {
		t.Errorf("%+v", v)
	}
	if n := f.proves.Load(); n != 2 {
		t.Errorf("votes were proven %d times, twice is wanted", n)
	}
}

// The first statement is combined before the second one shows that one of the first one's signers
// is an offender. It is combined again without that signer; no votes need to be isolated.
func TestAFailedBatchIsTriedAgainWithoutTheOffendersFoundMeanwhile(t *testing.T) {
	f := newFake(7, false, 1)
	first, second := f.votes(1, everyone(7)), f.votes(2, everyone(7))
	f.spoil(first, 5, element{v: 1})
	f.blur(second, 5)
	verdicts, checks, splits := decided(newDecider(), first, f.certificate(3, everyone(7)), second)
	for _, v := range verdicts {
		if !v.CertificateValid {
			t.Fatalf("%+v", v)
		}
	}
	if checks != 2 || splits != 1 || f.isolates.Load() != 0 {
		t.Fatalf("%d checks, %d failed, %d isolated", checks, splits, f.isolates.Load())
	}
}

// Votes whose sum cannot verify are isolated before any check. The offender found is left out of
// the other statements, so their check does not fail.
func TestAnOffenderFoundBeforeTheFirstCheckDoesNotMakeItFail(t *testing.T) {
	f := newFake(7, false, 1)
	first, second := f.votes(1, everyone(7)), f.votes(2, everyone(7))
	f.spoil(first, 5, element{v: 1})
	f.spoil(second, 5, element{t: 1})
	verdicts, checks, splits := decided(newDecider(), first, second)
	for _, v := range verdicts {
		if !v.CertificateValid {
			t.Fatalf("%+v", v)
		}
	}
	if checks != 2 || splits != 0 || f.isolates.Load() != 1 {
		t.Fatalf("%d checks, %d failed, %d isolated", checks, splits, f.isolates.Load())
	}
}

// A decider is kept for the next batch, but it must not keep the last batch's memory reachable.
func TestNothingOfABatchStaysReachableAfterIt(t *testing.T) {
	f := newFake(7, false, 1)
	d := newDecider()
	var batch []*verify.Statement
	for i := range 20 {
		s := f.votes(i, everyone(7))
		s.Proposal = proposal(t, i)
		if i%3 == 0 {
			f.spoil(s, wire.Participant(i%2), element{v: 1, t: byte(i % 2)})
		}
		batch = append(batch, s, f.certificate(100+i, everyone(7)))
	}
	decided(d, batch...)
	d.reset()
	for _, p := range d.all[:cap(d.all)] {
		if !reflect.ValueOf(p).IsZero() {
			t.Fatal("a statement that was pending")
		}
	}
	for _, p := range d.gatherings[:cap(d.gatherings)] {
		if !reflect.ValueOf(p).IsZero() {
			t.Fatal("votes that were combined")
		}
	}
	for name, left := range map[string]int{
		"open": notNil(d.open), "group": notNil(d.group), "gathered": notNil(d.gathered),
		"combinations": notNil(d.combinations), "proposals": notNil(d.proposals),
	} {
		if left > 0 {
			t.Errorf("%s: %d are left", name, left)
		}
	}
}

// notNil counts the entries of s that are not nil, up to its capacity.
func notNil[T comparable](s []T) (n int) {
	var none T
	for _, x := range s[:cap(s)] {
		if x != none {
			n++
		}
	}
	return n
}

// Another worker finds an offender while a half is checked. That half then passes without the
// offender, so it is not the half that was in the failed whole. So nothing follows for the other
// half.
func TestAHalfThatPassesOnceItIsChangedDecidesNothingAboutTheOther(t *testing.T) {
	f := newFake(7, false, 1)
	d := newDecider()
	votes := f.votes(0, everyone(7))
	f.spoil(votes, 5, element{v: 1})
	f.checking = func(n int) {
		if n == 2 { // the half with the votes and one certificate
			d.offenders.add(f, fakeEpoch, 7, []wire.Participant{5})
		}
	}
	verdicts, _, _ := decided(d, votes, f.certificate(1, everyone(7)), f.certificate(2, everyone(7)), f.certificate(3, everyone(7)))
	for i, v := range verdicts {
		if !v.CertificateValid || v.Invalid != nil {
			t.Fatalf("verdict %d: %+v", i, v)
		}
	}
	if f.isolates.Load() != 0 {
		t.Fatal("votes were isolated that make a quorum without the offender")
	}
}

func TestOffendersAreBoundedAndKeptBySetForTheLatest(t *testing.T) {
	var x offenderTable
	if _, ok := x.Load().of(newFake(4, false, 0), 1); ok {
		t.Fatal("an empty table knows someone")
	}
	var fs []*fake
	for i := range maxOffenderSets + 3 {
		fs = append(fs, newFake(9, false, uint64(i)))
		x.add(fs[i], 1, 9, []wire.Participant{1})
		x.add(fs[0], 1, 9, []wire.Participant{wire.Participant(i % 9)}) // the first stays newest
	}
	if n := len(x.Load().sets); n != maxOffenderSets {
		t.Fatalf("%d schemes remembered", n)
	}
	if known, ok := x.Load().of(fs[0], 1); !ok || known.Count() != 9 {
		t.Fatal("the scheme in use was forgotten")
	}
	if _, ok := x.Load().of(fs[1], 1); ok {
		t.Fatal("the oldest scheme is remembered still")
	}
	if _, ok := x.Load().of(fs[0], 2); ok {
		t.Fatal("an offender in another epoch too")
	}
	before := x.Load()
	x.add(fs[0], 1, 9, []wire.Participant{2, 3})
	if x.Load() != before {
		t.Fatal("nothing new, and yet a new table")
	}
}

// An embedder's Scheme need not be comparable; its Group must be.
type incomparable struct {
	*fake
	_ []int
}

func TestASchemeThatCannotBeComparedWorksWithoutHints(t *testing.T) {
	f := newFake(4, false, 1)
	s := f.votes(1, everyone(4))
	f.spoil(s, 0, element{v: 1})
	s.Scheme = incomparable{fake: f}
	good := f.votes(2, everyone(4))
	good.Scheme = incomparable{fake: f}
	d := newDecider()
	d.offenders.add(f, fakeEpoch, 4, []wire.Participant{1})
	verdicts, _, _ := decided(d, s, good)
	if v := verdicts[0]; v.Certificate == nil || !slices.Equal(v.Invalid, []wire.Participant{0}) || !verdicts[1].CertificateValid {
		t.Fatalf("%+v", verdicts)
	}
}

// strict is an embedder's scheme that refuses certificates which can be opened, for example those
// of revoked signers.
type strict struct{ *fake }

var errRevoked = errors.New("revoked")

func (s strict) Open(st *verify.Statement) (verify.Combination, error) {
	c, err := s.fake.Open(st)
	if err == nil {
		err = errRevoked
	}
	return c, err
}

func TestACertificateThatItsSchemeRefusesToOpenIsInvalid(t *testing.T) {
	for _, kind := range kinds {
		f := newFake(4, kind.threshold, 1)
		s := f.certificate(1, everyone(4))
		s.Scheme = strict{f}
		verdicts, _, _ := decided(newDecider(), s)
		if verdicts[0].CertificateValid {
			t.Errorf("%s: it is valid", kind.name)
		}
	}
}
