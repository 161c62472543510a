package journalbench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

// BodySize is the length in bytes of the bodies that BenchmarkDurableBodies writes.
const BodySize = 256 << 10

const (
	bodiesKept  = 8   // bodies of a lane
	rarely      = 256 // bodies of a lane: 1 GiB of all lanes
	bodyLanes   = 16  // number of lanes, to which bodies are written in turn
	bodySegment = 128 << 20
	bodyGroup   = 16 << 20 // maximum number of bytes synced together, as in the archive
)

// BodyGroups are numbers of bodies that are synced together. Twice as many are under way, so that
// all ways make groups of that size: while one group is synced, the next one forms.
func BodyGroups() []int { return []int{4, 16, 64} }

// BodyLog makes bodies durable. The caller's bodies never change.
type BodyLog interface {
	// Put takes the next body of a lane. done is called once it is durable.
	Put(lane int, body int, done func(error)) error
	// Close makes all bodies durable and ends the log.
	Close() error
}

// BodyWay is one of the ways that are compared.
type BodyWay struct {
	Name    string
	Against string // name of the way to compare with
	Open    func(dir string, bodies [][]byte) (BodyLog, error)
}

// BodyWays returns all ways, the plain file first. The rarely pruned archive can reuse the file of
// a dead segment only for every eighth segment. It is compared with files that are kept equally
// long, since a disk may be slower in places that were not written recently.
func BodyWays() []BodyWay {
	return []BodyWay{
		{"file", "", openBodyFile(2)},
		{"archive", "file", openArchive(bodiesKept)},
		{"file-kept", "file", openBodyFile(2 * rarely * bodyLanes * BodySize / bodySegment)},
		{"archive-rarely-pruned", "file-kept", openArchive(rarely)},
		{"pebble-separated", "file", openSeparated},
	}
}

type queuedBody struct {
	lane, body int
	done       func(error)
}

// groupedBodies makes a BodyLog from a function that makes a group durable. A group is the bodies
// that came while the previous group was being synced.
type groupedBodies struct {
	commit func(group []queuedBody) error
	close  func() error
	wake   chan struct{}
	gone   chan struct{}

	mu      sync.Mutex
	queued  []queuedBody
	closing bool
}

