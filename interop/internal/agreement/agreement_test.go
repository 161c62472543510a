package agreement

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/interop/internal/record"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// world is a network of four; tests write its locks.
type world struct {
	*testing.T
	set     *testkit.Set
	checker *Checker
}

var from = time.UnixMilli(1_700_000_000_000)

func newWorld(t *testing.T) *world {
	set, err := testkit.New(testkit.Ed25519, 0, 0, 4, []byte("interop"), 1)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t, set, New(set.Scheme, from)}
}

// lock certifies a chunk by three validators from the first one on.
func (w *world) lock(lane, height int, payload byte, first int, after time.Duration) record.Lock {
	l := record.Lock{At: from.Add(after)}
	l.Epoch = 7
	l.Chunk = wire.Chunk{Sequencer: w.set.Scheme.Participants()[lane], Height: uint64(height), Payload: wire.Digest{payload}}
	s := &verify.Statement{Scheme: w.set.Scheme, Subject: l.Subject(), Signers: wire.NewSigners(4), Slab: make([]byte, 4*64)}
	for i := range 3 {
		p := wire.Participant((first + i) % 4)
		vote, err := w.set.Signers[p].SignAck(context.Background(), l.Subject())
		if err != nil {
			w.Fatal(err)
		}
		s.Signers.Add(p)
		copy(s.Vote(p), vote)
	}
	c, _ := w.set.Scheme.Combine(s, s.Signers)
	l.Certificate = c.AppendCertificate(nil)
	return l
}

// sound writes heights 0 to 3 of every lane for every validator.
func (w *world) sound() {
	for validator := range 4 {
		var locks []record.Lock
		for lane := range 4 {
			for h := range 4 {
				locks = append(locks, w.lock(lane, h, 1, validator, time.Duration(h)*time.Second))
			}
		}
		w.write(validator, locks...)
	}
}

func (w *world) write(validator int, locks ...record.Lock) {
	w.Helper()
	var text []byte
	for i := range locks {
		text = locks[i].AppendTo(text)
	}
	if err := w.checker.Locks(validator, bytes.NewReader(text)); err != nil {
		w.Fatal(err)
	}
}

func always(int) bool { return true }

// expect fails the test unless there is exactly one problem, which contains a text, or none if the
// text is empty.
func (w *world) expect(says string) Result {
	w.Helper()
	v := w.checker.Result(always, always)
	switch {
	case says == "" && len(v.Problems) > 0:
		w.Errorf("%q", v.Problems)
	case says != "" && (len(v.Problems) != 1 || !strings.Contains(v.Problems[0], says)):
		w.Errorf("%q, want one: %s", v.Problems, says)
	}
	return v
}

func TestANetworkThatAgreesIsSound(t *testing.T) {
	w := newWorld(t)
	w.sound()
	w.checker.Report(&record.Report{Library: "upstream", Late: map[string]uint64{"stale": 5}, Refused: map[string]uint64{}})
	v := w.expect("")
	// Quorums with four different first members, over four lanes of four heights.
	if v.Certificates != 64 {
		t.Errorf("%d certificates", v.Certificates)
	}
	for i, l := range v.Lanes {
		if want := (Lane{Top: 3, PerS: 1, Gap: time.Second}); l != want {
			t.Errorf("lane %d: %+v", i, l)
		}
	}
}

func TestTwoPayloadsAtOnePlaceAreFound(t *testing.T) {
	w := newWorld(t)
	w.sound()
	w.write(3, w.lock(2, 1, 9, 0, time.Second))
	w.expect("conflict: validator 3: height 1")
}

func TestACertificateThatDoesNotVerifyIsFound(t *testing.T) {
	w := newWorld(t)
	w.sound()
	l := w.lock(2, 4, 1, 0, time.Second)
	l.Certificate = slices.Clone(l.Certificate)
	l.Certificate[len(l.Certificate)-1] ^= 1
	w.write(1, l)
	w.expect("not valid: validator 1: height 4")
}

func TestALaneThatStopsAtOneProcessIsFound(t *testing.T) {
	w := newWorld(t)
	for validator := range 4 {
		for lane := range 4 {
			var locks []record.Lock
			for h := range 4 {
				at := time.Duration(h) * time.Second
				if validator == 2 && lane == 1 {
					at = -at
				}
				locks = append(locks, w.lock(lane, h, 1, 0, at))
			}
			w.write(validator, locks...)
		}
	}
	w.expect("lane 1 does not grow to the end at validator 2")
	v := w.checker.Result(func(lane int) bool { return lane != 1 }, always)
	if len(v.Problems) > 0 {
		t.Errorf("a lane that has ended: %q", v.Problems)
	}
	v = w.checker.Result(always, func(validator int) bool { return validator != 2 })
	if len(v.Problems) > 0 {
		t.Errorf("a process that has ended: %q", v.Problems)
	}
}

func TestRefusalsOfAProcessAreFound(t *testing.T) {
	for says, r := range map[string]record.Report{
		"3 × ack validate failed": {Refused: map[string]uint64{"ack validate failed": 3}},
		"the engine ended":        {Ended: "the engine ended"},
		"counted 2 itself":        {Conflicts: 2},
	} {
		w := newWorld(t)
		w.sound()
		w.checker.Report(&r)
		w.expect(says)
	}
	w := newWorld(t)
	w.sound()
	w.checker.Report(&record.Report{Refused: map[string]uint64{"node": 1}, Samples: []string{"this one"}})
	if v := w.checker.Result(always, always); len(v.Problems) != 2 || !strings.Contains(strings.Join(v.Problems, " "), "this one") {
		t.Errorf("%q", v.Problems)
	}
}

func TestUnreportedHeightsAndHolesAreCounted(t *testing.T) {
	w := newWorld(t)
	w.sound()
	for validator := range 4 {
		w.write(validator, w.lock(0, 7, 1, 0, 9*time.Second))
	}
	w.write(1, w.lock(0, 5, 1, 0, 8*time.Second))
	v := w.expect("")
	if v.Lanes[0].Top != 7 || v.Lanes[0].Missing != 2 || v.Holes[1] != 2 || v.Holes[0] != 3 {
		t.Errorf("%+v, holes %v", v.Lanes[0], v.Holes)
	}
}

func TestProblemsOfOneKindAreBounded(t *testing.T) {
	w := newWorld(t)
	w.sound()
	for h := range 50 {
		w.checker.Report(&record.Report{Ended: strings.Repeat("x", h+1)})
	}
	v := w.checker.Result(always, always)
	if last := v.Problems[len(v.Problems)-1]; len(v.Problems) != 13 || !strings.Contains(last, "38 more") {
		t.Errorf("%d problems, the last %q", len(v.Problems), last)
	}
}
