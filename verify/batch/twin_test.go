package batch

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// The slow twin verifies each vote and certificate by itself. For all faults in the statements and
// all earlier batches:
//   - a certificate that is made verifies by itself, and if enough votes are good, one is made;
//   - a vote called invalid is invalid; if no certificate is made, the other votes are no quorum;
//   - without errors that cancel, and without hints, the certificate holds exactly the good votes.
func TestVerdictsAreThoseOfTheSlowTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDecider()
		var schemes []*fake
		for i := range rapid.IntRange(1, 3).Draw(t, "schemes") {
			n := rapid.SampledFrom([]int{1, 2, 4, 7, 10}).Draw(t, "n")
			f := newFake(n, rapid.Bool().Draw(t, "threshold"), uint64(i))
			if !f.threshold && rapid.Bool().Draw(t, "weighted") {
				w, err := verify.NewWeights(rapid.SliceOfN(rapid.Uint64Range(1, 9), n, n).Draw(t, "weights"))
				if err != nil {
					t.Fatal(err)
				}
				f.weights = w
			}
			if i > 0 && rapid.Bool().Draw(t, "same group") {
				f.group = schemes[0].group
			}
			schemes = append(schemes, f)
		}
		for round := range rapid.IntRange(1, 3).Draw(t, "batches") {
			var ss []*verify.Statement
			var twins []twin
			most := rapid.SampledFrom([]int{1, 12}).Draw(t, "at most")
			for i := range rapid.IntRange(1, most).Draw(t, "statements") {
				s, w := drawStatement(t, schemes[rapid.IntRange(0, len(schemes)-1).Draw(t, "scheme")], round*100+i)
				ss, twins = append(ss, s), append(twins, w)
			}
			hinted := d.offenders.Load() != nil || len(ss) > 1
			verdicts, checks, splits := decided(d, ss...)
			if splits > checks {
				t.Fatal("more splits than checks")
			}
			for i, v := range verdicts {
				if err := twins[i].agrees(v, hinted); err != nil {
					t.Fatalf("batch %d, statement %d: %v\nverdict %+v", round, i, err, v)
				}
			}
		}
	})
}

// twin is the result of verifying everything in a statement by itself.
type twin struct {
	s           *verify.Statement
	f           *fake
	signers     wire.Signers // the statement's signers
	bad         wire.Signers // signers whose votes are invalid
	cancelling  bool
	certificate bool // whether it is valid
	proposal    bool // whether it is valid, or absent
}

func drawStatement(t *rapid.T, f *fake, i int) (*verify.Statement, twin) {
	w := twin{f: f, proposal: true}
	subset := func(name string, of wire.Signers) wire.Signers {
		s := wire.NewSigners(f.n)
		for p := range of.All() {
			if rapid.IntRange(0, 3).Draw(t, name) > 0 {
				s.Add(p)
			}
		}
		return s
	}
	if rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
		w.s = f.certificate(i, everyone(f.n))
		w.certificate = true
		if rapid.Bool().Draw(t, "wrong certificate") {
			at := rapid.IntRange(0, len(w.s.Certificate)-1).Draw(t, "at")
			w.s.Certificate[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			_, w.certificate = f.certifies(w.s.Subject, w.s.Certificate)
		}
	} else {
		w.signers = everyone(f.n)
		if rapid.Bool().Draw(t, "some only") {
			w.signers = subset("signer", w.signers)
		}
		w.s = f.votes(i, w.signers.Clone())
		for p := range w.signers.All() {
			switch rapid.IntRange(0, 11).Draw(t, "vote") {
			case 0:
				f.blur(w.s, p)
			case 1:
				f.spoil(w.s, p, element{v: spread(rapid.Uint64Range(1, 1000).Draw(t, "error"), p)})
			case 2:
				f.spoil(w.s, p, element{t: 1})
			case 3:
				f.setVote(w.s, p, element{})
			}
		}
		if ps := slices.Collect(w.signers.All()); len(ps) >= 2 && rapid.IntRange(0, 3).Draw(t, "cancel") == 0 {
			w.cancelling = true
			for k, by := range []element{{v: 5, t: 1}, {v: prime - 5, t: 2}} {
				if _, ok := read(w.s.Vote(ps[k])); ok {
					f.spoil(w.s, ps[k], by)
				}
			}
		}
		w.bad = wire.NewSigners(f.n)
		torsion := 0
		for p := range w.signers.All() {
			if !f.validVote(w.s, p) {
				w.bad.Add(p)
			}
			if e, ok := read(w.s.Vote(p)); ok && e.t != 0 {
				torsion++
			}
		}
		// Interpolation may multiply the only part outside the subgroup by a multiple of its order.
		w.cancelling = w.cancelling || torsion > 1 || torsion == 1 && f.threshold
		if rapid.Bool().Draw(t, "suspects") {
			w.s.Suspects = subset("suspect", w.signers)
		}
		w.s.MayDefer = rapid.IntRange(0, 2).Draw(t, "may defer") == 0
		w.s.EachVote = rapid.IntRange(0, 5).Draw(t, "prove only") == 0
	}
	if rapid.IntRange(0, 4).Draw(t, "proposal") == 0 {
		p := &wire.Proposal{Chunk: w.s.Subject.Chunk}
		p.Chunk.Sequencer = chunkSigner.PublicKey()
		p.Signature, _ = chunkSigner.SignChunk(context.Background(), p.Chunk)
		if rapid.Bool().Draw(t, "wrong proposal") {
			p.Chunk.Height += 1000
			w.proposal = false
		}
		w.s.Proposal = p
	}
	return w.s, w
}

