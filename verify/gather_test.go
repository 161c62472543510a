package verify_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// counting embeds a scheme of this package, as an embedder may.
type counting struct {
	*verify.Multisig
	combined int
}

func (c *counting) Combine(s *verify.Statement, signers wire.Signers) (verify.Combination, []wire.Participant) {
	c.combined++
	return c.Multisig.Combine(s, signers)
}

// broken returns a certificate that may have one of the faults of a received certificate.
func broken(r *rand.Rand, k schemeCase, h *hostile, certificate []byte) []byte {
	out := bytes.Clone(certificate)
	signature := func(p point) []byte { // compressed, whatever the encoding of acks
		encoded := p.encode(false)
		return append(out[:len(out)-len(encoded)], encoded...)
	}
	if !k.bls() {
		out[r.IntN(len(out))] ^= 1 << r.IntN(8)
		return out
	}
	switch r.IntN(8) {
	case 0:
		out[len(out)-1-r.IntN(40)] ^= 1 << r.IntN(8) // mostly no point
	case 1:
		return signature(identity(k.variant))
	case 2:
		return signature(torsion(k.variant))
	case 3:
		return signature(decodePoint(k.variant, out[len(out)-len(identity(k.variant).encode(false)):]).add(torsion(k.variant)))
	case 4:
		return out[:r.IntN(len(out))]
	case 5:
		out[0] ^= 1 << r.IntN(8) // in the bitmap, or in flags
	}
	return out
}

// TestGatherAgreesWithTheSchemesOneByOne gathers votes and certificates of several schemes
// together, with every form of invalid vote among them.
func TestGatherAgreesWithTheSchemesOneByOne(t *testing.T) {
	r := rand.New(rand.NewPCG(30, 30))
	var all []*hostile
	for _, k := range schemeCases {
		all = append(all, newHostile(t, k, 4))
	}
	good := make([][]byte, len(all))
	for i, h := range all {
		good[i] = certify(t, statement(t, h.set, h.subject, 0, 1, 3))
	}
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	made, opened := 0, 0
	for round := range rounds {
		gs := make([]verify.Gathering, r.IntN(41))
		for i := range gs {
			which := r.IntN(len(all))
			if round%2 == 0 {
				which = round / 2 % len(all) // of one scheme
			}
			h := all[which]
			if r.IntN(2) == 0 {
				s := h.mix(r)
				gs[i] = verify.Gathering{Statement: s, Signers: s.Signers}
			} else {
				c := good[which]
				if r.IntN(3) > 0 {
					c = broken(r, h.schemeCase, h, c)
				}
				s := &verify.Statement{Scheme: h.set.Scheme, Subject: subject(uint64(5 + r.IntN(3))), Certificate: c}
				if c == nil {
					s.Certificate = []byte{}
				}
				gs[i] = verify.Gathering{Statement: s}
			}
		}
		verify.Gather(gs)
		for i, g := range gs {
			s := g.Statement
			var c verify.Combination
			var unreadable []wire.Participant
			var err error
			if s.Certificate != nil {
				c, err = s.Scheme.Open(s)
			} else {
				c, unreadable = s.Scheme.Combine(s, g.Signers)
			}
			if (c == nil) != (g.Combination == nil) || !slices.Equal(unreadable, g.Unreadable) || (err == nil) != (g.Err == nil) {
				t.Fatalf("%d of %d: %+v; alone: %v, %v, %v", i, len(gs), g, c, unreadable, err)
			}
			if err != nil && err.Error() != g.Err.Error() {
				t.Fatalf("%v; alone: %v", g.Err, err)
			}
			if c == nil {
				continue
			}
			if s.Certificate != nil {
				opened++
			} else {
				made++
			}
			if !bytes.Equal(c.AppendCertificate(nil), g.Combination.AppendCertificate(nil)) {
				t.Fatalf("%d of %d makes another certificate", i, len(gs))
			}
			one, other := s.Scheme.Check([]verify.Combination{c}), s.Scheme.Check([]verify.Combination{g.Combination})
			if one != other {
				t.Fatalf("%d of %d verifies: %v; alone: %v", i, len(gs), other, one)
			}
		}
	}
	if made < rounds || opened < rounds {
		t.Fatalf("%d combinations of votes and %d certificates prove little", made, opened)
	}
}

func TestGatherCallsTheMethodsOfATypeThatEmbedsAScheme(t *testing.T) {
	set := newSet(t, blsCases[0], 4, 1)
	s := statement(t, set, subject(5), 0, 1, 2)
	c := &counting{Multisig: set.Scheme.(*verify.Multisig)}
	s.Scheme = c
	gs := []verify.Gathering{{Statement: s, Signers: s.Signers}}
	if verify.Gather(gs); c.combined != 1 || gs[0].Combination == nil {
		t.Fatalf("%d calls, combination %v", c.combined, gs[0].Combination)
	}
}

func TestHashesOfABatchAreComputedOnceAndRemembered(t *testing.T) {
	for _, k := range blsCases[:3] {
		set := newSet(t, k, 4, 1)
		gs := make([]verify.Gathering, 12)
		for i := range gs {
			s := statement(t, set, subject(uint64(5+i%5)), 0, 1, 2)
			gs[i] = verify.Gathering{Statement: s, Signers: s.Signers}
		}
		verify.Gather(gs)
		combinations := make([]verify.Combination, len(gs))
		for i := range gs {
			combinations[i] = gs[i].Combination
		}
		if !set.Scheme.Check(combinations) {
			t.Fatalf("%v: they do not verify", k)
		}
		gs = gs[:1]
		gs[0].Statement = statement(t, set, subject(7), 1, 2, 3)
		gs[0].Signers = gs[0].Statement.Signers
		if verify.Gather(gs); !set.Scheme.Check([]verify.Combination{gs[0].Combination}) {
			t.Fatalf("%v: it does not verify when the message is known", k)
		}
	}
}
