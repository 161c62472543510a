package archive

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/internal/crashfs"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

type memFS = crashfs.FS[journal.File]

func newMemFS() *memFS {
	return crashfs.New(func(f crashfs.File) journal.File { return f }, journal.ErrLocked)
}

const (
	worldLanes   = 3
	worldHeights = 40
)

// world holds the bodies that histories choose from: of each place one on the lane's chain, and one
// beside it.
type world struct {
	chain, beside [worldLanes][worldHeights]Body
}

func newWorld(rng *rand.Rand, largest int) *world {
	w := &world{}
	for lane := range worldLanes {
		id, parent := sequencer(lane), wire.Digest{}
		for h := range uint64(worldHeights) {
			size := rng.IntN(largest + 1)
			w.chain[lane][h] = at(id, h, parent, bytesOf(id, h, 0, size))
			w.beside[lane][h] = at(id, h, parent, bytesOf(id, h, 1, size/2))
			parent = digestOf(&w.chain[lane][h])
		}
	}
	return w
}

// issued is something that was put, with any result.
type issued struct {
	body    *Body // nil for a lock
	digest  wire.Digest
	lane    int
	height  uint64
	epoch   uint64 // of a lock
	pushed  bool
	fresh   bool // it was not there before, so that its place in the order of bodies counts
	order   int
	durable bool // done was called so
}

// crashModel holds the state that the archive's owner knows. It checks the invariants after a
// crash.
type crashModel struct {
	world   *world
	all     []*issued // ever
	begun   int       // of all, those of earlier lives of the archive
	pruned  [worldLanes]uint64
	durable [worldLanes]uint64 // of pruned
	next    [worldLanes]uint64 // heights go up, by and large
	order   int
	damages int
}

func (m *crashModel) config(fs journal.FS, seed uint64) Config {
	c := Config{
		Dir: "a", FS: fs, Create: true, Namespace: []byte(testNamespace), MaxPayload: 1 << 10, SegmentSize: 4 << 10, Quota: 64 << 10,
		Retain: -1, MinFree: -1, CompactRate: 64 << 10, indexSegments: 1 << 10, groupBytes: 3 << 10, room: 1,
		Damaged: func(e *DamageError) {
			if !errors.Is(e, crashfs.ErrCrashed) { // reading fails too, once the crash has come
				m.damages++
			}
		},
	}
	if seed%2 == 0 {
		c.Retain = 10 * time.Second
	}
	return c
}

// reopen opens the archive and checks what it finds; the model then takes over what was found.
func (m *crashModel) reopen(fs *memFS, seed uint64) (*Archive, error) {
	a, err := Open(m.config(fs, seed))
	if err != nil {
		return nil, err
	}
	if err := m.check(a); err != nil {
		if a.Err() == nil { // else it met the next crash
			return nil, errors.Join(fmt.Errorf("wrong recovery: %w", err), a.Close())
		}
	}
	return a, nil
}

// passed reports whether anything at this height or above was ever put that is not pushed.
func (m *crashModel) passed(lane int, height uint64) bool {
	return slices.ContainsFunc(m.all, func(o *issued) bool { return !o.pushed && o.lane == lane && o.height >= height })
}

// excused reports whether a body may be missing though it was durable.
func (m *crashModel) excused(a *Archive, o *issued) bool {
	highest, replaced := true, false
	for _, x := range m.all {
		if x.lane == o.lane && x.height > o.height && x.body != nil {
			// A pushed body is a top if it is wanted by now. The record that made it wanted may be
			// lost.
			h := a.Head(sequencer(x.lane), x.height)
			highest = highest && x.pushed && (h.State != Held || h.Digest != x.digest)
		}
		if x.lane != o.lane || x.pushed != o.pushed && x.pushed {
			continue
		}
		if x.body != nil && x.height == o.height && x.digest != o.digest && x.pushed == o.pushed {
			replaced = true
		}
	}
	if o.pushed {
		return replaced || m.passed(o.lane, o.height) || m.pruned[o.lane] > o.height
	}
	return replaced || m.pruned[o.lane] > o.height && !highest
}

