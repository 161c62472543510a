package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/lanecast/lanecast/internal/crashfs"
)

// model holds the knowledge of the journal's owner, and checks the invariants after a crash.
type model struct {
	records  map[Position][]byte
	released map[Position]Position // value: the last position appended before the call of Release
	durable  Position              // as reported by the journal
}

func (m *model) check(found map[Position][]byte, next Position) error {
	for p, b := range found {
		want, ok := m.records[p]
		if !ok {
			return fmt.Errorf("record %d was invented, or rose from the dead", p)
		}
		if !bytes.Equal(b, want) {
			return fmt.Errorf("record %d has other bytes", p)
		}
	}
	for p := range m.records {
		if _, ok := found[p]; ok || p > m.durable {
			continue
		}
		if barrier, ok := m.released[p]; !ok || barrier > m.durable {
			return fmt.Errorf("record %d was called durable and is lost", p)
		}
	}
	if next <= m.durable {
		return fmt.Errorf("next position %d would be used again", next)
	}
	if _, ok := found[1]; !ok && m.durable == 0 {
		return errors.New("the log was opened without its first record")
	}
	return nil
}

// newModel returns the model of an owner whose first Open has not succeeded yet.
func newModel() *model { return &model{records: map[Position][]byte{1: []byte(firstRecord)}} }

// crashConfig returns the configuration of a history: every third one compresses, every second one
// writes watermarks while it runs, the others only in Open and Close.
func crashConfig(fs FS, seed uint64) Config {
	c := creating(Config{
		Dir: "j", FS: fs, SegmentSize: 1 << 10, MaxSegments: 2, ReplayBuffer: 4 << 10,
		moveRound: 300, page: 64, manual: true,
	})
	if seed%3 == 0 {
		c.CompressAbove = 64
	}
	if seed%2 == 0 {
		c.markBytes = 300
	}
	return c
}

// reopen opens the journal on fs, compares the records with the model, and then updates the model
// to them.
func (m *model) reopen(fs FS, seed uint64) (*Journal, error) {
	found := map[Position][]byte{}
	j, err := Open(crashConfig(fs, seed), func(p Position, record []byte) error {
		if _, twice := found[p]; twice {
			return fmt.Errorf("record %d comes twice", p)
		}
		found[p] = bytes.Clone(record)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := m.check(found, j.Next()); err != nil {
		return nil, fmt.Errorf("wrong recovery: %w", err)
	}
	m.records, m.released, m.durable = found, map[Position]Position{}, j.Next()-1
	return j, nil
}

// drive simulates an owner of the journal until the journal fails or all steps are done. Equal
// seeds give equal histories.
func (m *model) drive(j *Journal, rng *rand.Rand, steps int) {
	for range steps {
		switch n := rng.IntN(10); {
		case n < 5:
			b := make([]byte, rng.IntN(250))
			for i := range b {
				b[i] = byte(rng.IntN(1 + rng.IntN(256)))
			}
			p, err := j.Append(b)
			if err != nil {
				return
			}
			m.records[p] = b
		case n < 8:
			// Mostly recent ones, so that some old records keep their segments alive.
			for range 4 {
				p := Position(1 + rng.IntN(int(j.Next()-1)))
				if p%7 == 3 && rng.IntN(8) > 0 {
					continue
				}
				j.Release(p)
				if _, ok := m.released[p]; !ok {
					m.released[p] = j.Next() - 1
				}
			}
		default:
			for more := true; more && j.Err() == nil; {
				more = j.cycle()
			}
			m.durable = j.Durable()
			if j.Err() != nil {
				return
			}
		}
	}
	_ = j.Close() // the crash may happen here
	m.durable = j.Durable()
}

// outcomes counts crashes.
type outcomes struct {
	all       int
	reused    int // crashes that left a tail in the file of an older segment
	created   int // crashes that left no log, so that one was created
	tornMarks int // crashes that left one slot of the watermark file without a watermark
}

// soundSlots returns how many slots of the watermark file hold a watermark.
func soundSlots(t *testing.T, fs *memFS) (n int) {
	t.Helper()
	file, ok := fs.Names[filepath.Join("j", markName)]
	for slot := 0; ok && slot < 2; slot++ {
		sound, err := new(watermark).decode(file.Data()[slot*slotSize:][:markSize])
		if err != nil {
			t.Fatal(err)
		}
		if sound {
			n++
		}
	}
	return n
}

// crashes runs one history with a crash at each operation.
func (o *outcomes) crashes(t *testing.T, seed uint64, steps, modes int) {
	run := func(crashAt int) (*memFS, *model, bool) {
		fs := newMemFS()
		fs.CrashAt = crashAt
		m := newModel()
		if j, err := m.reopen(fs, seed); err == nil {
			m.drive(j, rand.New(rand.NewPCG(seed, 1)), steps)
		} else if !errors.Is(err, crashfs.ErrCrashed) {
			t.Fatalf("seed %d: open: %v", seed, err)
		}
		return fs, m, crashAt > 0 && fs.Ops >= crashAt
	}
	for at := 1; ; at++ {
		if _, _, reached := run(at); !reached {
			return
		}
		for mode := range modes {
			fs, m, _ := run(at)
			rng := rand.New(rand.NewPCG(seed, uint64(at*1000+mode)))
			// Crashes happen also during recovery and after it.
			for generation := range 4 {
				o.all++
				if rng.IntN(3) == 0 {
					fs = fs.Kill()
				} else {
					fs = fs.Crash(rng, mode)
				}
				if generation < 3 {
					fs.CrashAt = 1 + rng.IntN(12)*rng.IntN(12)
				}
				slots := soundSlots(t, fs)
				j, err := m.reopen(fs, seed)
				if err == nil {
					if j.writer.ledger.tail().used {
						o.reused++
					}
					if j.Recovery().Created {
						o.created++
					} else if slots == 1 && j.Next() > 2 {
						o.tornMarks++
					}
					m.drive(j, rng, 20)
				} else if !errors.Is(err, crashfs.ErrCrashed) {
					t.Fatalf("seed %d, crash at operation %d, outcome %d, generation %d: %v", seed, at, mode, generation, err)
				}
			}
		}
	}
}

// LANECAST_CRASH_HISTORIES sets the number of histories; each has several thousand crashes.
func TestDurableRecordsSurviveACrashAtEveryOperation(t *testing.T) {
	histories := 2
	if s := os.Getenv("LANECAST_CRASH_HISTORIES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		histories = n
	}
	var o outcomes
	for seed := range histories {
		o.crashes(t, uint64(seed), 90, 4)
	}
	t.Logf("%d crashes: %d left a tail in a file used before, %d no log, %d one watermark of two",
		o.all, o.reused, o.created, o.tornMarks)
	if o.all < 2000 || o.reused < 200 || o.created < 50 || o.tornMarks < 50 {
		t.Fatalf("too few of one kind: %+v", o)
	}
}
