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
	locked        payloads
	sent          map[Signing]payloads

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
		locked:   make(payloads),
		sent:     make(map[Signing]payloads),
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

// Delivered takes in a chunk that was delivered to a member, and compares it with the lock at its
// place and with the chunks delivered there to other members.
func (a *Audit) Delivered(c wire.Chunk) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.compare(&c)
}

// compare looks for another payload locked at the same place. a.mu must be held.
func (a *Audit) compare(c *wire.Chunk) {
	if other, differs := a.locked.differs(c); differs {
		a.problems.Conflict("two payloads are locked or delivered for lane %v height %d: %v and %v", c.Sequencer, c.Height, other, c.Payload)
	}
}

// Signing is a member and a kind of message. The member may sign one such message for each place.
type Signing struct {
	Member int
	What   string // for people: node or ack
}

// Sent takes in a chunk that a member sent with its signature. Calls come in the order of sending.
func (a *Audit) Sent(by Signing, c *wire.Chunk) {
	a.mu.Lock()
	defer a.mu.Unlock()
	lanes := a.sent[by]
	if lanes == nil {
		lanes = make(payloads)
		a.sent[by] = lanes
	}
	if other, differs := lanes.differs(c); differs {
		a.problems.Conflict("member %d sent a %s for two payloads of lane %v height %d: %v and %v",
			by.Member, by.What, c.Sequencer, c.Height, other, c.Payload)
	}
}

// payloads are those of the latest auditHeights places of each lane, or some more.
type payloads map[wire.PublicKey]*lanePayloads

type lanePayloads struct {
	at      map[uint64]wire.Digest
	highest uint64
}

// differs notes the payload of a place, and returns another that was noted for it before.
func (p payloads) differs(c *wire.Chunk) (other wire.Digest, differs bool) {
	lane := p[c.Sequencer]
	if lane == nil {
		lane = &lanePayloads{at: make(map[uint64]wire.Digest)}
		p[c.Sequencer] = lane
	}
	other, seen := lane.at[c.Height]
	if seen {
		return other, other != c.Payload
	}
	lane.at[c.Height] = c.Payload
	if lane.highest = max(lane.highest, c.Height); len(lane.at) > 2*auditHeights {
		for height := range lane.at {
			if height+auditHeights < lane.highest {
				delete(lane.at, height)
			}
		}
	}
	return other, false
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
		// For host.ThreadCPU. The goroutine ends without unlocking, which ends the thread.
		runtime.LockOSThread()
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
