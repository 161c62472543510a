package archive

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

const testNamespace = "_ARCHIVE_TEST"

// sequencer returns the identity of a lane.
func sequencer(n int) wire.PublicKey { return wire.PublicKey{byte(n), byte(n >> 8), 1} }

// chain makes bodies of lanes, each on the one below.
type chain struct {
	last map[wire.PublicKey]wire.Digest
	next map[wire.PublicKey]uint64
}

func newChain() *chain {
	return &chain{last: map[wire.PublicKey]wire.Digest{}, next: map[wire.PublicKey]uint64{}}
}

// bytesOf returns bytes that are those of a place and salt only.
func bytesOf(id wire.PublicKey, height, salt uint64, size int) []byte {
	b := make([]byte, size)
	x := height*0x9e3779b97f4a7c15 + salt*0xbf58476d1ce4e5b9 + uint64(id[0])<<8 + uint64(id[1]) + 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}

// at returns the body of a place on a parent.
func at(id wire.PublicKey, height uint64, parent wire.Digest, bytes []byte) Body {
	t := payload.Build(bytes)
	return Body{Tree: t, Bytes: bytes, Header: payload.Header{
		Sequencer: id, Height: height, Parent: parent, BodySize: uint64(len(bytes)), Root: t.Root()}}
}

func digestOf(b *Body) wire.Digest { return payload.Digest([]byte(testNamespace), &b.Header) }

// body returns the next body of a lane.
func (c *chain) body(id wire.PublicKey, size int) Body {
	height := c.next[id]
	b := at(id, height, c.last[id], bytesOf(id, height, 0, size))
	c.next[id]++
	c.last[id] = digestOf(&b)
	return b
}

func lockOf(b *Body, epoch uint64) wire.Lock {
	return wire.Lock{Epoch: epoch, Certificate: []byte{1, 2, byte(epoch)},
		Chunk: wire.Chunk{Sequencer: b.Header.Sequencer, Height: b.Header.Height, Payload: digestOf(b)}}
}

// small is a configuration for tests: segments of 64 KiB, nothing retained.
func small(dir string) Config {
	return Config{Dir: dir, Create: true, Namespace: []byte(testNamespace), MaxPayload: 16 << 10, SegmentSize: 64 << 10, Quota: 1 << 20,
		Retain: -1, MinFree: -1, indexSegments: 4 << 10, room: 1}
}