func newGroupedBodies(commit func([]queuedBody) error, close func() error) *groupedBodies {
	g := &groupedBodies{commit: commit, close: close, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	go g.run()
	return g
}

func (g *groupedBodies) Put(lane, body int, done func(error)) error {
	g.mu.Lock()
	g.queued = append(g.queued, queuedBody{lane, body, done})
	g.mu.Unlock()
	signal(g.wake)
	return nil
}

func (g *groupedBodies) run() {
	defer close(g.gone)
	for {
		<-g.wake
		for {
			g.mu.Lock()
			n := min(len(g.queued), bodyGroup/BodySize)
			group := slices.Clone(g.queued[:n])
			g.queued = g.queued[n:]
			closing := g.closing
			g.mu.Unlock()
			if n == 0 && closing {
				return
			}
			if n == 0 {
				break
			}
			err := g.commit(group)
			for _, q := range group {
				q.done(err)
			}
		}
	}
}

func (g *groupedBodies) Close() error {
	g.mu.Lock()
	g.closing = true
	g.mu.Unlock()
	signal(g.wake)
	<-g.gone
	return g.close()
}

// openBodyFile is the minimum of work: one write for each body and one fdatasync for each group, in
// files of 128 MiB, of which the last few are kept.
func openBodyFile(keep int) func(dir string, bodies [][]byte) (BodyLog, error) {
	return func(dir string, bodies [][]byte) (BodyLog, error) { return newBodyFile(dir, bodies, keep) }
}

func newBodyFile(dir string, bodies [][]byte, keep int) (BodyLog, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	var f *os.File
	var written int64
	number := 0
	name := func(n int) string { return filepath.Join(dir, fmt.Sprint(n)) }
	next := func() (err error) {
		if f != nil {
			err = f.Close()
			if number >= keep {
				err = errors.Join(err, os.Remove(name(number+1-keep)))
			}
		}
		number++
		written = 0
		var created error
		f, created = os.Create(name(number))
		return errors.Join(err, created)
	}
	if err := next(); err != nil {
		return nil, err
	}
	return newGroupedBodies(func(group []queuedBody) error {
		if written+int64(len(group))*BodySize > bodySegment {
			if err := next(); err != nil {
				return err
			}
		}
		for _, q := range group {
			n, err := f.Write(bodies[q.body])
			written += int64(n)
			if err != nil {
				return err
			}
		}
		return syncData(f)
	}, func() error { return f.Close() }), nil
}

type archived struct {
	a      *archive.Archive
	bodies [][]byte
	trees  []*payload.Tree
	height [bodyLanes]uint64
	last   [bodyLanes]wire.Digest
	keep   uint64
}

// openArchive is package archive. Each time a lane has keep more bodies, it prunes all except its
// last keep bodies.
func openArchive(keep uint64) func(dir string, bodies [][]byte) (BodyLog, error) {
	return func(dir string, bodies [][]byte) (BodyLog, error) {
		a, err := archive.Open(archive.Config{Dir: dir, Create: true, Retain: -1, Quota: 8 << 30, MinFree: 64 << 20})
		if err != nil {
			return nil, err
		}
		o := &archived{a: a, bodies: bodies, keep: keep}
		for _, b := range bodies {
			o.trees = append(o.trees, payload.Build(b))
		}
		return o, nil
	}
}

func (o *archived) Put(lane, body int, done func(error)) error {
	t := o.trees[body]
	h := payload.Header{
		Sequencer: wire.PublicKey{byte(lane)}, Height: o.height[lane], Parent: o.last[lane], BodySize: t.BodySize(), Root: t.Root()}
	if err := o.a.Put(archive.ForVote, archive.Body{Header: h, Tree: t, Bytes: o.bodies[body]}, done); err != nil {
		return err
	}
	o.last[lane] = payload.Digest(nil, &h)
	o.height[lane]++
	if o.height[lane]%o.keep == 0 {
		return o.a.Prune(h.Sequencer, h.Height-min(h.Height, o.keep), nil)
	}
	return nil
}

func (o *archived) Close() error { return o.a.Close() }

// openSeparated is pebble with values in separate files; a lane overwrites its oldest body.
func openSeparated(dir string, bodies [][]byte) (BodyLog, error) {
	opts := &pebble.Options{Logger: quiet{}, FormatMajorVersion: pebble.FormatNewest, MemTableSize: 64 << 20}
	opts.Experimental.ValueSeparationPolicy = func() pebble.ValueSeparationPolicy {
		return pebble.ValueSeparationPolicy{Enabled: true, MinimumSize: 4 << 10, MaxBlobReferenceDepth: 10,
			RewriteMinimumAge: 10 * time.Second, TargetGarbageRatio: 0.3}
	}
	db, err := pebble.Open(dir, opts)
	if err != nil {
		return nil, err
	}
	var heights [bodyLanes]uint64
	return newGroupedBodies(func(group []queuedBody) error {
		b := db.NewBatchWithSize(len(group) * (BodySize + 64))
		for _, q := range group {
			k := binary.BigEndian.AppendUint64(key(q.lane), heights[q.lane]%(2*bodiesKept))
			heights[q.lane]++
			if err := b.Set(k, bodies[q.body], nil); err != nil {
				return err
			}
		}
		return errors.Join(b.Commit(pebble.Sync), b.Close())
	}, db.Close), nil
}

// BodyResult is the result of one way, in MB/s, and its ratios to the way in Against: of the best
// slices, of the medians, and the median of the ratios of each turn.
type BodyResult struct {
	Way                          string
	Best, Median                 float64
	ByBest, ByMedian, ByQuotient float64
}

// CompareBodies runs all ways alternately, in slices of the given length, with groups of the given
// number of bodies.
func CompareBodies(dir string, group, turns int, turn time.Duration) (_ []BodyResult, err error) {
	rng := rand.NewChaCha8([32]byte{2})
	bodies := make([][]byte, 64)
	for i := range bodies {
		bodies[i] = make([]byte, BodySize)
		_, _ = rng.Read(bodies[i]) // cannot fail
	}
	ways := BodyWays()
	logs := make([]BodyLog, 0, len(ways))
	defer func() {
		for i, l := range logs {
			if cerr := l.Close(); err == nil && cerr != nil {
				err = fmt.Errorf("%s: closing: %w", ways[i].Name, cerr)
			}
		}
	}()
	for _, w := range ways {
		l, err := w.Open(filepath.Join(dir, w.Name), bodies)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.Name, err)
		}
		logs = append(logs, l)
	}
	rates := make([][]float64, len(ways))
	for shift := range turns + 1 { // the first turn warms up
		for i := range ways {
			i := (shift + i) % len(ways)
			rate, err := writeBodies(logs[i], 2*group, turn)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ways[i].Name, err)
			}
			if shift > 0 {
				rates[i] = append(rates[i], rate)
			}
		}
	}
	results := make([]BodyResult, len(ways))
	for i, w := range ways {
		against := max(0, slices.IndexFunc(ways, func(o BodyWay) bool { return o.Name == w.Against }))
		quotients := make([]float64, turns)
		for turn, rate := range rates[i] {
			quotients[turn] = rate / rates[against][turn]
		}
		slices.Sort(quotients)
		own, other := slices.Sorted(slices.Values(rates[i])), slices.Sorted(slices.Values(rates[against]))
		results[i] = BodyResult{w.Name, own[turns-1], own[turns/2], own[turns-1] / other[turns-1], own[turns/2] / other[turns/2], quotients[turns/2]}
	}
	return results, nil
}

// writeBodies keeps a number of bodies under way for a time, waits for the last, and returns MB/s.
func writeBodies(l BodyLog, underWay int, turn time.Duration) (float64, error) {
	slots := make(chan error, underWay)
	for range underWay {
		slots <- nil
	}
	began, n := time.Now(), 0
	for ; time.Since(began) < turn; n++ {
		if err := <-slots; err != nil {
			return 0, err
		}
		if err := l.Put(n%bodyLanes, n%64, func(err error) { slots <- err }); err != nil {
			return 0, err
		}
	}
	for range underWay {
		if err := <-slots; err != nil {
			return 0, err
		}
	}
	return float64(n) * BodySize / 1e6 / time.Since(began).Seconds(), nil
}
