package verify_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// hostile is a set and, for each of its validators, every kind of vote that a faulty one may send,
// by name.
type hostile struct {
	schemeCase
	set     *testkit.Set
	subject wire.Subject
	slow    *twin
	kinds   []string
	votes   []map[string][]byte
}

func newHostile(t testing.TB, k schemeCase, n int) *hostile {
	return newHostileSet(t, k, newSet(t, k, n, 1))
}

// newWeightedHostile is newHostile with weights from 1 to 9, if the scheme has weights.
func newWeightedHostile(t testing.TB, k schemeCase, n int) *hostile {
	if k.kind == testkit.Threshold {
		return newHostile(t, k, n)
	}
	weights := make([]uint64, n)
	for i := range weights {
		weights[i] = uint64(1 + 7*i%9)
	}
	h := newHostileSet(t, k, newWeightedSet(t, k, 1, weights...))
	h.slow.weights = weights
	return h
}

func newHostileSet(t testing.TB, k schemeCase, set *testkit.Set) *hostile {
	n := len(set.PublicKeys)
	h := &hostile{schemeCase: k, set: set, subject: subject(5), votes: make([]map[string][]byte, n)}
	h.slow = newTwin(k, h.set)
	size := h.set.Scheme.Format().AckSignature
	raw := k.acks == verify.Uncompressed
	for i := range n {
		good := sign(t, h.set, i, h.subject)
		v := map[string][]byte{
			"valid":         good,
			"other message": sign(t, h.set, i, subject(6)),
			"another's":     sign(t, h.set, (i+1)%n, h.subject),
			"zeros":         make([]byte, size),
			"ones":          bytes.Repeat([]byte{0xff}, size),
		}
		switch {
		case k.kind == testkit.Secp256r1:
			maps.Copy(v, ecdsaVotes(good, v["other message"]))
		case k.kind == testkit.Ed25519:
			s := bytes.Clone(good)
			s[63] |= 0xf0
			v["not canonical"] = s
			v["other R"] = append(bytes.Clone(v["other message"][:32]), good[32:]...)
		default:
			p := decodePoint(k.variant, good)
			e := decodePoint(k.variant, sign(t, h.set, 0, subject(7))) // errors cancel
			other := decodePoint(k.variant, v["other message"])
			v["plus e"] = p.add(e).encode(raw)
			v["minus e"] = p.add(e.neg()).encode(raw)
			v["negated"] = p.neg().encode(raw)
			v["plus torsion"] = p.add(torsion(k.variant)).encode(raw)
			v["minus torsion"] = p.add(torsion(k.variant).neg()).encode(raw)
			v["other message plus torsion"] = other.add(torsion(k.variant)).encode(raw)
			v["torsion"] = torsion(k.variant).encode(raw)
			v["identity"] = identity(k.variant).encode(raw)
			v["not canonical"] = overlong(size, raw)
			g := generator(k.variant)
			v["generator"], v["minus generator"], v["twice the generator"] = g.encode(raw), g.neg().encode(raw), g.add(g).encode(raw)
			for j, q := range pointsOfSmallOrder[k.variant]() {
				order := fmt.Sprint("order ", smallOrders[k.variant][j][0])
				v[order], v["minus "+order] = q.encode(raw), q.neg().encode(raw)
				v["plus "+order], v["generator plus "+order] = p.add(q).encode(raw), g.add(q).encode(raw)
			}
			v["other encoding"] = append(p.encode(!raw), p.encode(!raw)...)[:size]
		}
		h.votes[i] = v
		h.kinds = h.kinds[:0]
		for name := range v {
			h.kinds = append(h.kinds, name)
		}
	}
	slices.Sort(h.kinds)
	return h
}

// invalid lists the votes of a statement that the slow twin refuses.
func (h *hostile) invalid(s *verify.Statement) (invalid []wire.Participant) {
	for p := range s.Signers.All() {
		if !h.slow.vote(int(p), s.Subject, s.Vote(p)) {
			invalid = append(invalid, p)
		}
	}
	return invalid
}