func open(t *testing.T, c Config) *Archive {
	t.Helper()
	a, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func put(t *testing.T, a *Archive, use Use, b Body) {
	t.Helper()
	if err := a.Put(use, b, nil); err != nil {
		t.Fatal(err)
	}
}

func flush(t *testing.T, a *Archive) {
	t.Helper()
	if err := a.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func reopen(t *testing.T, a *Archive) *Archive {
	t.Helper()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, a.cfg)
}

func mustGet(t *testing.T, a *Archive, b *Body) {
	t.Helper()
	h, got, err := a.Get(b.Header.Sequencer, b.Header.Height, nil)
	if err != nil {
		t.Fatal(err)
	}
	if h != b.Header || !bytes.Equal(got, b.Bytes) {
		t.Fatalf("height %d: another body", b.Header.Height)
	}
}

func TestAllBodiesAreThereAfterReopening(t *testing.T) {
	a := open(t, small(t.TempDir()))
	c := newChain()
	var all []Body
	for i := range 40 {
		b := c.body(sequencer(i%3), []int{0, 1, 5000, 16 << 10}[i%4])
		all = append(all, b)
		done := make(chan error, 1)
		if err := a.Put(ForVote, b, func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			if err := a.PutLock(lockOf(&b, uint64(i/10)), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		for i := range all {
			mustGet(t, a, &all[i])
			h := a.Head(all[i].Header.Sequencer, all[i].Header.Height)
			if h.State != Held || h.Digest != digestOf(&all[i]) {
				t.Fatalf("%+v", h)
			}
		}
		if tip, ok := a.Tip(sequencer(0)); !ok || tip.Top.Header.Height != 13 || len(tip.Locks) != 4 {
			t.Fatalf("%+v", tip)
		}
		a = reopen(t, a)
		if r := a.Recovery(); r.Bodies != 40 || r.Lost != 0 || r.Created {
			t.Fatalf("%+v", r)
		}
	}
}

func TestABodyThatIsThereIsNotWrittenAgain(t *testing.T) {
	a := open(t, small(t.TempDir()))
	c := newChain()
	b := c.body(sequencer(0), 10_000)
	calls := 0
	for range 3 { // under way, and then there
		if err := a.Put(ForVote, b, func(err error) {
			if calls++; err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, a)
	put(t, a, ForDelivery, b)
	put(t, a, Pushed, b)
	flush(t, a)
	if u := a.Usage(); u.Disk > 11_000 || u.Used > 11_000 || u.Pending != 0 || u.Headers != 1 {
		t.Errorf("%+v", u)
	}
	if calls != 3 {
		t.Errorf("done was called %d times", calls)
	}
}

func TestAPushedBodyBecomesWantedWithoutBeingWrittenAgain(t *testing.T) {
	for name, want := range map[string]func(a *Archive, below, b *Body) error{
		"Put":  func(a *Archive, _, b *Body) error { return a.Put(ForVote, *b, nil) },
		"Want": func(a *Archive, _, b *Body) error { return a.Want(ForVote, b.Header.Sequencer, 1, digestOf(b), nil) },
		"PutHeaders": func(a *Archive, _, b *Body) error {
			return a.PutHeaders([]payload.Header{b.Header}, nil)
		},
		"PutLock": func(a *Archive, _, b *Body) error { return a.PutLock(lockOf(b, 1), nil) },
		"its child's header": func(a *Archive, _, b *Body) error {
			child := at(b.Header.Sequencer, 2, digestOf(b), nil)
			return a.PutHeaders([]payload.Header{child.Header}, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t, small(t.TempDir()))
			c := newChain()
			below, b := c.body(sequencer(0), 9000), c.body(sequencer(0), 8000)
			put(t, a, Pushed, below)
			put(t, a, Pushed, b)
			flush(t, a)
			if h := a.Head(sequencer(0), 1); h.State != PushedBody || h.Digest != digestOf(&b) {
				t.Fatalf("%+v", h)
			}
			before := a.Usage()
			if err := want(a, &below, &b); err != nil {
				t.Fatal(err)
			}
			a = reopen(t, a)
			mustGet(t, a, &below) // it stands on that, which is wanted with it
			mustGet(t, a, &b)
			if u := a.Usage(); u.Disk != before.Disk || u.Pushed != 0 {
				t.Fatalf("%+v, before %+v", u, before)
			}
		})
	}
}

// What nobody asked for is taken only for the two heights above the higher of its tip and its
// highest certified, one body a height; a later one replaces it (docs/protocol.md 7.3).
func TestPushedBodiesHaveAWindowOfTwoHeights(t *testing.T) {
	a := open(t, small(t.TempDir()))
	c := newChain()
	id := sequencer(0)
	var b []Body
	for range 8 {
		b = append(b, c.body(id, 3000))
	}
	refused := func(i int) {
		t.Helper()
		if err := a.Put(Pushed, b[i], nil); !errors.Is(err, ErrWindow) {
			t.Errorf("height %d: %v", i, err)
		}
	}
	refused(2)
	put(t, a, Pushed, b[1])
	put(t, a, ForVote, b[0])
	flush(t, a)
	put(t, a, Pushed, b[2])
	refused(3)
	flush(t, a)
	if err := a.PutLock(lockOf(&b[3], 1), nil); err != nil { // passes 1 and 2
		t.Fatal(err)
	}
	refused(2)
	refused(6)
	put(t, a, Pushed, b[5])
	other := at(id, 5, b[5].Header.Parent, []byte("later"))
	put(t, a, Pushed, other)
	flush(t, a)
	for i, want := range []State{Held, Absent, Absent, Absent, Absent, PushedBody} {
		if h := a.Head(id, uint64(i)); h.State != want {
			t.Errorf("height %d: %+v, want state %d", i, h, want)
		}
	}
	if h := a.Head(id, 5); h.Digest != digestOf(&other) || a.Usage().Pushed > 4000 {
		t.Errorf("the later one did not replace it: %+v, %+v", h, a.Usage())
	}
}

func TestABodyWhosePartsDoNotFitTogetherIsRefused(t *testing.T) {
	a := open(t, small(t.TempDir()))
	good := at(sequencer(0), 1, wire.Digest{1}, []byte("body"))
	for name, change := range map[string]func(b *Body){
		"other bytes":          func(b *Body) { b.Bytes = b.Bytes[:3] },
		"another size":         func(b *Body) { b.Header.BodySize = 5 },
		"another root":         func(b *Body) { b.Header.Root[0] ^= 1 },
		"no tree":              func(b *Body) { b.Tree = nil },
		"another's tree":       func(b *Body) { b.Tree = payload.Build([]byte("doby")) },
		"no parent":            func(b *Body) { b.Header.Parent = wire.Digest{} },
		"a parent at height 0": func(b *Body) { b.Header.Height = 0 },
		"more than MaxPayload": func(b *Body) { *b = at(sequencer(0), 1, wire.Digest{1}, make([]byte, 16<<10+1)) },
	} {
		b := good
		change(&b)
		if err := a.Put(ForVote, b, func(error) { t.Error(name, "called done") }); !errors.Is(err, ErrBody) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.PutHeaders([]payload.Header{{Height: 1}}, nil); !errors.Is(err, ErrBody) {
		t.Error("a header without parent:", err)
	}
	flush(t, a)
	if u := a.Usage(); u.Headers != 0 || u.Disk != 0 {
		t.Errorf("%+v", u)
	}
}

// A lock of a lane is the last of its epoch, from the watermark up (docs/protocol.md 7.4).
func TestOfALanesLocksTheLastOfEachEpochStaysFromTheWatermarkUp(t *testing.T) {
	a := open(t, small(t.TempDir()))
	c := newChain()
	id := sequencer(0)
	var b []Body
	for range 6 {
		b = append(b, c.body(id, 10))
	}
	for _, k := range []struct{ height, epoch int }{{0, 1}, {2, 1}, {1, 1}, {2, 2}, {4, 3}} {
		if err := a.PutLock(lockOf(&b[k.height], uint64(k.epoch)), nil); err != nil {
			t.Fatal(err)
		}
	}
	heights := func() (h []uint64) {
		tip, _ := a.Tip(id)
		for _, k := range tip.Locks {
			h = append(h, k.Chunk.Height)
		}
		return h
	}
	check := func(want ...uint64) {
		t.Helper()
		for range 2 {
			if got := heights(); !slices.Equal(got, want) {
				t.Fatalf("heights %v, want %v", got, want)
			}
			a = reopen(t, a)
		}
	}
	check(2, 2, 4)
	if err := a.Prune(id, 3, nil); err != nil {
		t.Fatal(err)
	}
	check(4)
	if err := a.Prune(id, 9, nil); err != nil { // the highest stays whatever the watermark
		t.Fatal(err)
	}
	check(4)
	if err := a.PutLock(lockOf(&b[5], 3), nil); !errors.Is(err, ErrPruned) {
		t.Fatal(err)
	}
}

func TestPiecesAreProvenWithoutReadingTheOthers(t *testing.T) {
	c := small(t.TempDir())
	c.MaxPayload, c.SegmentSize, c.Quota = 1<<20, 4<<20, 8<<20
	a := open(t, c)
	ch := newChain()
	b := ch.body(sequencer(0), 9*payload.PieceSize+77)
	empty := ch.body(sequencer(0), 0)
	put(t, a, ForVote, b)
	put(t, a, ForVote, empty)
	flush(t, a)
	for _, r := range []struct{ first, n, want int }{{0, 100, 10}, {3, 2, 2}, {9, 1, 1}, {10, 1, 0}, {0, 0, 0}, {1 << 30, 1, 0}} {
		h, pieces, err := a.Pieces(sequencer(0), 0, uint64(r.first), r.n)
		if err != nil || h != b.Header || len(pieces) != r.want {
			t.Fatalf("%+v: %d pieces, %v", r, len(pieces), err)
		}
		for _, p := range pieces {
			if err := payload.CheckPiece(&h, p.Index, p.Bytes, p.Path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, pieces, err := a.Pieces(sequencer(0), 1, 0, 1); err != nil || len(pieces) != 0 {
		t.Fatal("an empty body has pieces", err)
	}
	if _, _, err := a.Pieces(sequencer(0), 2, 0, 1); !errors.Is(err, ErrNotHeld) {
		t.Fatal(err)
	}
}

func TestARangeEndsAtTheFirstGap(t *testing.T) {
	a := open(t, small(t.TempDir()))
	c := newChain()
	var b []Body
	for range 9 {
		b = append(b, c.body(sequencer(0), 100))
	}
	for _, i := range []int{2, 3, 4, 6, 8} {
		put(t, a, ForDelivery, b[i])
	}
	if err := a.PutHeaders([]payload.Header{b[5].Header}, nil); err != nil {
		t.Fatal(err)
	}
	flush(t, a)
	for _, r := range []struct{ from, limit, want int }{{2, 100, 5}, {2, 3, 3}, {0, 10, 0}, {7, 10, 0}, {8, 10, 1}} {
		heads := a.Range(sequencer(0), uint64(r.from), r.limit)
		if len(heads) != r.want {
			t.Fatalf("%+v: %d places", r, len(heads))
		}
		for i, h := range heads {
			if h.Header.Height != uint64(r.from+i) || (h.State == Held) != (h.Header.Height != 5) {
				t.Fatalf("%+v", h)
			}
		}
	}
	if got := a.Range(sequencer(1), 0, 5); got != nil {
		t.Fatal(got)
	}
	if tips := a.Tips(); len(tips) != 1 || tips[0].Top.Header.Height != 8 {
		t.Fatalf("%+v", tips)
	}
}

func TestAfterCloseNothingIsTakenAndNothingIsLost(t *testing.T) {
	a := open(t, small(t.TempDir()))
	c := newChain()
	id := sequencer(0)
	var all []Body
	durable := 0
	for range 20 {
		b := c.body(id, 4000)
		all = append(all, b)
		if err := a.Put(ForVote, b, func(err error) {
			if err == nil {
				durable++
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil || durable != len(all) {
		t.Fatalf("%d of %d durable, %v", durable, len(all), err)
	}
	more := c.body(id, 1)
	for name, err := range map[string]error{
		"Put": a.Put(ForVote, more, nil), "PutHeaders": a.PutHeaders([]payload.Header{more.Header}, nil), "PutLock": a.PutLock(lockOf(&more, 1), nil),
		"Prune": a.Prune(id, 1, nil), "Flush": a.Flush(t.Context()), "Want": a.Want(ForVote, id, 0, digestOf(&more), nil),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := a.Get(id, 0, nil); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	a = open(t, a.cfg)
	for i := range all {
		mustGet(t, a, &all[i])
	}
}

func TestFlushEndsWithItsContext(t *testing.T) {
	fs := newMemFS()
	hold := make(chan struct{})
	fs.Hold = func(name string) {
		if strings.Contains(name, dataDir) {
			<-hold
		}
	}
	c := small("a")
	c.FS = fs
	a := open(t, c)
	ch := newChain()
	put(t, a, ForVote, ch.body(sequencer(0), 10))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(hold)
	flush(t, a)
}

// Several goroutines on lanes of their own do all that can be done, with the race detector where it
// is on.
func TestLanesAreIndependentOfEachOther(t *testing.T) {
	c := small(t.TempDir())
	c.Quota, c.Retain = 256<<10, 5*time.Millisecond
	a := open(t, c)
	var lanes sync.WaitGroup
	for n := range 4 {
		lanes.Go(func() {
			ch := newChain()
			id := sequencer(n)
			var buf []byte
			for i := range uint64(60) {
				b := ch.body(id, 3000+int(i))
				if i%5 == 0 {
					_ = a.Put(Pushed, b, nil) // there may be no room
				}
				done := make(chan error, 1)
				if err := a.Put(ForDelivery, b, func(err error) { done <- err }); err != nil {
					t.Error(err)
					return
				}
				if err := <-done; err != nil {
					t.Error(err)
					return
				}
				if err := a.PutLock(lockOf(&b, i/20), nil); err != nil {
					t.Error(err)
				}
				_, got, err := a.Get(id, i, buf)
				if err != nil || !bytes.Equal(got, b.Bytes) {
					t.Error("another body", err)
				}
				buf = got
				if _, _, err := a.Pieces(id, i, 0, 9); err != nil {
					t.Error(err)
				}
				a.Range(id, i/2, 10)
				a.Tips()
				a.Usage()
				if err := a.Prune(id, i, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	lanes.Wait()
	flush(t, a)
}

func TestBadConfigurationNamesTheField(t *testing.T) {
	for field, change := range map[string]func(c *Config){
		"Dir":         func(c *Config) { c.Dir = "" },
		"Namespace":   func(c *Config) { c.Namespace = make([]byte, 1<<17) },
		"MaxPayload":  func(c *Config) { c.MaxPayload = 65 << 20 },
		"SegmentSize": func(c *Config) { c.SegmentSize = 1 << 10 },
		"Quota":       func(c *Config) { c.Quota = 5 },
		"MaxPushed":   func(c *Config) { c.MaxPushed = -2 },
		"Retain":      func(c *Config) { c.Retain = 31 * 24 * time.Hour },
		"MinFree":     func(c *Config) { c.MinFree = 5 },
		"MaxPending":  func(c *Config) { c.MaxPending = 5 },
		"MaxHeaders":  func(c *Config) { c.MaxHeaders = 5 },
		"CompactRate": func(c *Config) { c.CompactRate = 5 },
	} {
		c := small(t.TempDir())
		change(&c)
		if _, err := Open(c); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	var c Config
	c.Dir = "x"
	if err := c.complete(); err != nil || c.Quota != DefaultQuota || c.Retain != DefaultRetain || c.MaxPayload != payload.DefaultMaxPayload {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestAnArchiveIsNotBegunWhereThereIsNoneOrAnother(t *testing.T) {
	c := small(t.TempDir())
	c.Create = false
	if _, err := Open(c); !errors.Is(err, journal.ErrNoJournal) {
		t.Error(err)
	}
	c.Create = true
	a := open(t, c)
	if _, err := Open(c); !errors.Is(err, journal.ErrLocked) {
		t.Error(err)
	}
	ch := newChain()
	put(t, a, ForVote, ch.body(sequencer(0), 10))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	other := c
	other.Namespace = []byte("other")
	if _, err := Open(other); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
	if err := os.RemoveAll(filepath.Join(c.Dir, indexDir)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(c); !errors.Is(err, ErrIndexLost) {
		t.Error(err)
	}
}
