package replica

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// A lane whose certified chunks are no chain stops for good (docs/protocol.md 7.4): more than f
// validators were faulty. A file of the folder forks, named after the lane, keeps it stopped in
// later runs, and holds the evidence:
//
//	magic "lanefork" ‖ activity, or nothing ‖ CRC-32C of both as u32
//
// Integers are little-endian. A lane that has a file stays stopped, whatever its content.

// contradiction is the reason why a lane stops: two locks of which neither stands on the other, or
// a lock and a header under it that is of another place.
type contradiction struct {
	why       error
	lock      wire.Lock
	other     *wire.Lock
	misplaced *misfitError
	told      bool // the engine has reported it
}

// misfitError is errMisfit with the header of a chunk at a height. The header names another place.
type misfitError struct {
	height uint64
	header payload.Header
}

func (e *misfitError) Error() string {
	return fmt.Sprintf("%v: of height %d of lane %v", errMisfit, e.header.Height, e.header.Sequencer)
}

func (e *misfitError) Unwrap() error { return errMisfit }

// evidence returns the activity that proves the contradiction, still without headers, and the
// number of headers that prove it. It is nil for a header of another place, which proves nothing
// without headers.
func (c *contradiction) evidence() (a wire.Activity, headers uint64) {
	upper, lower := &c.lock, c.other
	switch {
	case lower == nil && c.misplaced != nil && c.misplaced.height <= upper.Chunk.Height:
		return nil, upper.Chunk.Height - c.misplaced.height + 1
	case lower == nil:
		return nil, 0
	case upper.Chunk.Height == lower.Chunk.Height:
		return &wire.LockConflict{First: *upper, Second: *lower}, 0
	case upper.Chunk.Height < lower.Chunk.Height:
		upper, lower = lower, upper
	}
	return &wire.Fork{Upper: *upper, Lower: lower}, upper.Chunk.Height - lower.Chunk.Height
}

// stopLane ends a lane for good. mu is held.
func (r *Replica) stopLane(l *lane, c contradiction) {
	if l.failure != nil {
		return
	}
	l.failure = c.why
	l.notify()
	r.counts.stoppedLanes.Add(1)
	r.log.Error("a lane has stopped: more than f validators were faulty, or this host applied chunks that were not certified",
		"sequencer", l.id, "why", c.why)
	r.work(func() { r.reportFork(l.id, &c) })
}

// evidenceTimeout bounds the time for which peers are asked for the headers of a fork. All are
// here, except some of a long walk.
const evidenceTimeout = 30 * time.Second

// reportFork records for later runs that a lane has stopped, and tells the host.
func (r *Replica) reportFork(id wire.PublicKey, c *contradiction) {
	a, headers := c.evidence()
	if !r.markStopped(id, a) { // first, even if headers are missing
		return
	}
	if proven := r.proveFork(c, a, headers); proven != nil {
		a = proven
		if !r.markStopped(id, a) {
			return
		}
	}
	if a != nil && !c.told {
		r.tell(a)
	}
}

// proveFork returns a fork with its headers, nil if a needs none, or if the headers cannot be
// obtained.
func (r *Replica) proveFork(c *contradiction, a wire.Activity, headers uint64) wire.Activity {
	if headers == 0 || headers > wire.MaxForkHeaders {
		return nil
	}
	fork := &wire.Fork{Upper: c.lock}
	if f, ok := a.(*wire.Fork); ok {
		fork.Upper, fork.Lower = f.Upper, f.Lower
	} else {
		headers-- // the last one is the header of another place
	}
	ctx, cancel := context.WithTimeout(r.working, evidenceTimeout)
	defer cancel()
	found, err := r.headersDown(ctx, &fork.Upper.Chunk, int(headers))
	if fork.Lower == nil {
		found = append(found, c.misplaced.header)
	}
	for i := range found {
		fork.Headers = append(fork.Headers, found[i].AppendTo(make([]byte, 0, found[i].Size())))
	}
	if err == nil {
		err = checkFork(fork, r.cfg.Namespace)
	}
	if err != nil {
		r.log.Warn("the headers that prove a fork were not found", "sequencer", fork.Upper.Chunk.Sequencer, "why", err)
		return nil
	}
	return fork
}

