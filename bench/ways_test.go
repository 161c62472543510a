package bench

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/verify"
)

func eachWay(t *testing.T, test func(t *testing.T, w *workload, way way)) {
	for _, v := range []verify.Variant{verify.MinSig, verify.MinPk} {
		w, err := newWorkload(Case{Variant: v, Validators: 4, Chunks: 3})
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := others(w)
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := newVerifier(3)
		if err != nil {
			t.Fatal(err)
		}
		defer verifier.Close()
		var names []string
		for _, way := range append(theirs, ours(w, verifier)...) {
			names = append(names, way.name)
			t.Run(v.String()+"/"+way.name, func(t *testing.T) { test(t, w, way) })
		}
		if !slices.Equal(names, Ways()) {
			t.Errorf("the ways are %v, named %v", names, Ways())
		}
	}
}

func TestEveryWayTakesValidAcks(t *testing.T) {
	eachWay(t, func(t *testing.T, _ *workload, way way) {
		run, acks, err := way.prepare(rand.New(rand.NewPCG(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if err := run(); err != nil || acks < 9 {
			t.Errorf("%d acks: %v", acks, err)
		}
	})
}

// A way that verifies nothing would be the fastest.
func TestEveryWayFindsAWrongVote(t *testing.T) {
	eachWay(t, func(t *testing.T, w *workload, way way) {
		good := *w
		defer func() { *w = good }()
		// Every vote of validator 1 is that of another validator: a point of the subgroup, but a
		// wrong one.
		for _, slabs := range []*[][]byte{&w.compressed, &w.uncompressed} {
			*slabs = slices.Clone(*slabs)
			for k, slab := range *slabs {
				size := len(slab) / w.n
				(*slabs)[k] = slices.Concat(slab[:size], slab[:size], slab[2*size:])
			}
		}
		r := rand.New(rand.NewPCG(1, 1))
		for range 100 { // validator 1 may not be drawn at first
			run, _, err := way.prepare(r)
			if err != nil {
				t.Fatal(err)
			}
			if run() != nil {
				return
			}
		}
		t.Error("it verifies")
	})
}

func TestEveryWayTakesValidCertificatesAndFindsAWrongOne(t *testing.T) {
	for _, variant := range []verify.Variant{verify.MinSig, verify.MinPk} {
		w, err := newWorkload(Case{Variant: variant, Validators: 4, Chunks: 8})
		if err != nil {
			t.Fatal(err)
		}
		v, err := newVerifier(8)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		ways, err := receivedWays(w, v)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 1))
		for _, way := range ways {
			run, certificates, err := way.prepare(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := run(); err != nil || certificates != 8 {
				t.Errorf("%v: %s: %d certificates: %v", variant, way.name, certificates, err)
			}
		}
		// The certificates are presented with the wrong subjects.
		slices.Reverse(w.subjects)
		slices.Reverse(w.messages)
		for _, way := range ways {
			run, _, err := way.prepare(r)
			if err != nil {
				t.Fatal(err)
			}
			if run() == nil {
				t.Errorf("%v: %s accepts certificates of other subjects", variant, way.name)
			}
		}
	}
}

func TestACaseOutOfRangeIsRefused(t *testing.T) {
	for _, c := range []Case{{Validators: 0}, {Validators: 10_001}, {Validators: 4, Chunks: -1}} {
		if _, err := Measure(c, 0); err == nil {
			t.Errorf("%+v: measured", c)
		}
		if _, err := MeasureCertificates(c, 10, 0); err == nil {
			t.Errorf("%+v: certificates measured", c)
		}
		if c.Chunks = 0; c.check() == nil {
			continue
		}
		if _, err := MeasureReceived(c, 0); err == nil {
			t.Errorf("%+v: received certificates measured", c)
		}
	}
}

func TestAnEngineCertifiesTheDeliveredAcks(t *testing.T) {
	w, err := newWorkload(Case{Validators: 4, Chunks: warmUp + 3})
	if err != nil {
		t.Fatal(err)
	}
	for _, acks := range encodings {
		way := throughEngine("engine", w, acks, false)
		run, n, err := way.prepare(rand.New(rand.NewPCG(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(run(), way.finish()); err != nil || n != 9 {
			t.Errorf("%v: %d acks: %v", acks, n, err)
		}
	}
}
