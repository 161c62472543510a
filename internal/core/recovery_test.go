package core

import (
	"errors"
	"math"
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
		"end of a recovery, flags":  {recordRecovered, 16},
		"end of a recovery, open":   {recordRecovered, recoveredOpen, 0},
		"end of a recovery, marks":  append([]byte{recordRecovered, recoveredOpen, 1}, make([]byte, 32)...),
		"end of a recovery, key":    append([]byte{recordRecovered, recoveredOpen, 0}, make([]byte, 31)...),
		"mark, cut":                 append([]byte{recordMark}, make([]byte, 32)...),
		"mark, long":                append([]byte{recordMark}, make([]byte, 34)...),
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

// 5.5: Memory is bounded by configuration, however long the process runs.
//
// That goes for a restart too: what is dead in a long journal is released as it is replayed, also
// on a lane of which the process gets acks and no nodes, or no more of them. The twin keeps all
// locks until the end.
func TestRule5_5_RecoveryOfALongJournalHoldsOnlyTheTopsOfLanes(t *testing.T) {
	const heights = 3000
	of := id(1)
	for name, hasNode := range map[string]func(height uint64) bool{
		"nodes and locks":         func(uint64) bool { return true },
		"locks only":              func(uint64) bool { return false },
		"nodes up to some height": func(height uint64) bool { return height <= 100 },
		"a few nodes":             func(height uint64) bool { return height%1000 == 7 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(4, true)
			var journal [][]byte
			for h := uint64(1); h < heights; h++ {
				lock := w.lock(chunk(1, h-1, 7), 5)
				journal = append(journal, lock.AppendTo([]byte{recordLock}))
				if hasNode(h) {
					n := on(lock, 7)
					journal = append(journal, n.AppendTo([]byte{recordNode}))
				}
				if h%reportedEvery == 0 {
					journal = append(journal, reportedThrough(len(journal)).AppendTo([]byte{recordReported}))
				}
			}
			recover := func(twin bool) (c *Core, live []uint64) {
				cfg := defaults(id(0))
				cfg.Sets = &view{world: w, me: id(0)}
				c = New(cfg)
				dead := make(map[uint64]bool)
				carryOut := func() {
					for _, e := range c.Effects() {
						if e.Kind == Release {
							expect(t, "released before", dead[e.Position], false)
							dead[e.Position] = true
						}
					}
					c.Done()
				}
				for i, rec := range journal {
					if err := c.Recover(uint64(i+1), rec); err != nil {
						t.Fatal(err)
					}
					r := c.lanes.find(&of).recovered
					if twin {
						r.limit = math.MaxInt
					} else if len(c.Effects()) > 4*reportedEvery || len(r.locks) > 4*reportedEvery {
						t.Fatalf("record %d: %d effects, %d locks held", i+1, len(c.Effects()), len(r.locks))
					}
					carryOut()
				}
				c.Start(0, 5, uint64(len(journal)+1))
				carryOut()
				for i := range journal {
					if !dead[uint64(i+1)] {
						live = append(live, uint64(i+1))
					}
				}
				return c, live
			}
			c, live := recover(false)
			twin, want := recover(true)
			if !slices.Equal(live, want) || !slices.Equal(c.Lanes(), twin.Lanes()) {
				t.Fatalf("of %d records %d live, of the twin's %d; lanes %v and %v", len(journal), len(live), len(want), c.Lanes(), twin.Lanes())
			}
			held, wanted := c.lanes.find(&of).votes.All(), twin.lanes.find(&of).votes.All()
			expect(t, "certificates", len(held), len(wanted))
			for i := range held {
				expect(t, "certificate", held[i].Subject(), wanted[i].Subject())
			}
		})
	}
}

// 5.5: Memory is bounded by configuration.
//
// Many effects at once, or long records, leave no memory that stays.
func TestRule5_5_WhatABurstOfEffectsTookIsNotKept(t *testing.T) {
	r := newRig(t, 4)
	for range 10 * maxEffects {
		r.c.effects.emit(Release)
	}
	r.c.effects.encode(recordNode, &wire.Node{Chunk: chunk(1, 1, 1), Parent: wire.Parent{Certificate: make([]byte, 2*maxScratch)}})
	r.c.Done()
	if n := cap(r.c.effects.list); n > maxEffects {
		t.Errorf("room for %d effects is kept", n)
	}
	if n := cap(r.c.effects.scratch); n > maxScratch {
		t.Errorf("%d bytes are kept", n)
	}
}

// A record that is dead may come again.
//
// Compaction may have left a copy of it behind what replaced it.
func TestADeadRecordThatComesAgainIsReleasedAgain(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	r.certifyOwn(c, 5)
	c = r.propose(2)
	r.certifyOwn(c, 5)
	r.tip(r.w.node(1, 1, 1, 0, 5))
	r.c.reports.record()
	r.c.reports.record()
	r.drain()
	r.sync()
	records, lanes := slices.Clone(r.disk.Records), r.c.Lanes()
	came := make(map[RecordKind]bool)
	for again := range records {
		cfg := r.cfg
		core := New(cfg)
		dead := make(map[uint64]bool)
		for i := 0; i <= len(records); i++ {
			rec := records[again]
			if i < len(records) {
				rec = records[i]
			} else if !dead[rec.Position] {
				break // only what has been released comes again
			}
			if err := core.Recover(rec.Position, rec.Bytes); err != nil {
				t.Fatal(err)
			}
			for _, e := range core.Effects() {
				dead[e.Position] = true
			}
			came[RecordKind(rec.Bytes[0])] = came[RecordKind(rec.Bytes[0])] || i == len(records)
			if i == len(records) && (len(core.Effects()) != 1 || core.Effects()[0].Position != rec.Position) {
				t.Errorf("record %d, of kind %v, is dead, comes again and leads to %d releases", rec.Position, RecordKind(rec.Bytes[0]), len(core.Effects()))
			}
			core.Done()
		}
		core.Start(0, 5, r.disk.Next)
		if !slices.Equal(core.Lanes(), lanes) {
			t.Errorf("with record %d again: lanes %v, want %v", records[again].Position, core.Lanes(), lanes)
		}
	}
	for _, kind := range []RecordKind{TipRecord, ProposalRecord, ReportedRecord} {
		expect(t, kind.String()+" came again", came[kind], true)
	}
}
