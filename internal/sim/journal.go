package sim

import (
	"bytes"
	"errors"
	"math/rand/v2"

	"github.com/lanecast/lanecast/internal/crashfs"
	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/journal"
)

// realJournal is a journal of package journal below a process, on a file system that crashes: at
// any operation of the journal's goroutine, with any outcome for unsynced data. Each of its crashes
// is a crash of the process. All records are also written to the model, and the recovered ones are
// compared with it.
type realJournal struct {
	process *process
	random  *rand.Rand // separate from the network's: the number of calls depends on that goroutine
	fs      *crashfs.FS[journal.File]
	journal *journal.Journal
	first   []byte // the first record, while the journal is created
	moved   chan struct{}
}

// newRealJournal creates a journal with its first record, and writes that to the model as well.
func newRealJournal(p *process, first []byte) *realJournal {
	l := &realJournal{
		process: p, random: rand.New(rand.NewPCG(p.net.Seed, uint64(p.index))), moved: make(chan struct{}, 1),
		fs: crashfs.New(func(f crashfs.File) journal.File { return f }, journal.ErrLocked),
	}
	l.first = first
	err := l.open(func(_ journal.Position, b []byte) error {
		p.disk.Durable = p.disk.Append(b)
		return nil
	})
	if err != nil || p.disk.Next != uint64(l.journal.Next()) {
		p.net.fail("%s: a new journal: %d records, %w", p.name, p.disk.Next-1, err)
	}
	l.first = nil
	l.arm()
	return l
}

func (l *realJournal) open(replay func(journal.Position, []byte) error) (err error) {
	j, err := journal.Open(journal.Config{
		Dir: "j", FS: l.fs, SegmentSize: 16 << 10, MaxSegments: 2, WriteBuffer: 4 << 10, ReplayBuffer: 4 << 10,
		Create: l.first != nil, First: l.first,
		Notify: func() {
			select {
			case l.moved <- struct{}{}:
			default:
			}
		},
	}, replay)
	if err == nil {
		l.journal = j
	}
	return err
}

// close ends the journal's goroutine; l may be nil.
func (l *realJournal) close() {
	if l != nil {
		_ = l.journal.Close() // it may have crashed
	}
}

func (l *realJournal) append(b []byte, want uint64) {
	// An error is not a failure of the run: the record is lost in the buffer of a crashed disk.
	if p, err := l.journal.Append(b); err == nil && uint64(p) != want {
		l.process.net.fail("%s: the journal gave position %d, the core expects %d", l.process.name, p, want)
	}
}

// wait waits until the journal reports position as durable; it returns false if the crash happens
// first.
func (l *realJournal) wait(position uint64) bool {
	if l.process.net.faultsEnded {
		l.fs.Mu.Lock()
		if l.fs.Ops < l.fs.CrashAt {
			l.fs.CrashAt = 0
		}
		l.fs.Mu.Unlock()
	}
	for uint64(l.journal.Durable()) < position {
		if l.journal.Err() != nil {
			return false
		}
		<-l.moved
	}
	return true
}

// crash stops the disk, unless it has crashed already, and replaces the model's records by those
// that the journal recovers. It fails the run if a record reported as durable is missing, or if one
// was never written. It returns the last position reported as durable.
func (l *realJournal) crash(d *model.Disk) (durable uint64) {
	n, name := l.process.net, l.process.name
	l.stop()
	durable = uint64(l.journal.Durable())
	l.close()
	written := make(map[uint64]*model.Record)
	for i := range d.Records {
		written[d.Records[i].Position] = &d.Records[i]
	}
	for {
		n.Stats.Faults[JournalCrashed]++
		if l.random.IntN(4) == 0 {
			l.fs = l.fs.Kill()
		} else {
			l.fs = l.fs.Crash(l.random, l.random.IntN(6))
		}
		if !n.faultsEnded && l.random.IntN(2) == 0 {
			l.fs.CrashAt = 1 + l.random.IntN(12) // a crash during recovery, or soon after it
		}
		var recovered []model.Record
		found := make(map[uint64]bool)
		err := l.open(func(p journal.Position, b []byte) error {
			if w := written[uint64(p)]; w == nil || !bytes.Equal(w.Bytes, b) {
				n.fail("%s: record %d was never written like that", name, p)
			}
			recovered = append(recovered, model.Record{Position: uint64(p), Bytes: bytes.Clone(b)})
			found[uint64(p)] = true
			return nil
		})
		if errors.Is(err, crashfs.ErrCrashed) {
			continue
		}
		if err != nil {
			n.fail("%s: recovery: %w", name, err)
			return durable
		}
		for p, w := range written {
			if p <= durable && !found[p] && !w.MayBeGone(durable) {
				n.fail("5.1: %s: record %d was called durable and is lost", name, p)
			}
		}
		d.Restore(recovered, uint64(l.journal.Next()), uint64(l.journal.Durable()))
		break
	}
	l.arm()
	return durable
}

// arm sets the next crash, unless one is set.
func (l *realJournal) arm() {
	l.fs.Mu.Lock()
	defer l.fs.Mu.Unlock()
	if !l.process.net.faultsEnded && l.fs.CrashAt == 0 {
		l.fs.CrashAt = l.fs.Ops + 1 + l.random.IntN(40)
	}
}

// stop crashes the disk at the operation that it has reached.
func (l *realJournal) stop() {
	l.fs.Mu.Lock()
	defer l.fs.Mu.Unlock()
	if l.fs.CrashAt == 0 || l.fs.Ops < l.fs.CrashAt {
		l.fs.CrashAt = max(1, l.fs.Ops)
	}
}
