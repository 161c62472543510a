package verify_test

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// 3.1: A multisig or Ed25519 set may give each validator a weight, a whole number of at least 1
// (all or none are given; W is at most 2^62).
func TestWeightsAreGivenToAllOrToNone(t *testing.T) {
	const limit = verify.MaxWeight
	for _, c := range []struct {
		each []uint64
		ok   bool
	}{
		{nil, true}, {[]uint64{0, 0, 0}, true}, {[]uint64{1, 1, 1}, true}, {[]uint64{3, 1, 2}, true},
		{[]uint64{1, 0, 2}, false}, {[]uint64{0, 0, 1}, false},
		{[]uint64{limit}, true}, {[]uint64{limit - 1, 1}, true}, {[]uint64{limit, 1}, false},
		{[]uint64{1, limit}, false}, {[]uint64{limit + 1}, false}, {[]uint64{math.MaxUint64, 1}, false},
		{[]uint64{math.MaxUint64, 1, 1}, false}, {[]uint64{limit, limit, limit, limit}, false},
	} {
		w, err := verify.NewWeights(c.each)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, verify.ErrValidatorSet) {
			t.Errorf("%v: %v", c.each, err)
		}
		if err != nil && (w.Total() != 0 || w.Quorum() != 0) {
			t.Errorf("%v: weights with an error", c.each)
		}
	}
}

// 3.1: quorum: validators whose weights sum to at least W − ⌊(W−1)/3⌋.
func FuzzQuorumWeight(f *testing.F) {
	for _, total := range []uint64{0, 1, 2, 3, 4, 100, verify.MaxWeight - 1, verify.MaxWeight, math.MaxUint64} {
		f.Add(total)
	}
	f.Fuzz(func(t *testing.T, total uint64) {
		want := new(big.Int).SetUint64(total)
		if total > 0 {
			tolerated := new(big.Int).Sub(want, big.NewInt(1))
			want.Sub(want, tolerated.Div(tolerated, big.NewInt(3)))
		}
		if got := verify.QuorumWeight(total); got != want.Uint64() {
			t.Errorf("of %d: %d certify, want %v", total, got, want)
		}
	})
}

func FuzzWeights(f *testing.F) {
	f.Add(uint64(1), uint64(verify.MaxWeight-3), uint64(1), uint64(1), uint8(3))
	f.Add(uint64(verify.MaxWeight), uint64(0), uint64(0), uint64(0), uint8(1))
	f.Add(uint64(1<<61), uint64(1<<61), uint64(1<<61), uint64(1<<61), uint8(15))
	f.Add(uint64(1), uint64(1), uint64(1), uint64(1), uint8(7))
	f.Fuzz(func(t *testing.T, a, b, c, d uint64, signed uint8) {
		each := []uint64{a, b, c, d}
		total, sum, given, zero := new(big.Int), new(big.Int), false, false
		signers := wire.NewSigners(len(each))
		for i, x := range each {
			given, zero = given || x != 0, zero || x == 0
			total.Add(total, new(big.Int).SetUint64(x))
			if signed>>i&1 == 1 {
				signers.Add(wire.Participant(i))
				sum.Add(sum, new(big.Int).SetUint64(x))
			}
		}
		w, err := verify.NewWeights(each)
		valid := !given || !zero && total.Cmp(big.NewInt(verify.MaxWeight)) <= 0
		if (err == nil) != valid {
			t.Fatalf("%v: %v", each, err)
		}
		if err != nil {
			return
		}
		if !given {
			total, sum = big.NewInt(4), big.NewInt(int64(signers.Count()))
		}
		if w.Total() != total.Uint64() || w.Sum(signers) != sum.Uint64() || w.Quorum()+w.Tolerated() != w.Total() {
			t.Fatalf("%v: %d of %d", each, w.Sum(signers), w.Total())
		}
		// Two quorums share more than f.
		two := new(big.Int).Mul(big.NewInt(2), new(big.Int).SetUint64(w.Quorum()))
		two.Sub(two, total)
		if two.Cmp(new(big.Int).SetUint64(w.Tolerated())) <= 0 {
			t.Fatalf("%v: quorum %d of %d", each, w.Quorum(), w.Total())
		}
	})
}

func TestSignersOutsideTheSetWeighNothing(t *testing.T) {
	w, err := verify.NewWeights([]uint64{5, 7})
	if err != nil {
		t.Fatal(err)
	}
	all := wire.NewSigners(9)
	for i := range wire.Participant(9) {
		all.Add(i)
	}
	if got := w.Sum(all); got != 12 {
		t.Errorf("weight %d", got)
	}
}

