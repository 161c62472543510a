package bodies

import (
	"context"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

// application is the chain of a member: it makes bodies when they are due, approves genuine ones,
// and checks the chunks that are delivered to it.
type application struct {
	cfg       *Config
	generator *generator
	checker   *checker

	opened chan struct{} // closed when the first body may be made
	ended  chan struct{} // closed when no more are made
	since  atomic.Int64  // time of open, in ns since 1970; bodies made before it have no latency

	mu       sync.Mutex
	schedule schedule
	asked    bool                 // Propose waits for a body that is scheduled
	due      time.Time            // time at which that body is due
	over     bool                 // ended is closed
	made     uint64               // bodies, in this run
	top      uint64               // height after the last body made since the start
	begun    map[uint64]time.Time // by height: time due or made, until the lock is reported

	certified, certifiedBytes           atomic.Uint64
	delivered, deliveredBytes, repeated atomic.Uint64
	making, checking                    atomic.Int64 // ns of CPU
}

func newApplication(c *Config) *application {
	g := newGenerator(c.Seed)
	a := &application{
		cfg: c, generator: g, checker: newChecker(g, c.Lanes), opened: make(chan struct{}), ended: make(chan struct{}), begun: make(map[uint64]time.Time),
	}
	if turn, sequences := c.lane(); sequences {
		a.schedule = newSchedule(c.Rate, turn, len(c.Lanes))
	}
	return a
}

// start forgets the bodies that a stopped replica may have lost, and resumes the schedule.
func (a *application) start() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.top, a.asked = 0, false
	clear(a.begun)
	if a.since.Load() > 0 {
		a.schedule.begin(time.Now())
	}
}

// stop interrupts the schedule: nothing is due until start.
func (a *application) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.schedule.stop(time.Now())
}

// open lets bodies be made.
func (a *application) open(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.schedule.begin(at)
	a.since.Store(at.UnixNano())
	close(a.opened)
}

// end stops the making of bodies: none is made after it returns.
func (a *application) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.over {
		a.over = true
		close(a.ended)
	}
}

// Propose implements replica.Application.
func (a *application) Propose(ctx context.Context, at engine.Place) ([]byte, error) {
	select {
	case <-a.opened:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	due := a.scheduled()
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		var body []byte
		a.making.Add(int64(cpuOf(func() { body = a.generator.body(at.Sequencer, at.Height, a.cfg.Run, due, a.cfg.Size) })))
		if a.proposed(at.Height, due) {
			return body, nil
		}
	case <-a.ended:
	case <-ctx.Done():
	}
	<-ctx.Done() // no more bodies are made
	return nil, ctx.Err()
}

// scheduled returns the time at which the requested body is due. If the call for a body was
// cancelled, the next call gets the same time.
func (a *application) scheduled() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.asked {
		a.asked, a.due = true, a.schedule.take(time.Now())
	}
	return a.due
}

// proposed counts a body that was made; it returns false if the body came too late.
func (a *application) proposed(height uint64, due time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return false
	}
	a.asked, a.top = false, height+1
	a.made++
	a.begun[height] = due
	return true
}

// Verify implements replica.Application. It checks only the beginning of a body, since the ack
// waits for it; every body is checked whole when it is delivered.
func (a *application) Verify(_ context.Context, at engine.Place, body []byte) (good bool, _ error) {
	a.checking.Add(int64(cpuOf(func() { good = a.generator.begins(at.Sequencer, at.Height, body, looked) })))
	return good, nil
}

// looked is the number of bytes of a body that are checked before it is approved.
const looked = 4 << 10

// Deliver implements replica.Application.
func (a *application) Deliver(_ context.Context, k replica.Chunk) error {
	now := time.Now()
	var repeated bool
	var wrong error
	a.checking.Add(int64(cpuOf(func() { repeated, wrong = a.checker.take(&k) })))
	if wrong != nil {
		a.cfg.Problems.Fault("%s got a wrong delivery: %v", a.cfg.Name, wrong)
	}
	if repeated {
		a.repeated.Add(1)
		return nil
	}
	a.delivered.Add(1)
	a.deliveredBytes.Add(uint64(len(k.Body)))
	d := Delivery{Chunk: wire.Chunk{Sequencer: k.Sequencer, Height: k.Height, Payload: k.Digest}}
	if len(k.Body) >= MinSize {
		if made := madeAt(k.Body); made.UnixNano() >= a.since.Load() {
			d.Took, d.Timed = now.Sub(made), true
		}
	}
	a.cfg.Recorder.Delivered(d)
	return nil
}

// locked takes in a lock that the engine reports.
func (a *application) locked(l *wire.Lock) {
	c := Certification{Lock: l}
	if l.Chunk.Sequencer == a.cfg.identity() {
		a.mu.Lock()
		made, ok := a.begun[l.Chunk.Height]
		maps.DeleteFunc(a.begun, func(height uint64, _ time.Time) bool { return height <= l.Chunk.Height })
		a.mu.Unlock()
		if ok {
			c.Took, c.Own = time.Since(made), true
			a.certified.Add(1)
			a.certifiedBytes.Add(uint64(a.cfg.Size))
		}
	}
	a.cfg.Recorder.Certified(c)
}

// counters returns the counts so far.
func (a *application) counters() measure.Bodies {
	a.mu.Lock()
	b := measure.Bodies{Made: a.made, Due: a.schedule.dueUntil(time.Now())}
	top := a.top
	a.mu.Unlock()
	b.Certified, b.CertifiedBytes = a.certified.Load(), a.certifiedBytes.Load()
	b.Delivered, b.DeliveredBytes, b.Repeated = a.delivered.Load(), a.deliveredBytes.Load(), a.repeated.Load()
	b.Making, b.Checking = time.Duration(a.making.Load()), time.Duration(a.checking.Load())
	for _, lane := range a.cfg.Lanes {
		h := measure.LaneHeights{Sequencer: lane, Next: a.checker.next(lane)}
		if lane == a.cfg.identity() {
			h.Made = top
		}
		b.Lanes = append(b.Lanes, h)
	}
	return b
}

// cpuOf calls f, which only computes, and returns the CPU time that it used.
func cpuOf(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := host.ThreadCPU()
	f()
	return host.ThreadCPU() - before
}
