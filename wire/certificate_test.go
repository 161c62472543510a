package wire_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/wire"
	"pgregory.net/rapid"
)

func TestCertificatesSplitIntoSignersAndSignatures(t *testing.T) {
	for _, c := range []struct {
		name    string
		format  wire.Format
		encoded string
		signers wire.Signers
		sigs    string
	}{
		{"multisig", multisig(10), aggregate, signersOf(10, 0, 2, 9), "C0*48"},
		{"multisig over a shorter bitmap", multisig(10), "0000000000000001 01 C0*48", signersOf(1, 0), "C0*48"},
		{"multisig of 8", multisig(8), "0000000000000008 80 C0*48", signersOf(8, 7), "C0*48"},
		{"multisig of 9", multisig(9), "0000000000000009 0001 C0*48", signersOf(9, 8), "C0*48"},
		{"multisig in G2", wire.Format{Kind: wire.SignersAndAggregate, Participants: 10, Signature: g2},
			signers10 + " C0*96", signersOf(10, 0, 2, 9), "C0*96"},
		{"threshold", threshold(10), "C1*48", wire.Signers{}, "C1*48"},
		{"ed25519", ed25519List(3), list, signersOf(3, 1, 2), "01*64 02*64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := unhex(t, c.encoded)
			s, sigs, err := c.format.SplitCertificate(b)
			if err != nil {
				t.Fatal(err)
			}
			if !s.Equal(c.signers) || !bytes.Equal(sigs, unhex(t, c.sigs)) {
				t.Errorf("split into %v and %x", s, sigs)
			}
			if most := c.format.MaxCertificateSize(); len(b) > most {
				t.Errorf("%d bytes, MaxCertificateSize says %d", len(b), most)
			}
			_, _, err = c.format.SplitCertificate(append(b, 0))
			mustFail(t, err, wire.ErrTrailing)
		})
	}
}

func TestTheLargestCertificateHasTheSizeOfItsFormat(t *testing.T) {
	for _, n := range []int{1, 4, 7, 8, 9, 100, 127, 128, 300} {
		everyone := wire.NewSigners(n)
		for i := range n {
			everyone.Add(wire.Participant(i))
		}
		one := func(wire.Participant) []byte { return filled(ed, 1) }
		for _, c := range []struct {
			format wire.Format
			bytes  []byte
		}{
			{multisig(n), wire.AppendSignersAndAggregate(nil, everyone, filled(g1, 1))},
			{ed25519List(n), wire.AppendSignersAndList(nil, everyone, one)},
			{threshold(n), filled(g1, 1)},
		} {
			if got := c.format.MaxCertificateSize(); got != len(c.bytes) {
				t.Errorf("n = %d, kind %d: MaxCertificateSize is %d, the largest has %d bytes", n, c.format.Kind, got, len(c.bytes))
			}
			if _, _, err := c.format.SplitCertificate(c.bytes); err != nil {
				t.Errorf("n = %d, kind %d: %v", n, c.format.Kind, err)
			}
		}
	}
}

func TestSignersAreASetOfParticipants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(t, "n")
		model := map[wire.Participant]bool{}
		s := wire.NewSigners(n)
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			if n == 0 {
				break
			}
			i := wire.Participant(rapid.IntRange(0, n-1).Draw(t, "participant"))
			if rapid.Bool().Draw(t, "add") {
				s.Add(i)
				model[i] = true
			} else {
				s.Remove(i)
				delete(model, i)
			}
		}
		if s.Len() != n || s.Count() != len(model) {
			t.Fatalf("Len %d, Count %d, want %d and %d", s.Len(), s.Count(), n, len(model))
		}
		var all []wire.Participant
		for i := range s.All() {
			all = append(all, i)
		}
		if len(all) != len(model) || !slices.IsSorted(all) {
			t.Fatalf("All yields %v, want the ascending keys of %v", all, model)
		}
		for i := range wire.Participant(n + 70) {
			if s.Has(i) != model[i] {
				t.Fatalf("Has(%d) is %v", i, s.Has(i))
			}
		}
	})
}

func TestSignersCombineAsSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 100).Draw(t, "n")
		draw := func(name string) wire.Signers {
			who := rapid.SliceOf(rapid.IntRange(0, n-1)).Draw(t, name)
			s := wire.NewSigners(n)
			for _, i := range who {
				s.Add(wire.Participant(i))
			}
			return s
		}
		a, b := draw("a"), draw("b")
		union, rest, copied := a.Clone(), a.Clone(), wire.NewSigners(n)
		union.AddAll(b)
		rest.RemoveAll(b)
		copied.CopyFrom(a)
		for i := range wire.Participant(n) {
			if union.Has(i) != (a.Has(i) || b.Has(i)) {
				t.Fatalf("union is wrong at %d", i)
			}
			if rest.Has(i) != (a.Has(i) && !b.Has(i)) {
				t.Fatalf("difference is wrong at %d", i)
			}
		}
		if !copied.Equal(a) || a.Equal(wire.NewSigners(n+8)) {
			t.Fatal("a copy is equal, and a set over more validators is not")
		}
		copied.Clear()
		if copied.Count() != 0 || copied.Len() != n {
			t.Fatal("Clear leaves signers behind or forgets the validators")
		}
		encoded := a.AppendTo(nil)
		if len(encoded) != a.Size() || len(encoded) != 8+(n+7)/8 {
			t.Fatalf("%d bytes, Size says %d", len(encoded), a.Size())
		}
	})
}

func TestACloneSharesNothing(t *testing.T) {
	a := signersOf(10, 3)
	b := a.Clone()
	b.Add(4)
	if a.Has(4) {
		t.Error("a signer added to the clone is in the original")
	}
}

func TestWalkingOverSignersCanStopEarly(t *testing.T) {
	var seen []wire.Participant
	for i := range signersOf(300, 5, 64, 299).All() {
		seen = append(seen, i)
		if i == 64 {
			break
		}
	}
	if !slices.Equal(seen, []wire.Participant{5, 64}) {
		t.Errorf("saw %v", seen)
	}
}

func TestMisuseOfSignersPanics(t *testing.T) {
	s := wire.NewSigners(10)
	mustPanic(t, "participant outside the validator set", func() { s.Add(10) })
	mustPanic(t, "participant outside the validator set", func() { s.Add(1<<32 - 1) })
	mustPanic(t, "participant outside the validator set", func() { s.Remove(10) })
	mustPanic(t, "signers of different validator sets", func() { s.AddAll(wire.NewSigners(11)) })
	mustPanic(t, "signers of different validator sets", func() { s.RemoveAll(wire.NewSigners(9)) })
	mustPanic(t, "signers of different validator sets", func() { s.CopyFrom(wire.NewSigners(16)) })
}
