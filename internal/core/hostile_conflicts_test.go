package core

import (
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// 4.6: What could be found again and again with each message is reported once: of a lane, each
// height only above the highest that has been reported. Else who equivocates at two heights has
// both reported in turn without end.
func TestRule4_6_ConflictsAtTwoHeightsInTurnAreReportedOnceEach(t *testing.T) {
	for name, test := range map[string]struct {
		heights [2]uint64
		reports int
	}{
		"ascending":  {[2]uint64{5, 6}, 2},
		"descending": {[2]uint64{6, 5}, 1}, // conflicts at lower heights are not reported later
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4)
			r.certify(chunk(1, 5, 5), 5)
			r.certify(chunk(1, 6, 6), 5)
			verified := r.c.counts.NodesVerified
			for i := range 100 {
				r.node(r.w.node(1, test.heights[i%2], 99, 98, 5))
				r.verdicts()
			}
			conflicts := 0
			for _, a := range r.faults() {
				if _, ok := a.(*wire.Conflict); ok {
					conflicts++
				}
			}
			expect(t, "conflicts", conflicts, test.reports)
			expect(t, "counted", r.c.Counts().Faults, uint64(len(r.faults())))
			// Each brings one new lock of its parent, and costs a signature verification no more
			// often.
			expect(t, "verified", r.c.counts.NodesVerified-verified, uint64(test.reports))
		})
	}
}

// 4.6: … and so it is with certificates that contradict each other.
func TestRule4_6_ContradictingCertificatesAtTwoHeightsInTurnAreReportedOnceEach(t *testing.T) {
	r := newRig(t, 4)
	r.certify(chunk(1, 5, 5), 5)
	r.certify(chunk(1, 6, 6), 5)
	for i := range 100 {
		if err := r.adopt(r.w.lock(chunk(1, 5+uint64(i%2), 99), 5)); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "faults", len(r.faults()), 2)
	expect(t, "locks", len(r.locks()), 2)
}