// spread turns small errors into errors that do not cancel by chance. Small errors would:
// interpolation from the votes of 0, 1 and 2 multiplies them by 3, -3 and 1, so that equal errors
// of 0 and 1 give a valid certificate.
func spread(e uint64, p wire.Participant) uint64 {
	for range p + 1 {
		e = mul(e, 0x9e3779b97f4a7c15%prime)
	}
	return e
}

func (w twin) agrees(v verify.Verdict, hinted bool) error {
	switch {
	case v.Statement != w.s || v.Err != nil:
		return fmt.Errorf("of another statement, or no verdict")
	case v.ProposalValid != w.proposal:
		return fmt.Errorf("proposal valid: want %v", w.proposal)
	case !w.proposal:
		if v.CertificateValid || v.Certificate != nil || v.Invalid != nil {
			return fmt.Errorf("worked on though the proposal is bad")
		}
		return nil
	case w.s.Certificate != nil:
		if v.CertificateValid != w.certificate || v.Certificate != nil || v.Invalid != nil {
			return fmt.Errorf("certificate valid: want %v", w.certificate)
		}
		return nil
	}
	if !w.s.Signers.Equal(w.signers) {
		return fmt.Errorf("the statement's signers were changed")
	}
	if !slices.IsSorted(v.Invalid) || len(slices.Compact(slices.Clone(v.Invalid))) != len(v.Invalid) {
		return fmt.Errorf("invalid not ascending")
	}
	left := w.signers.Clone()
	for _, p := range v.Invalid {
		if !w.bad.Has(p) {
			return fmt.Errorf("%d is called invalid and is not", p)
		}
		left.Remove(p)
	}
	good := w.signers.Clone()
	good.RemoveAll(w.bad)
	if w.s.EachVote {
		if !left.Equal(good) || v.CertificateValid != (w.bad.Count() == 0) || v.Certificate != nil {
			return fmt.Errorf("prove only: left %v, want %v", left, good)
		}
		return nil
	}
	for p := range w.s.Suspects.All() {
		if w.bad.Has(p) && left.Has(p) {
			return fmt.Errorf("suspect %d is bad and was not found out", p)
		}
	}
	quorum := w.f.quorum()
	if v.CertificateValid != (v.Certificate != nil) {
		return fmt.Errorf("certificate valid, and none there, or the reverse")
	}
	if v.Deferred != nil {
		for _, p := range v.Deferred {
			if w.s.Suspects.Has(p) || !left.Has(p) {
				return fmt.Errorf("%d, whose vote has been looked at, is the reason to come back undecided", p)
			}
		}
		if !w.s.MayDefer || !hinted || v.Certificate != nil || w.f.weigh(left) < quorum ||
			w.f.weigh(left)-w.f.weigh(signersOf(w.f.n, v.Deferred...)) >= quorum {
			return fmt.Errorf("came back undecided")
		}
		return nil
	}
	if v.Certificate == nil {
		if w.f.weigh(good) >= quorum {
			return fmt.Errorf("enough good votes, no certificate")
		}
		if w.f.weigh(left) >= quorum {
			return fmt.Errorf("no certificate, yet %d votes are not refuted", left.Count())
		}
		return nil
	}
	signers, ok := w.f.certifies(w.s.Subject, v.Certificate)
	if !ok {
		return fmt.Errorf("the certificate made does not verify")
	}
	if !w.f.threshold && w.f.weigh(signers) < quorum {
		return fmt.Errorf("the certificate is short of a quorum")
	}
	if !w.cancelling && !hinted {
		if !left.Equal(good) {
			return fmt.Errorf("invalid %v, bad %v", v.Invalid, slices.Collect(w.bad.All()))
		}
		if !w.f.threshold && !signers.Equal(good) {
			return fmt.Errorf("certificate of %v, good %v", signers, good)
		}
	}
	return nil
}
