package verify_test

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/verify/batch"
	"github.com/lanecast/lanecast/wire"
)

// mixtures is the number of random mixtures of votes to try. LANECAST_MIXTURES sets another number.
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

// special draws a point for which formulas have exceptions: the identity, one of small order, the
// generator, or a sum of two of these.
func (h *hostile) special(r *rand.Rand) point {
	v := h.variant
	p := identity(v)
	switch r.IntN(6) {
	case 0, 1:
	case 2, 3:
		p = pointsOfSmallOrder[v]()[0] // (0, 2) of G1
	case 4:
		p = pointsOfSmallOrder[v]()[r.IntN(len(smallOrders[v]))]
	default:
		p = generator(v)
		if r.IntN(2) == 0 {
			p = p.add(pointsOfSmallOrder[v]()[r.IntN(len(smallOrders[v]))])
		}
	}
	if r.IntN(2) == 0 {
		p = p.neg()
	}
	return p
}

// split returns 2^levels points whose sum is p. The sums of halves, of quarters and so on are
// special, too.
func (h *hostile) split(r *rand.Rand, p point, levels int) []point {
	if levels == 0 {
		return []point{p}
	}
	left := h.special(r)
	switch some := r.IntN(3); {
	case levels == 1: // arbitrary, so that single votes are not special
		left = left.add(decodePoint(h.variant, h.votes[r.IntN(len(h.votes))]["valid"]))
	case some == 0:
		left = identity(h.variant)
	case some == 1:
		left = p
	}
	return append(h.split(r, left, levels-1), h.split(r, p.add(left.neg()), levels-1)...)
}

// collude replaces the votes of one participant, and of a run of neighbouring others. The sum of
// the new votes equals that of the valid ones, or differs by a special point.
func (h *hostile) collude(r *rand.Rand, s *verify.Statement) {
	present := slices.Collect(s.Signers.All())
	levels := 1 + r.IntN(4)
	run := 1 << levels
	if len(present) <= run {
		return
	}
	start := 1 + r.IntN(len(present)-run)
	first := present[r.IntN(start)]
	raw := h.acks == verify.Uncompressed
	sum, target := decodePoint(h.variant, h.votes[first]["valid"]), h.special(r)
	for k, p := range h.split(r, target, levels) {
		i := present[start+k]
		sum = sum.add(decodePoint(h.variant, h.votes[i]["valid"]))
		place(s, int(i), p.encode(raw))
	}
	sum = sum.add(target.neg())
	if r.IntN(4) == 0 {
		sum = sum.add(h.special(r))
	}
	place(s, int(first), sum.encode(raw))
}

// mix makes a statement with a random mixture of votes: most of them valid, or half, or few; pairs
// that cancel are more frequent than by chance.
func (h *hostile) mix(r *rand.Rand) *verify.Statement {
	n := len(h.votes)
	f := h.set.Scheme.Format()
	s := &verify.Statement{Scheme: h.set.Scheme, Subject: h.subject, Signers: wire.NewSigners(n), Slab: make([]byte, n*f.AckSignature)}
	valid := []float64{0.95, 0.8, 0.5, 0.2}[r.IntN(4)]
	absent := []float64{0, 0.1, 0.4}[r.IntN(3)]
	if n > 13 { // enough valid ones for a certificate
		valid, absent = []float64{1, 1, 1, 0.8}[r.IntN(4)], []float64{0, 0.1, 0.3}[r.IntN(3)]
	}
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
	if present := slices.Collect(s.Signers.All()); len(present) >= 2 && valid < 1 && h.bls() && r.IntN(3) == 0 {
		r.Shuffle(len(present), func(i, j int) { present[i], present[j] = present[j], present[i] })
		pair := [][2]string{{"plus e", "minus e"}, {"plus torsion", "minus torsion"}, {"valid", "negated"}}[r.IntN(3)]
		for k, kind := range pair {
			place(s, int(present[k]), h.votes[present[k]][kind])
		}
	}
	if h.bls() && (n > 13 || r.IntN(3) == 0) {
		h.collude(r, s)
	}
	s.MayDefer = r.IntN(2) == 0
	if valid == 1 { // only the colluders' votes are wrong, and none is suspect
		return s
	}
	for p := range s.Signers.All() {
		if r.IntN(6) == 0 {
			if s.Suspects.Len() == 0 {
				s.Suspects = wire.NewSigners(n)
			}
			s.Suspects.Add(p)
		}
	}
	return s
}

// All parts together, as the engine uses them: statements of all schemes in the batches of one
// verifier with two workers, every form of vote, suspects, offenders from earlier batches. The
// verdicts are right: certificates verify under the slow twin, no vote that is valid by itself is
// called invalid, and if valid votes make a quorum there is a certificate.
func TestTheVerdictsOnAnyMixtureOfVotesAreRight(t *testing.T) {
	const perBatch = 15
	newVerifier := func() *batch.Verifier {
		v, err := batch.New(batch.Config{Workers: 2, BatchSize: perBatch, Chunks: verify.NewChunkVerifier(namespace)})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := newVerifier()
	defer func() { v.Close() }()
	want := mixtures(t)
	type size struct{ scheme, n int }
	sets := make(map[size]*hostile)
	set := func(at size) *hostile {
		if sets[at] == nil {
			make := newHostile
			if at.n == 7 || at.n == 47 || at.n == 67 {
				make = newWeightedHostile
			}
			sets[at] = make(t, schemeCases[at.scheme], at.n)
		}
		return sets[at]
	}
	small, large := []int{1, 4, 7, 13}, []int{47, 48, 67, 100, 128}
	oneIn := 2 // batches with a statement of a large set
	if want <= 900 {
		oneIn = 6
	}
	r := rand.New(rand.NewPCG(10, 2026))
	var made, deferred, blamed, invalid int
	for tried := 0; tried < want; {
		withLarge := r.IntN(oneIn) == 0
		if withLarge || r.IntN(12) == 0 { // a new verifier without offenders, which excludes none
			v.Close()
			v = newVerifier()
		}
		var ss []*verify.Statement
		var from []*hostile
		for range 1 + r.IntN(2*perBatch) {
			at := size{r.IntN(len(schemeCases)), small[r.IntN(len(small))]}
			if withLarge && len(ss) == 0 {
				at.n = large[r.IntN(len(large))]
				if r.IntN(2) == 0 { // multisig minsig, the default, which sums votes in G1
					at.scheme = r.IntN(2)
				}
			}
			h := set(at)
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
			for verdict.Deferred != nil {
				if !s.MayDefer || verdict.Certificate != nil {
					t.Fatalf("%v: undecided: %+v", h, verdict)
				}
				// As in the core: deferred validators become suspects, and so do those whose votes
				// were proven invalid.
				if deferrals++; deferrals > s.Signers.Count() {
					t.Fatalf("%v: undecided %d times", h, deferrals)
				}
				again := *s
				again.Suspects = wire.NewSigners(s.Signers.Len())
				for _, p := range slices.Concat(verdict.Deferred, slices.Collect(s.Suspects.All())) {
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
			without := func(some []wire.Participant) bool {
				return h.slow.isQuorum(func(i wire.Participant) bool { return s.Signers.Has(i) && !slices.Contains(some, i) })
			}
			if verdict.Certificate == nil {
				if without(bad) {
					t.Fatalf("%v: no certificate of %v, of which %v are invalid", h, s.Signers, bad)
				}
				if without(verdict.Invalid) {
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
	t.Logf("%d mixtures, %d certificates, %d invalid votes of which %d were blamed, %d times undecided", want, made, invalid, blamed, deferred)
}
