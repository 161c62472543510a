package verify_test

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/lanecast/lanecast/internal/fixture"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/verify/batch"
	"github.com/lanecast/lanecast/wire"
)

// mixtures is how many random mixtures of votes to try; LANECAST_MIXTURES asks for more.
func mixtures(t testing.TB) int {
	n := 900
	if verify.BackendName != "blst" || testing.Short() {
		n = 180
	}
	if s := os.Getenv("LANECAST_MIXTURES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatalf("LANECAST_MIXTURES: %v", err)
		}
	}
	return n
}

// mix makes a statement of a random mixture: most of its votes valid, or half of them, or few; pairs that cancel more
// often than chance would have it.
func (h *hostile) mix(r *rand.Rand) *verify.Statement {
	n := len(h.votes)
	f := h.set.Scheme.Format()
	s := &verify.Statement{Scheme: h.set.Scheme, Subject: h.subject, Signers: wire.NewSigners(n), Slab: make([]byte, n*f.AckSignature)}
	valid := []float64{0.95, 0.8, 0.5, 0.2}[r.IntN(4)]
	absent := []float64{0, 0.1, 0.4}[r.IntN(3)]
	for i := range n {
		if r.Float64() < absent {
			continue
		}
		kind := "valid"
		if r.Float64() >= valid {
			kind = h.kinds[r.IntN(len(h.kinds))]
		}
		place(s, i, h.votes[i][kind])
	}
	if present := slices.Collect(s.Signers.All()); len(present) >= 2 && h.kind != fixture.Ed25519 && r.IntN(3) == 0 {
		r.Shuffle(len(present), func(i, j int) { present[i], present[j] = present[j], present[i] })
		pair := [][2]string{{"plus e", "minus e"}, {"plus torsion", "minus torsion"}, {"valid", "negated"}}[r.IntN(3)]
		for k, kind := range pair {
			place(s, int(present[k]), h.votes[present[k]][kind])
		}
	}
	for p := range s.Signers.All() {
		if r.IntN(6) == 0 {
			if s.Suspects.Len() == 0 {
				s.Suspects = wire.NewSigners(n)
			}
			s.Suspects.Add(p)
		}
	}
	s.MayDefer = r.IntN(2) == 0
	return s
}

// Everything together as the engine uses it: statements of all schemes in the batches of one verifier with two workers,
// every form of vote, suspects, hints from what came before. What comes out is right: certificates verify under the slow
// twin, nobody is called invalid whose vote is valid by itself, and where valid votes make a quorum there is a certificate.
func TestWhatComesOutOfAnyMixtureOfVotesIsRight(t *testing.T) {
	const perBatch = 15
	newVerifier := func() *batch.Verifier {
		v, err := batch.New(batch.Options{Workers: 2, BatchSize: perBatch, Chunks: verify.NewChunkVerifier(namespace)})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := newVerifier()
	defer func() { v.Close() }()
	var all []*hostile
	for _, k := range schemeCases {
		for _, n := range []int{1, 4, 7} {
			all = append(all, newHostile(t, k, n))
		}
	}
	r := rand.New(rand.NewPCG(10, 2026))
	var made, deferred, blamed, invalid int
	for tried, want := 0, mixtures(t); tried < want; {
		if r.IntN(12) == 0 { // one that knows nobody yet
			v.Close()
			v = newVerifier()
		}
		var ss []*verify.Statement
		var from []*hostile
		for range 1 + r.IntN(2*perBatch) {
			h := all[r.IntN(len(all))]
			ss, from = append(ss, h.mix(r)), append(from, h)
		}
		tried += len(ss)
		verdicts, err := v.Verify(context.Background(), ss)
		if err != nil {
			t.Fatal(err)
		}
		for i, verdict := range verdicts {
			h, s := from[i], ss[i]
			bad := h.invalid(s)
			invalid += len(bad)
			deferrals := 0
			for verdict.Exposed != nil {
				if !s.MayDefer || verdict.Certificate != nil {
					t.Fatalf("%v: undecided: %+v", h, verdict)
				}
				// As the core does: those exposed are suspects now, and so is whoever was proven invalid.
				if deferrals++; deferrals > s.Signers.Count() {
					t.Fatalf("%v: undecided %d times", h, deferrals)
				}
				again := *s
				again.Suspects = wire.NewSigners(s.Signers.Len())
				for _, p := range slices.Concat(verdict.Exposed, slices.Collect(s.Suspects.All())) {
					again.Suspects.Add(p)
				}
				s = &again
				next, err := v.Verify(context.Background(), []*verify.Statement{s})
				if err != nil {
					t.Fatal(err)
				}
				verdict = next[0]
			}
			deferred += deferrals
			if verdict.Err != nil {
				t.Fatalf("%v: %v", h, verdict.Err)
			}
			blamed += len(verdict.Invalid)
			for _, p := range verdict.Invalid {
				if !slices.Contains(bad, p) {
					t.Fatalf("%v: %d is called invalid; the twin finds %v", h, p, bad)
				}
			}
			quorum := verify.Quorum(len(h.votes))
			if verdict.Certificate == nil {
				if s.Signers.Count()-len(bad) >= quorum {
					t.Fatalf("%v: no certificate of %v, of which %v are invalid", h, s.Signers, bad)
				}
				if s.Signers.Count()-len(verdict.Invalid) >= quorum {
					t.Fatalf("%v: neither a certificate nor enough invalid votes: %v of %v", h, verdict.Invalid, s.Signers)
				}
				continue
			}
			made++
			if !h.slow.certificate(s.Subject, verdict.Certificate) {
				t.Fatalf("%v: the twin refuses certificate %x", h, verdict.Certificate)
			}
		}
	}
	if made == 0 || deferred == 0 || blamed == 0 {
		t.Errorf("%d certificates, %d undecided, %d blamed: not all was tried", made, deferred, blamed)
	}
	t.Logf("%d certificates, %d invalid votes of which %d were blamed, %d times undecided", made, invalid, blamed, deferred)
}
