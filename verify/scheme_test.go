package verify_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

func TestAQuorumOfVotesMakesACertificateThatVerifies(t *testing.T) {
	sizes := []int{1, 4, 7, 10}
	if verify.BackendName == "blst" {
		sizes = append(sizes, 100)
	}
	eachScheme(t, schemeCases, func(t *testing.T, k schemeCase) {
		for _, n := range sizes {
			t.Run(fmt.Sprint("n=", n), func(t *testing.T) {
				set := newSet(t, k, n, 1)
				slow := newTwin(k, set)
				q := verify.Quorum(n)
				for _, who := range [][]int{upTo(q), upTo(n), upTo(n)[n-q:]} {
					certificate := certify(t, statement(t, set, subject(5), who...))
					if !slow.certificate(subject(5), certificate) {
						t.Error("the slow twin refuses the certificate")
					}
					if err := verify.VerifyCertificate(set.Scheme, subject(5), certificate); err != nil {
						t.Error(err)
					}
					if again := open(t, set.Scheme, subject(5), certificate).AppendCertificate(nil); !bytes.Equal(again, certificate) {
						t.Errorf("opened %x, encoded %x", certificate, again)
					}
					if size := set.Scheme.Format().MaxCertificateSize(); len(certificate) > size {
						t.Errorf("certificate of %d bytes, at most %d expected", len(certificate), size)
					}
				}
			})
		}
	})
}

func TestThresholdCertificatesAreTheSameWhicheverQuorumMadeThem(t *testing.T) {
	for _, k := range blsCases[4:] {
		set := newSet(t, k, 7, 1)
		a := certify(t, statement(t, set, subject(5), 0, 1, 2, 3, 4))
		b := certify(t, statement(t, set, subject(5), 1, 2, 4, 5, 6))
		c := certify(t, statement(t, set, subject(5), upTo(7)...))
		if !bytes.Equal(a, b) || !bytes.Equal(a, c) {
			t.Errorf("%v: %x, %x, %x", k, a, b, c)
		}
	}
}

func TestThresholdInterpolatesTheLowestQuorumAndReadsNoMore(t *testing.T) {
	for _, k := range blsCases[4:] {
		set := newSet(t, k, 7, 1)
		s := statement(t, set, subject(5), upTo(7)...)
		for _, i := range []int{5, 6} {
			place(s, i, bytes.Repeat([]byte{0xff}, set.Scheme.Format().AckSignature))
		}
		certify(t, s)
		place(s, 4, s.Vote(5))
		if c, unreadable := set.Scheme.Combine(s, s.Signers); c != nil || !slices.Equal(unreadable, []wire.Participant{4}) {
			t.Errorf("%v: combination %v, unreadable %v", k, c, unreadable)
		}
	}
}

func TestBelowTheQuorumThereIsNoCombination(t *testing.T) {
	eachScheme(t, schemeCases, func(t *testing.T, k schemeCase) {
		set := newSet(t, k, 7, 1)
		s := statement(t, set, subject(5), 0, 2, 4, 6)
		if c, unreadable := set.Scheme.Combine(s, s.Signers); c != nil || len(unreadable) > 0 {
			t.Errorf("combination %v, unreadable %v", c, unreadable)
		}
		if invalid := set.Scheme.InvalidVotes(s, s.Signers); len(invalid) > 0 {
			t.Errorf("valid votes proven invalid: %v", invalid)
		}
	})
}