// draw makes a statement with a random pattern of votes, about half of them valid.
func (h *hostile) draw(t *rapid.T) *verify.Statement {
	n := len(h.votes)
	f := h.set.Scheme.Format()
	s := &verify.Statement{Scheme: h.set.Scheme, Subject: h.subject, Signers: wire.NewSigners(n), Slab: make([]byte, n*f.AckSignature)}
	kind := rapid.OneOf(rapid.Just("valid"), rapid.SampledFrom(h.kinds))
	for i := range n {
		if rapid.IntRange(0, 5).Draw(t, "votes") > 0 {
			place(s, i, h.votes[i][kind.Draw(t, fmt.Sprint("vote ", i))])
		}
	}
	return s
}

// check compares every fast path with the slow twin.
func (h *hostile) check(t rapid.TB, s *verify.Statement) {
	invalid := h.invalid(s)
	if got := h.set.Scheme.InvalidVotes(s, s.Signers); !slices.Equal(got, invalid) {
		t.Fatalf("InvalidVotes: %v, the twin %v", got, invalid)
	}
	isQuorum := func(signers wire.Signers) bool { return h.slow.isQuorum(signers.Has) }

	// verdict combines the votes of some signers and compares the outcome with the twin's.
	verdict := func(signers wire.Signers) bool {
		c, unreadable := h.set.Scheme.Combine(s, signers)
		for _, p := range unreadable {
			if !slices.Contains(invalid, p) {
				t.Fatalf("%d called unreadable, %v are invalid", p, invalid)
			}
		}
		if c == nil {
			return false
		}
		if len(unreadable) > 0 {
			t.Fatal("a combination in spite of unreadable votes")
		}
		ok := h.set.Scheme.Check([]verify.Combination{c})
		if want := h.slow.certificate(s.Subject, c.AppendCertificate(nil)); ok != want {
			t.Fatalf("certificate: %v, the twin %v", ok, want)
		}
		return ok
	}
	whole := verdict(s.Signers)
	if !whole && len(invalid) == 0 && isQuorum(s.Signers) {
		t.Fatal("valid votes make no certificate")
	}

	isolated := h.set.Scheme.Isolate(s, s.Signers)
	rest := s.Signers.Clone()
	for _, p := range isolated {
		if !slices.Contains(invalid, p) {
			t.Fatalf("%d isolated, %v are invalid", p, invalid)
		}
		rest.Remove(p)
	}
	if h.kind != testkit.Multisig && len(isolated) != len(invalid) {
		t.Fatalf("isolated %v of %v", isolated, invalid)
	}
	if len(invalid) > 0 && len(isolated) == 0 && !whole && isQuorum(s.Signers) && h.kind != testkit.Threshold {
		t.Fatal("a combination failed and no invalid vote was found")
	}
	if isQuorum(rest) && !verdict(rest) {
		t.Fatalf("the votes that Isolate left (all but %v) make no certificate", isolated)
	}
}

// The default of 100 patterns takes too long for ten schemes; -rapid.checks sets another number.
func init() { _ = flag.Set("rapid.checks", "8") }

func TestEveryFastPathAgreesWithTheSlowTwinOnAnyPatternOfVotes(t *testing.T) {
	eachScheme(t, schemeCases, func(t *testing.T, k schemeCase) {
		h := newHostile(t, k, 7)
		rapid.Check(t, func(t *rapid.T) { h.check(t, h.draw(t)) })
		if k.kind != testkit.Threshold {
			w := newWeightedHostile(t, k, 7)
			rapid.Check(t, func(t *rapid.T) { w.check(t, w.draw(t)) })
		}
	})
}

func TestEachFormOfInvalidVoteIsFound(t *testing.T) {
	eachScheme(t, schemeCases, func(t *testing.T, k schemeCase) {
		h := newHostile(t, k, 4)
		for j, kind := range h.kinds {
			i := j % 4
			s := statement(t, h.set, h.subject, 0, 1, 2, 3)
			place(s, i, h.votes[i][kind])
			var want []wire.Participant
			if kind != "valid" {
				want = append(want, wire.Participant(i))
			}
			if got := h.set.Scheme.Isolate(s, s.Signers); !slices.Equal(got, want) {
				t.Errorf("%s at %d: isolated %v", kind, i, got)
			}
			if got := h.set.Scheme.InvalidVotes(s, s.Signers); !slices.Equal(got, want) {
				t.Errorf("%s at %d: proven invalid %v", kind, i, got)
			}
		}
	})
}

