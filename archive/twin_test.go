package archive

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

// twin is a slow and obvious archive without disk, quotas and time: after each change the rules of
// the package comment are applied to everything.
type twin map[int]*twinLane

type twinLane struct {
	watermark uint64
	wanted    map[uint64]twinEntry
	pushed    map[uint64]*Body
	locks     map[uint64]wire.Lock
}

type twinEntry struct {
	body *Body
	held bool
}

func (t twin) lane(n int) *twinLane {
	if t[n] == nil {
		t[n] = &twinLane{wanted: map[uint64]twinEntry{}, pushed: map[uint64]*Body{}, locks: map[uint64]wire.Lock{}}
	}
	return t[n]
}

// tops returns the highest height wanted and locked, each plus one; 0 if there is none.
func (l *twinLane) tops() (wanted, locked uint64) {
	for h := range l.wanted {
		wanted = max(wanted, h+1)
	}
	for _, k := range l.locks {
		locked = max(locked, k.Chunk.Height+1)
	}
	return wanted, locked
}

func (l *twinLane) keeps(h uint64) bool {
	wanted, locked := l.tops()
	return h >= l.watermark || h+1 >= wanted || h+1 == locked
}

func (l *twinLane) settle() {
	wanted, locked := l.tops()
	maps.DeleteFunc(l.wanted, func(h uint64, _ twinEntry) bool { return !l.keeps(h) })
	maps.DeleteFunc(l.locks, func(_ uint64, k wire.Lock) bool { return k.Chunk.Height < l.watermark && k.Chunk.Height+1 != locked })
	maps.DeleteFunc(l.pushed, func(h uint64, _ *Body) bool { return h < max(wanted, locked, l.watermark) })
}

// take makes a body wanted, and its pushed ancestors.
func (l *twinLane) take(b *Body, held bool) {
	h := b.Header.Height
	if h > 0 {
		if below := l.pushed[h-1]; below != nil && digestOf(below) == b.Header.Parent {
			l.take(below, true)
		}
	}
	l.wanted[h] = twinEntry{b, held}
}

func (l *twinLane) isPushed(b *Body) bool {
	p := l.pushed[b.Header.Height]
	return p != nil && digestOf(p) == digestOf(b)
}

func (l *twinLane) has(b *Body) (there, held bool) {
	e, ok := l.wanted[b.Header.Height]
	there = ok && digestOf(e.body) == digestOf(b)
	return there, there && e.held
}

func (l *twinLane) put(use Use, b *Body) error {
	h := b.Header.Height
	there, held := l.has(b)
	wanted, locked := l.tops()
	lowest := max(wanted, locked, l.watermark)
	switch {
	case held:
		return nil
	case use == Pushed && !there:
		if h < lowest || h > lowest+1 {
			return ErrWindow
		}
		l.pushed[h] = b
		return nil
	case use != Pushed && !l.keeps(h):
		return ErrPruned
	}
	l.take(b, true)
	return nil
}

func (l *twinLane) want(b *Body) error {
	if _, held := l.has(b); held {
		return nil
	}
	if !l.isPushed(b) {
		return ErrNotHeld
	}
	l.take(b, true)
	return nil
}

func (l *twinLane) header(b *Body) error {
	if there, _ := l.has(b); there {
		return nil
	}
	if !l.keeps(b.Header.Height) {
		return ErrPruned
	}
	l.take(b, l.isPushed(b))
	return nil
}

func (l *twinLane) lock(b *Body, k wire.Lock) error {
	if old, ok := l.locks[k.Epoch]; ok && old.Chunk.Height >= k.Chunk.Height {
		return nil
	}
	if k.Chunk.Height < l.watermark {
		return ErrPruned
	}
	if l.isPushed(b) {
		l.take(b, true)
	}
	l.locks[k.Epoch] = k
	return nil
}