func TestACertificateIsOfItsSubjectNamespaceAndSignersOnly(t *testing.T) {
	eachScheme(t, schemeCases, func(t *testing.T, k schemeCase) {
		set := newSet(t, k, 7, 1)
		good := subject(5)
		certificate := certify(t, statement(t, set, good, 0, 1, 2, 3, 5))

		refuse := func(what string, scheme verify.Scheme, s wire.Subject, c []byte) {
			t.Helper()
			if err := verify.VerifyCertificate(scheme, s, c); !errors.Is(err, verify.ErrCertificate) {
				t.Errorf("%s: %v", what, err)
			}
		}
		other := good
		other.Epoch++
		refuse("other epoch", set.Scheme, other, certificate)
		other = good
		other.Chunk.Height++
		refuse("other height", set.Scheme, other, certificate)
		other = good
		other.Chunk.Payload[0]++
		refuse("other payload", set.Scheme, other, certificate)
		other = good
		other.Chunk.Sequencer[0]++
		refuse("other sequencer", set.Scheme, other, certificate)
		elsewhere, err := testkit.New(k.kind, k.variant, k.acks, 7, []byte("elsewhere"), 1)
		if err != nil {
			t.Fatal(err)
		}
		refuse("other namespace", elsewhere.Scheme, good, certificate)
		refuse("other keys", newSet(t, k, 7, 2).Scheme, good, certificate)
		refuse("a byte more", set.Scheme, good, append(slices.Clone(certificate), 0))
		refuse("a byte less", set.Scheme, good, certificate[:len(certificate)-1])
		refuse("nothing", set.Scheme, good, nil)
		if k.kind == testkit.Threshold {
			return
		}
		swapped := slices.Clone(certificate)
		swapped[8] ^= 1<<5 | 1<<6 // participant 6 instead of 5
		refuse("swapped signers", set.Scheme, good, swapped)
		long := slices.Clone(certificate)
		binary.BigEndian.PutUint64(long, 8)
		refuse("bitmap over eight", set.Scheme, good, long)
		short := slices.Clone(certificate)
		binary.BigEndian.PutUint64(short, 6) // still has the bits of all signers, so it decodes
		if _, _, err := set.Scheme.Format().SplitCertificate(short); err != nil {
			t.Fatal(err)
		}
		refuse("bitmap over six", set.Scheme, good, short)
	})
}

func TestACertificateBelowTheQuorumIsRefusedHoweverValidItsSignature(t *testing.T) {
	for _, k := range blsCases[:4] {
		set := newSet(t, k, 7, 1)
		var sum point
		bitmap := wire.NewSigners(7)
		for i := range 4 {
			p := decodePoint(k.variant, sign(t, set, i, subject(5)))
			if sum == nil {
				sum = p
			} else {
				sum = sum.add(p)
			}
			bitmap.Add(wire.Participant(i))
		}
		certificate := wire.AppendSignersAndAggregate(nil, bitmap, sum.encode(false))
		if err := verify.VerifyCertificate(set.Scheme, subject(5), certificate); !errors.Is(err, verify.ErrCertificate) {
			t.Errorf("%v: %v", k, err)
		}
	}
}