func TestVotesWhoseErrorsCancelAreAValidMultisigAndNoThresholdCertificate(t *testing.T) {
	eachScheme(t, blsCases, func(t *testing.T, k schemeCase) {
		h := newHostile(t, k, 4)
		for _, pair := range [][2]string{{"plus e", "minus e"}, {"plus torsion", "minus torsion"}} {
			s := statement(t, h.set, h.subject, 2, 3)
			place(s, 0, h.votes[0][pair[0]])
			place(s, 1, h.votes[1][pair[1]])
			both := []wire.Participant{0, 1}
			if got := h.set.Scheme.InvalidVotes(s, s.Signers); !slices.Equal(got, both) {
				t.Errorf("%v: proven invalid %v", pair, got)
			}
			if k.kind == testkit.Threshold {
				if got := h.set.Scheme.Isolate(s, s.Signers); !slices.Equal(got, both) {
					t.Errorf("%v: isolated %v", pair, got)
				}
				continue
			}
			if !h.slow.certificate(h.subject, certify(t, s)) {
				t.Errorf("%v: the twin refuses the certificate", pair)
			}
			place(s, 3, h.votes[3]["other message"])
			if got := h.set.Scheme.Isolate(s, s.Signers); !slices.Equal(got, []wire.Participant{3}) {
				t.Errorf("%v: isolated %v beside a lone invalid vote", pair, got)
			}
		}
	})
}

// colluders returns a multisig set in which the keys of participants 0 and 1 cancel. Both know
// their secrets.
func colluders(t *testing.T, v verify.Variant, n int) *testkit.Set {
	t.Helper()
	ids := testkit.Identities(n, 1)
	set := &testkit.Set{Identities: ids}
	validators := make([]verify.Validator, n)
	keys := make([]*verify.SecretKey, n)
	for i := range validators {
		secret := make([]byte, 32)
		binary.BigEndian.PutUint64(secret[24:], uint64(1000+i))
		if i == 1 {
			new(big.Int).Sub(fr.Modulus(), big.NewInt(1000)).FillBytes(secret)
		}
		var err error
		if keys[i], err = verify.SecretKeyFromBytes(v, secret); err != nil {
			t.Fatal(err)
		}
		validators[i] = verify.Validator{Identity: testkit.Identity(ids[i]), Key: keys[i].PublicKey(), Proof: keys[i].ProofOfPossession(namespace)}
	}
	m, err := verify.NewMultisig(verify.Config{Namespace: namespace, Variant: v, AllowVariableTimeSigning: true}, validators)
	if err != nil {
		t.Fatal(err)
	}
	set.Scheme = m
	for _, k := range keys {
		s, err := m.Signer(k)
		if err != nil {
			t.Fatal(err)
		}
		set.Signers = append(set.Signers, s)
		set.PublicKeys = append(set.PublicKeys, k.PublicKey())
	}
	return set
}

func TestColludersWhoseKeysCancelInASplitNeitherHideNorHarmOthers(t *testing.T) {
	for _, v := range []verify.Variant{verify.MinSig, verify.MinPk} {
		set := colluders(t, v, 4)
		s := statement(t, set, subject(5), 0, 1, 2, 3)
		certify(t, s)
		if got := set.Scheme.Isolate(s, s.Signers); len(got) > 0 {
			t.Errorf("%v: valid votes isolated: %v", v, got)
		}
		// Their sum is the identity, and so is that of their keys: nothing follows from their votes
		// about the third vote.
		place(s, 2, sign(t, set, 2, subject(6)))
		if got := set.Scheme.Isolate(s, s.Signers); !slices.Equal(got, []wire.Participant{2}) {
			t.Errorf("%v: isolated %v", v, got)
		}
		// Their keys cancel, but their votes do not.
		place(s, 0, sign(t, set, 3, subject(6)))
		if got := set.Scheme.Isolate(s, s.Signers); !slices.Equal(got, []wire.Participant{0, 2}) {
			t.Errorf("%v: isolated %v", v, got)
		}
		// Their votes cancel, and both are wrong.
		place(s, 0, sign(t, set, 0, subject(6)))
		place(s, 1, sign(t, set, 1, subject(6)))
		if got := set.Scheme.Isolate(s, s.Signers); !slices.Equal(got, []wire.Participant{0, 1, 2}) {
			t.Errorf("%v: isolated %v", v, got)
		}
	}
}