// headersDown returns the headers of a certified chunk and those below it, from the archive or from
// peers.
func (r *Replica) headersDown(ctx context.Context, top *wire.Chunk, count int) (headers []payload.Header, err error) {
	digest := top.Payload
	w := r.newWalker()
	for len(headers) < count {
		height := top.Height - uint64(len(headers))
		found := []payload.Header{}
		if head := r.archive.Head(top.Sequencer, height); head.Digest == digest && hasHeader(head.State) {
			found = append(found, head.Header)
		} else if found, err = w.page(ctx, message.Place{Sequencer: top.Sequencer, Height: height}, digest, count-len(headers)); err != nil {
			return nil, err
		}
		headers = append(headers, found...)
		digest = headers[len(headers)-1].Parent
	}
	return headers, nil
}

func hasHeader(s archive.State) bool {
	return s == archive.Held || s == archive.HeaderOnly || s == archive.PushedBody
}

// report passes an activity to the host, one at a time.
func (r *Replica) report(ctx context.Context, a wire.Activity) error {
	if r.cfg.Report == nil {
		return nil
	}
	r.reporting.Lock()
	defer r.reporting.Unlock()
	return r.cfg.Report(ctx, a)
}

// tell passes evidence of ours to the host.
func (r *Replica) tell(a wire.Activity) {
	err := r.guard("Config.Report", func() error { return r.report(r.working, a) })
	if err != nil && r.working.Err() == nil {
		r.fail(fmt.Errorf("%w: %w", engine.ErrReporter, err))
	}
}

// beside reports whether a lock is below the last delivered chunk and contradicts the delivered
// chain: the kept headers lead from the proving lock to another chunk at its height. mu is held.
func (r *Replica) beside(l *lane, k *wire.Chunk) bool {
	if !l.hasProof || k.Height >= l.proof.Chunk.Height || l.proof.Chunk.Height-k.Height > wire.MaxForkHeaders || !r.differs(l.id, k) {
		return false
	}
	digest := l.proof.Chunk.Payload
	for height := l.proof.Chunk.Height; height > k.Height; height-- {
		head := r.archive.Head(l.id, height)
		if head.Digest != digest || !hasHeader(head.State) {
			return false
		}
		digest = head.Header.Parent
	}
	return digest != k.Payload
}

// differs reports whether the archive has another chunk's header at the place of a chunk.
func (r *Replica) differs(id wire.PublicKey, k *wire.Chunk) bool {
	head := r.archive.Head(id, k.Height)
	return (head.State == archive.Held || head.State == archive.HeaderOnly) && head.Digest != k.Payload
}

// against returns the contradiction of a lock with a lane that it is known to contradict. mu is
// held.
func (l *lane) against(k *wire.Lock) contradiction {
	c := contradiction{lock: *k, why: fmt.Errorf("%w: two chunks are certified at height %d", ErrFork, k.Chunk.Height)}
	switch {
	case l.locked && l.lock.Chunk.Height == k.Chunk.Height && l.lock.Chunk != k.Chunk:
		other := l.lock
		c.other = &other
	case l.hasProof:
		other := l.proof
		c.other = &other
	}
	return c
}

// mayContradict reports whether a lock below the highest one deserves a verification, since it
// differs from the chunk known at its height. mu is held.
func (r *Replica) mayContradict(l *lane, k *wire.Chunk) bool {
	if l.failure != nil {
		return false
	}
	switch l.knows(r.archive, k.Height, k.Payload) {
	case contradicted:
		return true
	case overtaken:
		return k.Height < l.next && r.differs(l.id, k)
	}
	return false
}

// A lock that leads beside the known chain must not be the only one of its lane that a later run
// finds: the run would take its chain for the lane, and hand over chunks that do not stand on those
// handed over before. And the archive keeps few locks of a lane. So a lock is pending until it was
// walked down, and is put into the archive then. The first lock of a lane is put there at once,
// since it replaces none.

// maxPendingLocks bounds the epochs of pending locks of a lane. There are fewer epochs within
// bounds.
const maxPendingLocks = 16