func (m *crashModel) check(a *Archive) error {
	if r := a.Recovery(); r.Lost != 0 {
		return fmt.Errorf("%d bodies lost: %+v", r.Lost, r)
	}
	found := func(o *issued) bool {
		h := a.Head(sequencer(o.lane), o.height)
		return h.Digest == o.digest && (h.State == Held || o.pushed && h.State == PushedBody)
	}
	for lane := range worldLanes {
		id := sequencer(lane)
		for h := range uint64(worldHeights) {
			head := a.Head(id, h)
			if head.State != Held {
				if head.State == HeaderOnly && !slices.ContainsFunc(m.all, func(o *issued) bool { return o.digest == head.Digest }) {
					return fmt.Errorf("lane %d height %d: a header was invented", lane, h)
				}
				continue
			}
			i := slices.IndexFunc(m.all, func(o *issued) bool { return o.digest == head.Digest && o.body != nil && o.body.Bytes != nil })
			if i < 0 {
				return fmt.Errorf("lane %d height %d: a body was invented", lane, h)
			}
			header, body, err := a.Get(id, h, nil)
			if err != nil {
				return err
			}
			if want := m.all[i].body; header != want.Header || string(body) != string(want.Bytes) {
				return fmt.Errorf("lane %d height %d: another body", lane, h)
			}
		}
		tip, _ := a.Tip(id)
		if tip.Watermark < m.durable[lane] || tip.Watermark > m.pruned[lane] {
			return fmt.Errorf("lane %d: watermark %d, want %d to %d", lane, tip.Watermark, m.durable[lane], m.pruned[lane])
		}
		highest := uint64(0)
		for _, o := range m.all {
			if o.lane == lane && o.body == nil {
				highest = max(highest, o.height)
			}
		}
		for _, o := range m.all {
			if o.lane != lane || o.body != nil || !o.durable || o.height < m.pruned[lane] && o.height != highest {
				continue
			}
			if !slices.ContainsFunc(tip.Locks, func(k wire.Lock) bool { return k.Epoch == o.epoch && k.Chunk.Height >= o.height }) {
				return fmt.Errorf("lane %d: the lock of height %d, epoch %d is lost", lane, o.height, o.epoch)
			}
		}
	}
	last := 0
	for _, o := range m.all {
		if o.body == nil || o.body.Bytes == nil {
			continue
		}
		if o.durable && !found(o) && !m.excused(a, o) {
			return fmt.Errorf("lane %d height %d was called durable and is lost (pushed %v)", o.lane, o.height, o.pushed)
		}
		if o.fresh && found(o) {
			last = max(last, o.order)
		}
	}
	for _, o := range m.all[m.begun:] {
		if o.fresh && o.order < last && !found(o) && !m.excused(a, o) && o.body.Bytes != nil {
			return fmt.Errorf("a gap: lane %d height %d is missing, and a body put after it is there", o.lane, o.height)
		}
	}
	if m.damages > 0 {
		return fmt.Errorf("%d bodies damaged", m.damages)
	}
	// Everything found is durable from now on, and everything else is gone.
	m.all = slices.DeleteFunc(m.all, func(o *issued) bool { return o.body != nil && o.body.Bytes != nil && !found(o) && !o.durable })
	for _, o := range m.all {
		if o.body != nil && o.body.Bytes != nil && found(o) {
			o.durable = true
		}
		o.fresh = false
	}
	m.begun = len(m.all)
	return nil
}

// step does one operation. It returns false once the archive has failed.
func (m *crashModel) step(a *Archive, rng *rand.Rand) bool {
	lane := rng.IntN(worldLanes)
	if lane == 2 && rng.IntN(8) > 0 {
		lane = 0 // the last lane is mostly idle
	}
	height := min(m.next[lane]+uint64(rng.IntN(2)), worldHeights-1)
	body := &m.world.chain[lane][height]
	if rng.IntN(12) == 0 {
		body = &m.world.beside[lane][height]
	}
	o := &issued{body: body, digest: digestOf(body), lane: lane, height: height}
	issue := func(err error) bool {
		failed := a.Err() != nil // then part of it may have been taken
		if err == nil || failed {
			m.all = append(m.all, o)
		}
		return !failed
	}
	done := func(err error) {
		if err == nil {
			o.durable = true
		}
	}
	known := slices.ContainsFunc(m.all, func(x *issued) bool { return x.digest == o.digest && x.body != nil })
	switch n := rng.IntN(20); {
	case n < 8:
		o.fresh = !known
		m.order++
		o.order = m.order
		m.next[lane] = max(m.next[lane], height+1)
		return issue(a.Put(Use(rng.IntN(2)), *body, done))
	case n < 11:
		o.pushed = true
		return issue(a.Put(Pushed, *body, done))
	case n < 12:
		m.next[lane] = max(m.next[lane], height+1)
		return issue(a.Want(ForVote, sequencer(lane), height, o.digest, done))
	case n < 13:
		o.body = &Body{Header: body.Header} // no bytes
		return issue(a.PutHeaders([]payload.Header{body.Header}, done))
	case n < 15:
		o.epoch = uint64(rng.IntN(3))
		o.body = nil
		return issue(a.PutLock(lockOf(body, o.epoch), done))
	case n < 17:
		below := m.next[lane] - min(m.next[lane], uint64(rng.IntN(6)))
		m.pruned[lane] = max(m.pruned[lane], below)
		err := a.Prune(sequencer(lane), below, func(err error) {
			if err == nil {
				m.durable[lane] = max(m.durable[lane], below)
			}
		})
		return err == nil || a.Err() == nil // it may have been taken all the same
	case n < 18:
		time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
	default:
		synctest.Wait()
	}
	return a.Err() == nil
}

