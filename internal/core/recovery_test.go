package core

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

func TestRecoveryShowsTipsToTheApplicationAgainAndAcksThem(t *testing.T) {
	r := newRig(t, 4)
	r.tip(r.w.node(1, 1, 1, 0, 5))
	r.answer(Approved)
	r.sign(nil)
	r.reports, r.acks = nil, nil
	r.crash(r.disk.Durable, true)
	expectChunks(t, "questions", r.asks, chunk(1, 1, 1))
	r.answer(Approved)
	r.sign(nil)
	expectChunks(t, "tips", r.tips(), chunk(1, 1, 1))
	expect(t, "acks", len(r.acks), 1)
}

func TestRecoveryIsTheSameInWhateverOrderTheRecordsComeBack(t *testing.T) {
	r := newRig(t, 4)
	for h := uint64(1); h < 6; h++ {
		r.tip(r.w.node(1, h, int(h), int(h-1), 5))
		r.tip(r.w.node(2, h, int(h), int(h-1), 5))
	}
	r.certify(chunk(2, 5, 5), 5)
	r.certify(chunk(2, 5, 5), 6)
	r.sync()
	lanes := r.c.Lanes()
	random := rand.New(rand.NewPCG(1, 2))
	for _, recorded := range []bool{false, true} {
		if recorded { // in the journal, that is, which it is now and then
			r.c.reports.record()
			r.drain()
			r.sync()
		}
		records := slices.Clone(r.disk.Records)
		for range 50 {
			random.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
			r.disk.Records = slices.Clone(records)
			r.reports = nil
			r.crash(r.disk.Durable, false) // none compacted: released ones come back
			if got := r.c.Lanes(); !slices.Equal(got, lanes) {
				t.Fatalf("lanes %+v, want %+v", got, lanes)
			}
			expect(t, "faults", len(r.faults()), 0)
			if recorded {
				expect(t, "locks", len(r.locks()), 5) // of lane 1 at 3 and 4; of lane 2 at 4 and twice at 5
				expect(t, "live records", r.disk.Live(), 2+5+1)
			} else {
				expect(t, "locks", len(r.locks()), 12) // all that there are
				expect(t, "live records", r.disk.Live(), 2+5)
			}
		}
	}
}

func TestRecoveryOfACompactedJournalLosesNothing(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	r.certifyOwn(c, 5)
	c = r.propose(2)
	r.certifyOwn(c, 5)
	r.sync()
	r.crash(r.disk.Durable, true)
	expect(t, "records", len(r.disk.Records), 3) // the tip, two locks
	expectChunks(t, "goes on above its tip", r.proposes, wire.Chunk{Sequencer: id(0), Height: 2})
}

func TestRecoveryWhereOnlyTheTipSurvivedTakesItsParentFromIt(t *testing.T) {
	r := newRig(t, 4)
	r.tip(r.w.node(1, 1, 1, 0, 5))
	r.disk.Records = slices.DeleteFunc(r.disk.Records, func(d model.Record) bool { return d.Bytes[0] == recordLock })
	r.crash(r.disk.Durable, false)
	_, ok := r.c.Certificate(id(1), 0)
	expect(t, "held", ok, true)
}

func TestRecoveredContradictionsAreReportedAgain(t *testing.T) {
	r := newRig(t, 4)
	r.tip(r.w.node(1, 1, 1, 0, 5))
	r.certify(chunk(1, 1, 1), 5)
	r.tip(r.w.node(1, 2, 3, 9, 5))
	r.sync()
	r.reports = nil
	r.crash(r.disk.Durable, true)
	f := fault[*wire.LockConflict](r)
	if f.First.Chunk.Payload == f.Second.Chunk.Payload {
		t.Fatal("no conflict in it")
	}
}