// compare returns the differences between an archive and the twin.
func (t twin) compare(a *Archive) error {
	var buf []byte
	for n := range worldLanes {
		id, l := sequencer(n), t[n]
		tip, ok := a.Tip(id)
		if l == nil {
			if ok {
				return fmt.Errorf("lane %d: %+v", n, tip)
			}
			continue
		}
		if tip.Watermark != l.watermark {
			return fmt.Errorf("lane %d: watermark %d, want %d", n, tip.Watermark, l.watermark)
		}
		if wanted, _ := l.tops(); (tip.Top != nil) != (wanted > 0) || wanted > 0 && tip.Top.Header.Height != wanted-1 {
			return fmt.Errorf("lane %d: top %+v, want height %d", n, tip.Top, wanted-1)
		}
		locks := slices.SortedFunc(maps.Values(l.locks), func(a, b wire.Lock) int { return int(a.Epoch) - int(b.Epoch) })
		if !slices.EqualFunc(tip.Locks, locks, func(a, b wire.Lock) bool { return bytes.Equal(encodeLock(&a), encodeLock(&b)) }) {
			return fmt.Errorf("lane %d: locks %+v, want %+v", n, tip.Locks, locks)
		}
		for h := range uint64(worldHeights) {
			want := Head{}
			if e, ok := l.wanted[h]; ok {
				want = Head{HeaderOnly, e.body.Header, digestOf(e.body)}
				if e.held {
					want.State = Held
				}
			} else if b := l.pushed[h]; b != nil {
				want = Head{PushedBody, b.Header, digestOf(b)}
			} else if !l.keeps(h) {
				want = Head{State: Gone}
			}
			if got := a.Head(id, h); got != want {
				return fmt.Errorf("lane %d height %d: %+v, want %+v", n, h, got, want)
			}
			if want.State != Held {
				continue
			}
			header, body, err := a.Get(id, h, buf)
			if err != nil || header != want.Header || !bytes.Equal(body, l.wanted[h].body.Bytes) {
				return fmt.Errorf("lane %d height %d: another body, %v", n, h, err)
			}
			buf = body
		}
	}
	return nil
}

// twinSeeds is the number of random histories that are compared with the twin.
func twinSeeds() int {
	if n, err := strconv.Atoi(os.Getenv("LANECAST_ARCHIVE_HISTORIES")); err == nil {
		return n
	}
	return 6
}

func TestAnArchiveAgreesWithItsSlowTwinAfterAnyOperations(t *testing.T) {
	for seed := range uint64(twinSeeds()) {
		rng := rand.New(rand.NewPCG(seed, 9))
		w := newWorld(rng, 2<<10)
		fs := newMemFS()
		c := small("a")
		c.FS, c.SegmentSize, c.MaxPayload, c.indexSegments = fs, 8<<10, 2<<10, 1<<10
		a := open(t, c)
		model := twin{}
		var next [worldLanes]uint64
		for step := range 500 {
			n := rng.IntN(worldLanes)
			h := min(next[n]+uint64(rng.IntN(4)), worldHeights-1)
			h -= min(h, uint64(rng.IntN(3)))
			b := &w.chain[n][h]
			if rng.IntN(6) == 0 {
				b = &w.beside[n][h]
			}
			l := model.lane(n)
			var got, want error
			var what string
			switch rng.IntN(12) {
			case 0, 1, 2:
				use := Use(rng.IntN(2))
				what, got, want = "put", a.Put(use, *b, nil), l.put(use, b)
				next[n] = max(next[n], h)
			case 3, 4, 5:
				what, got, want = "push", a.Put(Pushed, *b, nil), l.put(Pushed, b)
			case 6:
				what, got, want = "want", a.Want(ForVote, sequencer(n), h, digestOf(b), nil), l.want(b)
			case 7:
				what, got, want = "header", a.PutHeaders([]payload.Header{b.Header}, nil), l.header(b)
			case 8, 9:
				k := lockOf(b, uint64(rng.IntN(4)))
				what, got, want = "lock", a.PutLock(k, nil), l.lock(b, k)
			case 10:
				below := h - min(h, uint64(rng.IntN(4)))
				what, got = "prune", a.Prune(sequencer(n), below, nil)
				l.watermark = max(l.watermark, below)
			case 11:
				what = "reopen"
				if rng.IntN(3) == 0 {
					a = reopen(t, a)
					if r := a.Recovery(); r.Lost != 0 {
						t.Fatalf("seed %d step %d: %+v", seed, step, r)
					}
				}
			}
			flush(t, a)
			if !errors.Is(got, want) {
				t.Fatalf("seed %d step %d: %s of lane %d height %d: %v, want %v", seed, step, what, n, h, got, want)
			}
			for n, l := range model {
				l.settle()
				if l.watermark == 0 && len(l.wanted)+len(l.pushed)+len(l.locks) == 0 {
					delete(model, n) // nothing was taken
				}
			}
			if err := model.compare(a); err != nil {
				t.Fatalf("seed %d step %d: after %s of lane %d height %d: %v", seed, step, what, n, h, err)
			}
		}
		if u := a.Usage(); u.Damaged != 0 || u.Pending != 0 {
			t.Fatalf("%+v", u)
		}
	}
}