func TestWeightsOfOneAreNoWeights(t *testing.T) {
	w, err := verify.NewWeights([]uint64{1, 1, 1, 1})
	if err != nil || !w.Equal() || w.Total() != 4 || w.Quorum() != 3 || w.Tolerated() != 1 || w.Len() != 4 || w.Of(3) != 1 {
		t.Errorf("%+v, %v", w, err)
	}
	if w := verify.EqualWeights(-1); w.Total() != 0 || w.Quorum() != 0 || w.Len() != 0 {
		t.Errorf("of no validators: %+v", w)
	}
}

// weightedKinds are the schemes that support weights.
var weightedKinds = []schemeCase{
	{testkit.Multisig, verify.MinSig, verify.Compressed},
	{testkit.Multisig, verify.MinPk, verify.Uncompressed},
	{kind: testkit.Ed25519},
	{kind: testkit.Secp256r1},
}

func newWeightedSet(t testing.TB, k schemeCase, seed uint64, weights ...uint64) *testkit.Set {
	t.Helper()
	set, err := testkit.NewWeighted(testkit.Identities(len(weights), seed), weights, k.kind, k.variant, k.acks, namespace, seed)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// 3.1: A certificate is valid when its bitmap has exactly n bits, and those set weigh at least a
// quorum.
func TestACertificateNeedsTheWeightOfAQuorum(t *testing.T) {
	eachScheme(t, weightedKinds, func(t *testing.T, k schemeCase) {
		set := newWeightedSet(t, k, 1, 6, 1, 1, 1, 3) // total 12, quorum 9
		equal := newSet(t, k, 5, 1)                   // the same keys; four certify
		for _, c := range []struct {
			who            []int
			weighted, flat bool
		}{
			{[]int{0, 4}, true, false}, {[]int{0, 1, 2, 3}, true, true}, {[]int{0, 1, 2}, false, false},
			{[]int{1, 2, 3, 4}, false, true}, {[]int{0, 1, 2, 3, 4}, true, true}, {[]int{0}, false, false},
		} {
			s := statement(t, set, subject(1), c.who...)
			combination, unreadable := set.Scheme.Combine(s, s.Signers)
			if (combination != nil) != c.weighted || len(unreadable) > 0 {
				t.Errorf("votes of %v: combination %v, unreadable %v", c.who, combination, unreadable)
			}
			if !c.weighted {
				if !c.flat {
					continue
				}
				flat := statement(t, equal, subject(1), c.who...)
				certificate := certify(t, flat)
				err := verify.VerifyCertificate(set.Scheme, subject(1), certificate)
				if !errors.Is(err, verify.ErrCertificate) {
					t.Errorf("a certificate of %v: %v", c.who, err)
				}
				continue
			}
			certificate := certify(t, s)
			if err := verify.VerifyCertificate(set.Scheme, subject(1), certificate); err != nil {
				t.Errorf("a certificate of %v: %v", c.who, err)
			}
			if err := verify.VerifyCertificate(equal.Scheme, subject(1), certificate); (err == nil) != c.flat {
				t.Errorf("a certificate of %v where all weigh 1: %v", c.who, err)
			}
		}
	})
}

// 3.1: Threshold sets have no weights.
func TestAThresholdSetHasNoWeights(t *testing.T) {
	set := newSet(t, blsCases[4], 7, 1)
	if w := set.Scheme.Weights(); !w.Equal() || w.Len() != 7 || w.Quorum() != 5 {
		t.Errorf("%+v", w)
	}
}

func TestOneValidatorMayHoldAThird(t *testing.T) {
	eachScheme(t, weightedKinds, func(t *testing.T, k schemeCase) {
		// With a third of the weight it can stop every certificate, with one less it cannot.
		for _, c := range []struct {
			first uint64
			ok    bool
		}{{3, true}, {4, false}} {
			set := newWeightedSet(t, k, 1, c.first, 2, 2, 2, 1)
			s := statement(t, set, subject(1), 1, 2, 3, 4)
			if combination, _ := set.Scheme.Combine(s, s.Signers); (combination != nil) != c.ok {
				t.Errorf("without a validator of %d of %d: %v", c.first, set.Scheme.Weights().Total(), combination)
			}
		}
	})
}

func TestTwentyOfAThousandMayHoldTwoThirds(t *testing.T) {
	weights := make([]uint64, 1000)
	for i := range weights {
		weights[i] = 1
		if i%50 == 7 {
			weights[i] = 99 // 20 of these: 1,980 of 2,960
		}
	}
	eachScheme(t, weightedKinds[2:], func(t *testing.T, k schemeCase) {
		set := newWeightedSet(t, k, 1, weights...)
		w := set.Scheme.Weights()
		var heavy []int
		for i := range weights {
			if w.Of(wire.Participant(i)) > 1 {
				heavy = append(heavy, i)
			}
		}
		if w.Total() != 2960 || w.Quorum() != 1974 || len(heavy) != 20 {
			t.Fatalf("%d of %d certify", w.Quorum(), w.Total())
		}
		certificate := certify(t, statement(t, set, subject(1), heavy...))
		if err := verify.VerifyCertificate(set.Scheme, subject(1), certificate); err != nil {
			t.Error(err)
		}
		s := statement(t, set, subject(1), heavy[1:]...)
		if combination, _ := set.Scheme.Combine(s, s.Signers); combination != nil {
			t.Error("nineteen certify")
		}
	})
}

// 3.1: all or none are given.
func TestSetsNameTheValidatorWhoseWeightIsWrong(t *testing.T) {
	ids := testkit.Identities(3, 1)
	validators := make([]verify.Validator, 3)
	for i, k := range ids {
		validators[i] = verify.Validator{Identity: testkit.Identity(k), Weight: 2}
	}
	validators[1].Weight = 0
	name := validators[1].Identity.String()
	if _, err := verify.NewWeightedEd25519(namespace, validators); !errors.Is(err, verify.ErrValidatorSet) ||
		!strings.Contains(err.Error(), name) {
		t.Errorf("no weight: %v", err)
	}
	validators[1].Weight = verify.MaxWeight
	if _, err := verify.NewWeightedEd25519(namespace, validators); !errors.Is(err, verify.ErrValidatorSet) {
		t.Errorf("too much weight: %v", err)
	}
	validators[1].Weight = 2
	validators[2].Proof = []byte{1}
	if _, err := verify.NewWeightedEd25519(namespace, validators); !errors.Is(err, verify.ErrValidatorSet) {
		t.Errorf("a proof: %v", err)
	}
	validators[2].Proof, validators[2].Key = nil, []byte{1}
	if _, err := verify.NewWeightedEd25519(namespace, validators); !errors.Is(err, verify.ErrValidatorSet) {
		t.Errorf("a key: %v", err)
	}
	validators[2].Key = nil
	if _, err := verify.NewWeightedEd25519(namespace, validators); err != nil {
		t.Error(err)
	}
	bls := newSet(t, weightedKinds[0], 3, 1)
	for i := range validators {
		validators[i].Key, validators[i].Weight = bls.PublicKeys[i], uint64(i)
	}
	c := verify.Config{Namespace: namespace}
	if _, err := verify.NewMultisigFromProvenKeys(c, validators); !errors.Is(err, verify.ErrValidatorSet) ||
		!strings.Contains(err.Error(), validators[0].Identity.String()) {
		t.Errorf("no weight: %v", err)
	}
}

// A weight stays with its validator when the set is sorted.
func TestWeightsBelongToIdentities(t *testing.T) {
	ids := testkit.Identities(5, 1)
	validators := make([]verify.Validator, len(ids))
	for i, k := range ids {
		validators[len(ids)-1-i] = verify.Validator{Identity: testkit.Identity(k), Weight: uint64(10 + i)}
	}
	e, err := verify.NewWeightedEd25519(namespace, validators)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range validators {
		i, _ := e.Index(v.Identity)
		if got := e.Weights().Of(i); got != v.Weight {
			t.Errorf("%v weighs %d, not %d", v.Identity, got, v.Weight)
		}
	}
}

// 3.1: Weights of 1 given explicitly: the same bytes and verdicts as without.
func TestWeightsOfOneChangeNoCertificate(t *testing.T) {
	eachScheme(t, weightedKinds, func(t *testing.T, k schemeCase) {
		plain, ones := newSet(t, k, 4, 1), newWeightedSet(t, k, 1, 1, 1, 1, 1)
		for _, who := range [][]int{{0, 1}, {0, 1, 3}, {0, 1, 2, 3}} {
			a := statement(t, plain, subject(1), who...)
			b := statement(t, ones, subject(1), who...)
			ca, _ := plain.Scheme.Combine(a, a.Signers)
			cb, _ := ones.Scheme.Combine(b, b.Signers)
			if (ca == nil) != (cb == nil) || ca != nil && !bytes.Equal(ca.AppendCertificate(nil), cb.AppendCertificate(nil)) {
				t.Errorf("votes of %v differ", who)
			}
		}
	})
}