func TestARecordThatIsNotOursIsRefused(t *testing.T) {
	lock := newWorld(4, true).lock(chunk(1, 0, 1), 5)
	n := genesis(1, 1)
	for name, rec := range map[string][]byte{
		"empty":                     nil,
		"unknown":                   {9, 1, 2, 3},
		"bad proposal":              n.AppendTo([]byte{recordProposal})[:50],
		"end of a recovery, empty":  {recordRecovered},
		"end of a recovery, flags":  {recordRecovered, 2},
		"end of a recovery, cut":    append([]byte{recordRecovered, 0}, make([]byte, 31)...),
		"end of a recovery, height": append([]byte{recordRecovered, 0}, make([]byte, 32)...),
		"dormant lane, short":       append([]byte{recordRest}, make([]byte, 32)...),
		"dormant lane, flags":       append(append([]byte{recordRest}, make([]byte, 32)...), 16),
		"dormant lane, height":      append(append([]byte{recordRest}, make([]byte, 32)...), restCertified),
		"dormant lane, tip":         append(append([]byte{recordRest}, make([]byte, 32)...), restTip),
		"dormant lane, long tip":    append(append([]byte{recordRest}, make([]byte, 32)...), restTip, 200, 1),
		"dormant lane, bad tip":     append(append([]byte{recordRest}, make([]byte, 32)...), restTip, 2, 1, 1),
		"dormant lane, bad lock":    append(append([]byte{recordRest}, make([]byte, 32)...), restLock, 1),
		"dormant lane, too long":    append(append([]byte{recordRest}, make([]byte, 32)...), 0, 1),
		"dormant lane, another's":   lock.AppendTo(append(append([]byte{recordRest}, make([]byte, 32)...), restLock)),
		"reported locks, empty":     {recordReported},
		"reported locks, too long":  {recordReported, 1, 1},
		"bad node":                  n.AppendTo([]byte{recordNode})[:50],
		"bad lock":                  lock.AppendTo([]byte{recordLock})[:50],
		"node only":                 {recordNode},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := defaults(id(0))
			cfg.Sets = &view{world: newWorld(4, true), me: id(0)}
			c := New(cfg)
			if err := c.Recover(1, rec); !errors.Is(err, ErrRecord) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestTwoTipsAtOneHeightAreNoJournalOfOurs(t *testing.T) {
	cfg := defaults(id(0))
	cfg.Sets = &view{world: newWorld(4, true), me: id(0)}
	c := New(cfg)
	a, b := genesis(1, 1), genesis(1, 2)
	if err := c.Recover(1, a.AppendTo([]byte{recordNode})); err != nil {
		t.Fatal(err)
	}
	if err := c.Recover(2, a.AppendTo([]byte{recordNode})); err != nil {
		t.Fatalf("the same twice: %v", err)
	}
	if err := c.Recover(3, b.AppendTo([]byte{recordNode})); !errors.Is(err, ErrRecord) {
		t.Fatalf("got %v", err)
	}
}

func TestARecoveredRecordIsCopied(t *testing.T) {
	r := newRig(t, 4)
	r.tip(r.w.node(1, 1, 1, 0, 5))
	want, _ := r.c.Certificate(id(1), 0)
	c := New(r.cfg)
	for _, rec := range r.disk.Records {
		b := slices.Clone(rec.Bytes)
		if err := c.Recover(rec.Position, b); err != nil {
			t.Fatal(err)
		}
		clear(b)
	}
	c.Start(0, 5, r.disk.Next)
	got, _ := c.Certificate(id(1), 0)
	expect(t, "certificate", string(got.Certificate), string(want.Certificate))
}

func TestRecoveryOfALongJournalHoldsOnlyTheTopOfALane(t *testing.T) {
	r := newRig(t, 4)
	l := r.c.lane(chunk(1, 0, 0).Sequencer)
	for h := uint64(1); h < 5000; h++ {
		n := wire.Node{Chunk: chunk(1, h, 7), Parent: wire.Parent{Payload: chunk(1, h-1, 7).Payload, Certificate: []byte{1}}}
		lock := wire.Lock{Chunk: chunk(1, h-1, 7), Certificate: []byte{1}}
		for k, rec := range [][]byte{lock.AppendTo([]byte{recordLock}), n.AppendTo([]byte{recordNode})} {
			if err := r.c.Recover(2*h+uint64(k), rec); err != nil {
				t.Fatal(err)
			}
		}
		if h%reportedEvery == 0 {
			through := reportedThrough(2 * (h - 1))
			if err := r.c.Recover(20000+h, through.AppendTo([]byte{recordReported})); err != nil {
				t.Fatal(err)
			}
		}
		if held := len(l.recovered.locks); held > 4*reportedEvery {
			t.Fatalf("height %d: %d locks held", h, held)
		}
	}
	expect(t, "records that are live or known to be dead", len(l.recovered.locks)+len(l.recovered.dead)+1, 2*4999)
}
