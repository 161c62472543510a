package audit

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/profile"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

const (
	// auditBatch is the number of certificates that the audit verifies together.
	auditBatch = 256
	// auditBacklog is the number of certificates that may wait for the end of the run. Above it
	// they are verified during the run, which takes time from the engines but bounds memory.
	auditBacklog = 1 << 14
	// auditHeights is the number of heights of a lane for which payloads are kept, to compare with.
	// Members are never further apart.
	auditHeights = 1 << 12
)

// Audit is the independent check: it collects the locks that all members report, verifies each
// certificate with its own scheme instance, and compares the payloads locked at each place. Its
// methods may be called from any goroutine.
type Audit struct {
	scheme  verify.Scheme
	epoch   uint64
	Backlog int // auditBacklog, less in tests

	mu      sync.Mutex
	pending []wire.Lock
	// Members often report the very same certificate. known has the latest ones, at most backlog;
	// before has those that preceded them.
	known, before map[[sha256.Size]byte]struct{}
	payloads      map[wire.PublicKey]map[uint64]wire.Digest
	highest       map[wire.PublicKey]uint64

	Verified atomic.Uint64 // distinct certificates
	cpu      atomic.Int64  // ns that verification took while the run was on
	working  atomic.Bool   // VerifyBacklog is running
	group    sync.WaitGroup

	problems *Problems
}

// New returns an audit of locks of one epoch, which records problems in t.
func New(scheme verify.Scheme, epoch uint64, t *Problems) *Audit {
	return &Audit{
		scheme:   scheme,
		Backlog:  auditBacklog,
		epoch:    epoch,
		known:    make(map[[sha256.Size]byte]struct{}),
		payloads: make(map[wire.PublicKey]map[uint64]wire.Digest),
		highest:  make(map[wire.PublicKey]uint64),
		problems: t,
	}
}

// Add takes a lock that a member reported.
func (a *Audit) Add(lock wire.Lock) {
	lock.Certificate = bytes.Clone(lock.Certificate)
	sum := sha256.Sum256(lock.AppendTo(nil))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.compare(&lock.Chunk)
	if _, twice := a.known[sum]; twice {
		return
	}
	if _, twice := a.before[sum]; twice {
		return
	}
	if len(a.known) == a.Backlog {
		a.known, a.before = make(map[[sha256.Size]byte]struct{}), a.known
	}
	a.known[sum] = struct{}{}
	a.pending = append(a.pending, lock)
}

// compare looks for another payload locked at the same place. a.mu must be held.
func (a *Audit) compare(c *wire.Chunk) {
	lane := a.payloads[c.Sequencer]
	if lane == nil {
		lane = make(map[uint64]wire.Digest)
		a.payloads[c.Sequencer] = lane
	}
	other, seen := lane[c.Height]
	switch {
	case !seen:
		lane[c.Height] = c.Payload
		a.highest[c.Sequencer] = max(a.highest[c.Sequencer], c.Height)
	case other != c.Payload:
		a.problems.Conflict("two payloads are locked for lane %v height %d: %v and %v", c.Sequencer, c.Height, other, c.Payload)
	}
	if highest := a.highest[c.Sequencer]; len(lane) > 2*auditHeights {
		for height := range lane {
			if height+auditHeights < highest {
				delete(lane, height)
			}
		}
	}
}

// take removes up to n pending locks.
func (a *Audit) take(n int) []wire.Lock {
	a.mu.Lock()
	defer a.mu.Unlock()
	n = min(n, len(a.pending))
	taken := a.pending[:n:n]
	if a.pending = a.pending[n:]; len(a.pending) == 0 {
		a.pending = nil
	}
	return taken
}

// VerifyBacklog verifies the waiting locks in the background if there are more than a.backlog. It
// adds the CPU time that it takes to a.cpu.
func (a *Audit) VerifyBacklog() {
	a.mu.Lock()
	waiting := len(a.pending)
	a.mu.Unlock()
	if waiting < a.Backlog || !a.working.CompareAndSwap(false, true) {
		return
	}
	a.group.Go(func() {
		defer a.working.Store(false)
		runtime.LockOSThread() // for host.ThreadCPU; the goroutine ends without unlocking, which ends the thread
		before := host.ThreadCPU()
		profile.Labelled("audit", func() {
			for left := waiting; left > 0; left -= auditBatch {
				a.verify(a.take(auditBatch))
			}
		})
		a.cpu.Add(int64(host.ThreadCPU() - before))
	})
}

// Finish verifies all waiting locks, on all processors. No lock may be added during that.
func (a *Audit) Finish() {
	a.group.Wait()
	for range runtime.GOMAXPROCS(0) {
		a.group.Go(func() {
			for locks := a.take(auditBatch); len(locks) > 0; locks = a.take(auditBatch) {
				a.verify(locks)
			}
		})
	}
	a.group.Wait()
}

// verify verifies certificates, together first and singly if that fails.
func (a *Audit) verify(locks []wire.Lock) {
	combinations := make([]verify.Combination, 0, len(locks))
	opened := make([]*wire.Lock, 0, len(locks))
	for i := range locks {
		l := &locks[i]
		a.Verified.Add(1)
		if l.Epoch != a.epoch {
			a.reject(l, fmt.Errorf("epoch %d, which never was", l.Epoch))
			continue
		}
		c, err := a.scheme.Open(&verify.Statement{Scheme: a.scheme, Subject: l.Subject(), Certificate: l.Certificate})
		if err != nil {
			a.reject(l, err)
			continue
		}
		combinations, opened = append(combinations, c), append(opened, l)
	}
	if a.scheme.Check(combinations) {
		return
	}
	for _, l := range opened {
		if err := verify.VerifyCertificate(a.scheme, l.Subject(), l.Certificate); err != nil {
			a.reject(l, err)
		}
	}
}

func (a *Audit) reject(l *wire.Lock, err error) {
	a.problems.Fault("invalid certificate for lane %v height %d: %v", l.Chunk.Sequencer, l.Chunk.Height, err)
}

// CPUTime returns the CPU time of VerifyBacklog so far.
func (a *Audit) CPUTime() time.Duration { return time.Duration(a.cpu.Load()) }