// keepLock keeps a verified lock: in the archive, or pending. mu is held.
func (r *Replica) keepLock(l *lane, k *wire.Lock, known certainty) error {
	if known == proven && k.Chunk.Height < l.end() { // not because it is the highest lock itself
		return r.archiveLock(k)
	}
	l.pend(k)
	if tip, _ := r.archive.Tip(l.id); len(tip.Locks) > 0 {
		return nil
	}
	return r.archiveLock(k)
}

// pend makes a lock pending. mu is held.
func (l *lane) pend(k *wire.Lock) {
	if !l.hasFirst || k.Chunk.Height < l.first.Chunk.Height {
		l.first, l.hasFirst = *k, true
	}
	if last, ok := l.pending[k.Epoch]; !ok || last.Chunk.Height < k.Chunk.Height {
		if !ok && len(l.pending) == maxPendingLocks {
			delete(l.pending, slices.Min(slices.Collect(maps.Keys(l.pending))))
		}
		l.pending[k.Epoch] = *k
	}
}

func (r *Replica) archiveLock(k *wire.Lock) error {
	if err := r.archive.PutLock(*k, nil); err != nil && !errors.Is(err, archive.ErrPruned) && !errors.Is(err, archive.ErrBusy) {
		return fmt.Errorf("replica: keeping a lock: %w", err)
	}
	return nil
}

// settle compares the pending locks with the chunks that are proven now. mu is held.
func (r *Replica) settle(l *lane) {
	if l.hasFirst && !r.compareProven(l, &l.first) {
		return
	}
	for epoch, k := range l.pending {
		if !r.compareProven(l, &k) {
			return
		}
		if k.Chunk.Height < l.end() {
			delete(l.pending, epoch)
		}
	}
	if l.hasFirst && l.first.Chunk.Height < l.end() {
		l.hasFirst = false
		for _, k := range l.pending {
			if !l.hasFirst || k.Chunk.Height < l.first.Chunk.Height {
				l.first, l.hasFirst = k, true
			}
		}
	}
}

// compareProven compares a lock with the chunks that are proven now, if they reach its height. It
// keeps the lock, or stops the lane or the replica, and reports whether they go on. mu is held.
func (r *Replica) compareProven(l *lane, k *wire.Lock) bool {
	if k.Chunk.Height >= l.end() {
		return true
	}
	switch l.knows(r.archive, k.Chunk.Height, k.Chunk.Payload) {
	case contradicted:
		r.stopLane(l, l.against(k))
		return false
	case proven:
		if err := r.archiveLock(k); err != nil {
			r.fail(err)
			return false
		}
	}
	return true
}

// target returns the lock to walk down next: the lowest pending one, so that nothing is handed over
// beside it. mu is held.
func (l *lane) target() wire.Lock {
	if l.hasFirst && l.first.Chunk.Height >= l.end() {
		return l.first
	}
	return l.lock
}

// locksOf returns the highest lock of each epoch, archived or pending, by ascending epoch. For a
// lane that has stopped it returns those that were walked down, so that others find the fork too.
func (r *Replica) locksOf(id wire.PublicKey) []wire.Lock {
	tip, _ := r.archive.Tip(id)
	highest := make(map[uint64]wire.Lock, len(tip.Locks))
	for _, k := range tip.Locks {
		highest[k.Epoch] = k
	}
	if l := r.knownLane(id); l != nil {
		l.mu.Lock()
		for epoch, k := range l.pending {
			if known, ok := highest[epoch]; l.failure == nil && (!ok || known.Chunk.Height < k.Chunk.Height) {
				highest[epoch] = k
			}
		}
		l.mu.Unlock()
	}
	locks := slices.Collect(maps.Values(highest))
	slices.SortFunc(locks, func(a, b wire.Lock) int { return cmp.Compare(a.Epoch, b.Epoch) })
	return locks
}