func TestASignatureOutsideTheSubgroupOrTheIdentityIsNoCertificate(t *testing.T) {
	eachScheme(t, []schemeCase{blsCases[0], blsCases[2], blsCases[4], blsCases[6]}, func(t *testing.T, k schemeCase) {
		set := newSet(t, k, 4, 1)
		certificate := certify(t, statement(t, set, subject(5), 0, 1, 3))
		size := set.Scheme.Format().Signature
		head := certificate[:len(certificate)-size]
		honest := decodePoint(k.variant, certificate[len(head):])
		for what, p := range map[string]point{
			"with a point of small order added": honest.add(torsion(k.variant)),
			"of small order":                    torsion(k.variant),
			"the identity":                      identity(k.variant),
		} {
			forged := append(slices.Clone(head), p.encode(false)...)
			// A batch with random weights alone would accept points of order 3 with probability
			// 1/3.
			for range 8 {
				if err := verify.VerifyCertificate(set.Scheme, subject(5), forged); !errors.Is(err, verify.ErrCertificate) {
					t.Errorf("%s: %v", what, err)
				}
			}
		}
		for what, b := range map[string][]byte{
			"uncompressed":  honest.encode(true)[:size],
			"not canonical": overlong(size, false),
		} {
			forged := append(slices.Clone(head), b...)
			if err := verify.VerifyCertificate(set.Scheme, subject(5), forged); !errors.Is(err, verify.ErrCertificate) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestABatchIsWrongWhereverTheWrongCertificateStands(t *testing.T) {
	eachScheme(t, schemeCases, func(t *testing.T, k schemeCase) {
		set := newSet(t, k, 4, 1)
		quorums := [][]int{{0, 1, 2}, {0, 1, 2}, {1, 2, 3}, {0, 2, 3}, {0, 1, 2, 3}}
		var right []verify.Combination
		var certificates [][]byte
		for i, who := range quorums {
			certificates = append(certificates, certify(t, statement(t, set, subject(uint64(i)), who...)))
			right = append(right, open(t, set.Scheme, subject(uint64(i)), certificates[i]))
		}
		for range 3 {
			if !set.Scheme.Check(right) {
				t.Fatal("a batch of right certificates fails")
			}
		}
		if !set.Scheme.Check(nil) {
			t.Error("a batch of none fails")
		}
		for i := range right {
			wrong := slices.Clone(right)
			wrong[i] = open(t, set.Scheme, subject(99), certificates[i])
			if set.Scheme.Check(wrong) {
				t.Errorf("the batch passes with a wrong certificate at %d", i)
			}
		}
	})
}

// Two certificates of one quorum with their signatures swapped: the plain sums of the batch are
// right.
func TestErrorsThatCancelBetweenStatementsAreFound(t *testing.T) {
	eachScheme(t, blsCases, func(t *testing.T, k schemeCase) {
		set := newSet(t, k, 4, 1)
		a := certify(t, statement(t, set, subject(1), 0, 1, 2))
		b := certify(t, statement(t, set, subject(2), 0, 1, 2))
		if set.Scheme.Check([]verify.Combination{open(t, set.Scheme, subject(1), b), open(t, set.Scheme, subject(2), a)}) {
			t.Error("swapped certificates pass")
		}
	})
}

func TestSchemesOfOneGroupAreCheckedTogether(t *testing.T) {
	for _, v := range []verify.Variant{verify.MinSig, verify.MinPk} {
		m := newSet(t, schemeCase{testkit.Multisig, v, verify.Compressed}, 4, 1)
		m2 := newSet(t, schemeCase{testkit.Multisig, v, verify.Uncompressed}, 7, 2)
		th := newSet(t, schemeCase{testkit.Threshold, v, verify.Compressed}, 4, 1)
		if m.Scheme.Group() != th.Scheme.Group() || m.Scheme.Group() != m2.Scheme.Group() {
			t.Fatalf("%v: groups differ", v)
		}
		var cs []verify.Combination
		for _, set := range []*testkit.Set{m, m2, th} {
			s := statement(t, set, subject(5), 0, 1, 2, 3)
			if set == m2 {
				place(s, 5, sign(t, set, 5, subject(5)))
			}
			c, _ := set.Scheme.Combine(s, s.Signers)
			cs = append(cs, c)
		}
		if !th.Scheme.Check(cs) {
			t.Errorf("%v: combinations of three schemes fail together", v)
		}
	}
}

func TestACombinationOfAnotherGroupIsWrong(t *testing.T) {
	var cs []verify.Combination
	var sets []*testkit.Set
	for _, k := range append(listCases, blsCases[0], blsCases[2]) {
		set := newSet(t, k, 4, 1)
		s := statement(t, set, subject(5), 0, 1, 2)
		c, _ := set.Scheme.Combine(s, s.Signers)
		cs, sets = append(cs, c), append(sets, set)
	}
	for i, set := range sets {
		for j, c := range cs {
			if got := set.Scheme.Check([]verify.Combination{c}); got != (i == j) {
				t.Errorf("scheme %d says %v of the combination of scheme %d", i, got, j)
			}
			if same := set.Scheme.Group() == sets[j].Scheme.Group(); same != (i == j) {
				t.Errorf("groups of %d and %d: equal is %v", i, j, same)
			}
		}
		if set.Scheme.Check([]verify.Combination{nil}) {
			t.Errorf("scheme %d passes nil", i)
		}
	}
}

func TestACombinationKeepsNothingOfItsStatement(t *testing.T) {
	eachScheme(t, schemeCases, func(t *testing.T, k schemeCase) {
		set := newSet(t, k, 4, 1)
		s := statement(t, set, subject(5), 0, 1, 2)
		certificate := certify(t, s)
		combined, _ := set.Scheme.Combine(s, s.Signers)
		input := slices.Clone(certificate)
		opened := open(t, set.Scheme, subject(5), input)
		clear(s.Slab)
		s.Signers.Clear()
		clear(input)
		for _, c := range []verify.Combination{combined, opened} {
			if got := c.AppendCertificate(nil); !bytes.Equal(got, certificate) || !set.Scheme.Check([]verify.Combination{c}) {
				t.Errorf("the combination changed with its inputs: %x", got)
			}
		}
	})
}

func TestMissingVotesAreUnreadable(t *testing.T) {
	eachScheme(t, schemeCases, func(t *testing.T, k schemeCase) {
		set := newSet(t, k, 4, 1)
		s := statement(t, set, subject(5), 0, 1, 2, 3)
		s.Slab = s.Slab[:len(s.Slab)-1]
		wide := wire.NewSigners(9)
		for _, i := range []wire.Participant{0, 1, 2, 3, 8} {
			wide.Add(i)
		}
		want := []wire.Participant{3, 8}
		if c, got := set.Scheme.Combine(s, wide); c != nil || !slices.Equal(got, want) {
			t.Errorf("Combine: %v, %v", c, got)
		}
		if got := set.Scheme.InvalidVotes(s, wide); !slices.Equal(got, want) {
			t.Errorf("InvalidVotes: %v", got)
		}
		if got := set.Scheme.Isolate(s, wide); !slices.Equal(got, want) {
			t.Errorf("Isolate: %v", got)
		}
		s.Slab = nil
		if got := set.Scheme.Isolate(s, s.Signers); len(got) != 4 {
			t.Errorf("Isolate without votes: %v", got)
		}
		if got := set.Scheme.InvalidVotes(s, wire.NewSigners(4)); len(got) != 0 {
			t.Errorf("InvalidVotes of none: %v", got)
		}
	})
}

func TestAnAckIsVerifiedByItself(t *testing.T) {
	eachScheme(t, schemeCases, func(t *testing.T, k schemeCase) {
		set := newSet(t, k, 4, 1)
		s := subject(5)
		a := wire.Ack{Chunk: s.Chunk, Epoch: s.Epoch, Participant: 2, Signature: sign(t, set, 2, s)}
		if err := verify.VerifyAck(set.Scheme, &a); err != nil {
			t.Error(err)
		}
		for what, change := range map[string]func(a *wire.Ack){
			"other participant":   func(a *wire.Ack) { a.Participant = 1 },
			"unknown participant": func(a *wire.Ack) { a.Participant = 4 },
			"other epoch":         func(a *wire.Ack) { a.Epoch++ },
			"short signature":     func(a *wire.Ack) { a.Signature = a.Signature[1:] },
			"garbage":             func(a *wire.Ack) { a.Signature = bytes.Repeat([]byte{0x55}, len(a.Signature)) },
		} {
			b := a
			change(&b)
			if err := verify.VerifyAck(set.Scheme, &b); !errors.Is(err, verify.ErrVote) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestASchemeServesManyGoroutinesAtOnce(t *testing.T) {
	eachScheme(t, schemeCases, func(t *testing.T, k schemeCase) {
		set := newSet(t, k, 4, 1)
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for h := range uint64(4) {
					s := statement(t, set, subject(h), g, (g+1)%4, (g+2)%4)
					c, _ := set.Scheme.Combine(s, s.Signers)
					if !set.Scheme.Check([]verify.Combination{c}) || len(set.Scheme.Isolate(s, s.Signers)) > 0 {
						t.Error("right votes fail")
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestASetKnowsItsParticipants(t *testing.T) {
	eachScheme(t, schemeCases, func(t *testing.T, k schemeCase) {
		set := newSet(t, k, 4, 1)
		for i, id := range set.Scheme.Participants() {
			if p, ok := set.Scheme.Index(id); !ok || int(p) != i {
				t.Errorf("Index of participant %d: %d, %v", i, p, ok)
			}
		}
		if _, ok := set.Scheme.Index(wire.PublicKey{}); ok {
			t.Error("a stranger has an index")
		}
		if got := set.Scheme.Attributable(); got != (k.kind != testkit.Threshold) {
			t.Errorf("attributable: %v", got)
		}
	})
}