func TestSignersWhoseKeysCancelCertifyNothing(t *testing.T) {
	for _, v := range []verify.Variant{verify.MinSig, verify.MinPk} {
		set := colluders(t, v, 2)
		s := statement(t, set, subject(5), 0, 1)
		if c, unreadable := set.Scheme.Combine(s, s.Signers); c != nil || len(unreadable) > 0 {
			t.Errorf("%v: combination %v, unreadable %v", v, c, unreadable)
		}
		for _, p := range []point{identity(v), decodePoint(v, sign(t, set, 0, subject(5)))} {
			certificate := wire.AppendSignersAndAggregate(nil, s.Signers, p.encode(false))
			if err := verify.VerifyCertificate(set.Scheme, subject(5), certificate); err == nil {
				t.Errorf("%v: certificate %x accepted", v, certificate)
			}
		}
	}
}

func TestFaultyVotesAmongAHundredAreFound(t *testing.T) {
	if verify.BackendName != "blst" {
		t.Skip("slow without cgo")
	}
	eachScheme(t, append(listCases, blsCases[0], blsCases[5]), func(t *testing.T, k schemeCase) {
		h := newHostile(t, k, 100)
		s := statement(t, h.set, h.subject, upTo(67)...)
		want := []wire.Participant{0, 31, 32, 66}
		for _, p := range want {
			place(s, int(p), h.votes[p]["other message"])
		}
		if got := h.set.Scheme.Isolate(s, s.Signers); !slices.Equal(got, want) {
			t.Errorf("isolated %v", got)
		}
		if got := h.set.Scheme.InvalidVotes(s, s.Signers); !slices.Equal(got, want) {
			t.Errorf("proven invalid %v", got)
		}
	})
}

func FuzzOpeningACertificateNeverPanics(f *testing.F) {
	var sets []*testkit.Set
	for _, k := range schemeCases {
		if k.acks == verify.Compressed {
			set := newSet(f, k, 4, 1)
			sets = append(sets, set)
			f.Add(certify(f, statement(f, set, subject(5), 0, 1, 2)))
		}
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, set := range sets {
			s := &verify.Statement{Scheme: set.Scheme, Subject: subject(5), Certificate: b}
			if c, err := set.Scheme.Open(s); err == nil {
				if got := c.AppendCertificate(nil); !bytes.Equal(got, b) {
					t.Errorf("opened %x, encoded %x", b, got)
				}
				set.Scheme.Check([]verify.Combination{c})
			}
		}
	})
}

func FuzzAVoteIsReadAsTheSlowTwinReadsIt(f *testing.F) {
	var all []*hostile
	for _, k := range schemeCases {
		h := newHostile(f, k, 1)
		all = append(all, h)
		if k.kind == testkit.Multisig {
			for _, kind := range []string{"valid", "plus torsion", "not canonical"} {
				f.Add(h.votes[0][kind])
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, h := range all {
			vote := make([]byte, h.set.Scheme.Format().AckSignature)
			copy(vote, b)
			s := &verify.Statement{Scheme: h.set.Scheme, Subject: h.subject, Signers: wire.NewSigners(1), Slab: vote}
			s.Signers.Add(0)
			want := h.slow.vote(0, h.subject, vote)
			if got := h.set.Scheme.InvalidVotes(s, s.Signers); (len(got) == 0) != want {
				t.Errorf("%v: %x: proven invalid %v, the twin says %v", h, vote, got, want)
			}
			c, unreadable := h.set.Scheme.Combine(s, s.Signers)
			if ok := c != nil && h.set.Scheme.Check([]verify.Combination{c}); ok != want || ok && len(unreadable) > 0 {
				t.Errorf("%v: %x: combination verifies: %v, the twin says %v", h, vote, ok, want)
			}
		}
	})
}