const (
	forkMagic = "lanefork"
	forkNew   = ".new"
	// maxForkFile is more than the bytes of any evidence.
	maxForkFile = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// markStopped records durably that a lane has stopped, and why, if that is known. It returns false
// if that failed; the replica ends then.
func (r *Replica) markStopped(id wire.PublicKey, a wire.Activity) bool {
	b := []byte(forkMagic)
	if a != nil {
		b = a.AppendTo(b)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	name := filepath.Join(r.forks, id.String())
	err := writeFile(r.fs, name+forkNew, b)
	if err == nil {
		err = r.fs.Rename(name+forkNew, name)
	}
	if err == nil {
		err = r.fs.SyncDir(r.forks)
	}
	if err != nil {
		r.fail(fmt.Errorf("replica: recording that a lane has stopped: %w", err))
	}
	return err == nil
}

// writeFile makes a file with its content. All but its name is durable then.
func writeFile(fsys journal.FS, name string, b []byte) error {
	file, err := fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(b, 0)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// openForks makes the folder of lanes that have stopped, and stops those that earlier runs stopped.
func (r *Replica) openForks() error {
	var err error
	if r.forks, err = r.openFolder("forks"); err != nil {
		return err
	}
	names, err := r.fs.ReadDir(r.forks)
	if err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, forkNew) { // left by a crash before the file got its name
			if err := r.fs.Remove(filepath.Join(r.forks, name)); err != nil {
				return fmt.Errorf("replica: %w", err)
			}
			continue
		}
		id, err := wire.ParsePublicKey(name)
		if err != nil {
			r.log.Warn("a file in the folder forks is named after no lane", "name", name)
			continue
		}
		l := r.laneOf(id)
		l.failure = fmt.Errorf("%w: an earlier run stopped the lane: see the file %s in the folder forks", ErrFork, name)
		r.counts.stoppedLanes.Add(1)
		r.log.Error("a lane has stopped in an earlier run", "sequencer", id)
	}
	return nil
}

// openFolder makes a folder in the replica's folder if it is not there, and returns its name.
func (r *Replica) openFolder(name string) (string, error) {
	dir, err := r.fs.Abs(filepath.Join(r.cfg.Dir, name))
	if err == nil {
		err = r.fs.MkdirAll(dir)
	}
	if err != nil {
		return "", fmt.Errorf("replica: %w", err)
	}
	return dir, nil
}

// retellForks reports to the host the evidence that earlier runs kept. If the headers of a fork
// were missing, it tries to prove the fork now.
func (r *Replica) retellForks() {
	for _, l := range r.allLanes() {
		l.mu.Lock()
		stopped := l.failure != nil
		l.mu.Unlock()
		if !stopped {
			continue
		}
		a, err := r.readFork(l.id)
		if err != nil {
			r.log.Warn("the evidence of a lane that has stopped cannot be reported again", "sequencer", l.id, "why", err)
			continue
		}
		switch fork, ok := a.(*wire.Fork); {
		case ok && len(fork.Headers) == 0:
			r.reportFork(l.id, &contradiction{lock: fork.Upper, other: fork.Lower})
		case a != nil:
			r.tell(a)
		}
	}
}

// readFork returns the evidence in a lane's file; nil if the file has none.
func (r *Replica) readFork(id wire.PublicKey) (wire.Activity, error) {
	file, err := r.fs.OpenRead(filepath.Join(r.forks, id.String()))
	if err != nil {
		return nil, err
	}
	defer file.Close() // it is read only
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	if size < int64(len(forkMagic)+4) || size > maxForkFile {
		return nil, errPile
	}
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil {
		return nil, err
	}
	content := b[:len(b)-4]
	if !bytes.HasPrefix(content, []byte(forkMagic)) || crc32.Checksum(content, castagnoli) != binary.LittleEndian.Uint32(b[len(content):]) {
		return nil, errPile
	}
	if content = content[len(forkMagic):]; len(content) == 0 {
		return nil, nil
	}
	return wire.DecodeActivity(content, knownFormats{r})
}

// knownFormats are the formats of all epochs whose sets are known.
type knownFormats struct{ *Replica }

// Format implements wire.Formats.
func (k knownFormats) Format(epoch uint64) (wire.Format, bool) {
	scheme, ok := k.cfg.scheme(epoch)
	if !ok {
		return wire.Format{}, false
	}
	return scheme.Format(), true
}
