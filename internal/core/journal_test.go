package core

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/lanecast/lanecast/internal/crashfs"
	"github.com/lanecast/lanecast/journal"
)

// loggedDisk is a real journal on a file system that crashes: at any operation of the journal's own goroutine, with
// any outcome for what was not synced.
type loggedDisk struct {
	t      testing.TB
	random *rand.Rand
	calm   func() bool // no more crashes
	fs     *crashfs.FS[journal.File]
	j      *journal.Journal
	moved  chan struct{}
	points int // crashes
}

func newLoggedDisk(t testing.TB, random *rand.Rand, calm func() bool) *loggedDisk {
	l := &loggedDisk{t: t, random: random, calm: calm, moved: make(chan struct{}, 1)}
	l.fs = crashfs.New(func(f crashfs.File) journal.File { return f }, journal.ErrLocked)
	if err := l.open(nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.j.Close() }) // may have crashed
	l.arm()
	return l
}

func (l *loggedDisk) open(replay func(journal.Position, []byte) error) (err error) {
	j, err := journal.Open(journal.Options{
		Dir: "j", FS: l.fs, SegmentSize: 16 << 10, MaxSegments: 2, WriteBuffer: 4 << 10, ReplayBuffer: 4 << 10,
		Notify: func() {
			select {
			case l.moved <- struct{}{}:
			default:
			}
		},
	}, replay)
	if err == nil {
		l.j = j
	}
	return err
}

func (l *loggedDisk) append(b []byte, want uint64) {
	// After the crash the record may as well have been lost in the buffer.
	if p, err := l.j.Append(b); err == nil && uint64(p) != want {
		l.t.Fatalf("the journal gave position %d, the core expects %d", p, want)
	}
}

func (l *loggedDisk) release(p uint64) { l.j.Release(journal.Position(p)) }

// wait returns whether the journal came to call position durable before the crash.
func (l *loggedDisk) wait(position uint64) bool {
	if l.calm() {
		l.fs.Mu.Lock()
		if l.fs.Ops < l.fs.CrashAt {
			l.fs.CrashAt = 0
		}
		l.fs.Mu.Unlock()
	}
	for uint64(l.j.Durable()) < position {
		if l.j.Err() != nil {
			return false
		}
		<-l.moved
	}
	return true
}

// crash ends the process, now unless its disk has stopped before, and replaces what the model holds by what the
// journal recovers: no less than it called durable, and nothing that was never written.
func (l *loggedDisk) crash(d *disk) {
	l.t.Helper()
	l.fail()
	durable := uint64(l.j.Durable())
	_ = l.j.Close() // it has crashed
	written := map[uint64]*diskRecord{}
	for i := range d.records {
		written[d.records[i].position] = &d.records[i]
	}
	for {
		l.points++
		if l.random.IntN(4) == 0 {
			l.fs = l.fs.Kill()
		} else {
			l.fs = l.fs.Crash(l.random, l.random.IntN(6))
		}
		if !l.calm() && l.random.IntN(2) == 0 {
			l.fs.CrashAt = 1 + l.random.IntN(12) // the recovery meets a crash, or the life soon after it
		}
		var recovered []diskRecord
		found := map[uint64]bool{}
		err := l.open(func(p journal.Position, b []byte) error {
			w := written[uint64(p)]
			if w == nil || !bytes.Equal(w.bytes, b) {
				l.t.Fatalf("record %d was never written like that", p)
			}
			recovered = append(recovered, diskRecord{position: uint64(p), bytes: bytes.Clone(b)})
			found[uint64(p)] = true
			return nil
		})
		if errors.Is(err, crashfs.ErrCrashed) {
			continue
		}
		if err != nil {
			l.t.Fatalf("recovery: %v", err)
		}
		for p, w := range written {
			if p <= durable && !found[p] && !(w.released && w.barrier <= durable) {
				l.t.Fatalf("record %d was called durable and is lost", p)
			}
		}
		d.records, d.next, d.durable = recovered, uint64(l.j.Next()), uint64(l.j.Durable())
		break
	}
	l.arm()
}

// arm sets the next crash, unless there is one already.
func (l *loggedDisk) arm() {
	l.fs.Mu.Lock()
	defer l.fs.Mu.Unlock()
	if !l.calm() && l.fs.CrashAt == 0 {
		l.fs.CrashAt = l.fs.Ops + 1 + l.random.IntN(40)
	}
}

// fail lets the disk stop where it is.
func (l *loggedDisk) fail() {
	l.fs.Mu.Lock()
	defer l.fs.Mu.Unlock()
	if l.fs.CrashAt == 0 || l.fs.Ops < l.fs.CrashAt {
		l.fs.CrashAt = max(1, l.fs.Ops)
	}
}

// LANECAST_CRASH_NETWORKS sets the number of networks; each gives some twenty crashes.
func TestRule5_1And5_4_HoldWhenTheCoreIsRestartedOnARecoveredJournal(t *testing.T) {
	t.Parallel()
	networks := 30
	if testing.Short() || raceEnabled {
		networks = 3
	}
	if s := os.Getenv("LANECAST_CRASH_NETWORKS"); s != "" {
		var err error
		if networks, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	points, certified := 0, 0
	for seed := range networks {
		var logs []*loggedDisk
		_, n := simulate(t, uint64(seed), seed%2 == 1, false, func(net *network) {
			random := rand.New(rand.NewPCG(uint64(seed), 5))
			for _, node := range net.nodes {
				if node.disk.next != 1 {
					t.Fatal("something was journaled before the journal is there")
				}
				node.disk.log = newLoggedDisk(t, random, func() bool { return net.calm })
				logs = append(logs, node.disk.log)
			}
		})
		certified += n
		for _, l := range logs {
			points += l.points
		}
	}
	t.Logf("%d crashes, %d chunks certified", points, certified)
	if points < 10*networks || certified < 10*networks {
		t.Errorf("only %d crashes, %d chunks certified", points, certified)
	}
}