func (m *crashModel) drive(a *Archive, rng *rand.Rand, steps int) {
	for range steps {
		if !m.step(a, rng) {
			break
		}
	}
	if rng.IntN(2) == 0 {
		synctest.Wait()
	}
	_ = a.Close() // may meet the crash
}

// crashCounts counts crashes.
type crashCounts struct{ all, created, independent, recycled int }

// life is one history with a crash at one operation, and more crashes in the lives after it. It
// reports whether that operation was reached.
func (n *crashCounts) life(t *testing.T, seed uint64, at, mode, steps int) (reached bool) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		fs.CrashAt = at
		recycled := false
		fs.Fault = func(op, name string) error {
			recycled = recycled || op == "rename" && filepath.Ext(name) == suffix
			return nil
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		m := &crashModel{world: newWorld(rng, 1<<10)}
		a, err := m.reopen(fs, seed)
		if err == nil {
			m.drive(a, rng, steps)
		} else if !errors.Is(err, crashfs.ErrCrashed) {
			t.Fatalf("seed %d: open: %v", seed, err)
		}
		if reached = fs.Ops >= at; !reached {
			return
		}
		if recycled {
			n.recycled++
		}
		rng = rand.New(rand.NewPCG(seed, uint64(at*1000+mode)))
		for generation := range 4 {
			n.all++
			// The index and the data: nothing kept, all kept, or torn, each by itself.
			index, data := rng.IntN(4), rng.IntN(4)
			if index != data {
				n.independent++
			}
			if rng.IntN(8) == 0 {
				fs = fs.Kill()
			} else {
				fs = fs.CrashEach(rng, func(name string) int {
					if strings.Contains(name, indexDir) {
						return index
					}
					return data
				})
			}
			if generation < 3 {
				fs.CrashAt = 1 + rng.IntN(14)*rng.IntN(14)
			}
			a, err := m.reopen(fs, seed)
			if err == nil {
				if a.Recovery().Created {
					n.created++
				}
				m.drive(a, rng, 25)
			} else if !errors.Is(err, crashfs.ErrCrashed) {
				t.Fatalf("seed %d, crash at operation %d, outcome %d, generation %d: %v", seed, at, mode, generation, err)
			}
		}
	})
	return reached
}

// LANECAST_CRASH_HISTORIES sets the number of histories; each gives some thousand crashes.
func TestWhatWasCalledDurableSurvivesACrashAtEveryOperation(t *testing.T) {
	histories, every := 2, 9
	if s := os.Getenv("LANECAST_CRASH_HISTORIES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		histories, every = n, 1
	}
	var n crashCounts
	for seed := range uint64(histories) {
		for at := 1; n.life(t, seed, at, 0, 120); at++ {
			for mode := 1; mode < 3; mode++ {
				n.life(t, seed, at, mode, 120)
			}
			if at > 40 {
				at += every - 1
			}
		}
	}
	t.Logf("%d crashes: %d after which there was no archive, %d with other fates of index and data, %d with the file of a dead segment written over",
		n.all, n.created, n.independent, n.recycled)
	if n.all < 500 || n.created < 10 || n.independent < n.all/3 || n.recycled < n.all/40 {
		t.Fatalf("too few of one kind: %+v", n)
	}
}
