package sim

import (
	"slices"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// reporter takes the activities of one run of a process, one after the other. A crash loses the
// reports that have not returned.
type reporter struct {
	made, returned uint64
	busy           bool
	stuckUntil     time.Duration // no report returns before this time
}

func (r *reporter) pending() uint64 { return r.made - r.returned }

// report passes the next activities to the reporter, which may return for several at once.
func (p *process) report() {
	n, r := p.net, &p.reporter
	if r.busy || r.pending() == 0 {
		return
	}
	r.busy = true
	limit := n.Pace.Report
	if n.hit(n.Faults.SlowReport, ReportSlow) {
		limit *= 50
	}
	if r.stuckUntil > n.now {
		run := p.run
		n.after(r.stuckUntil-n.now, func() {
			if p.run == run && !p.down {
				r.busy = false
				p.report()
			}
		})
		return
	}
	p.later(limit, func() {
		r.busy = false
		r.returned += 1 + n.random.Uint64N(r.pending())
		n.history.line(n.now, p.name, "reporter returned for %d of %d", r.returned, r.made)
		n.observer.returned(p, r.returned)
		p.c.Reported(n.now, r.returned)
	})
}

// intake is the queue of messages that wait while the reporter or the disk is behind.
type intake struct {
	paused  bool
	closed  bool // a scenario has closed it
	waiting []event
	of      map[wire.PublicKey]int // number of waiting messages by sender
}

const maxHeld = 64 // from one peer

func newIntake() intake { return intake{of: make(map[wire.PublicKey]int)} }

func (in *intake) open() bool { return !in.paused && !in.closed && len(in.waiting) == 0 }

// hold keeps a message until the intake is open again. It drops the message if too many of the same
// peer wait.
func (p *process) hold(e *event) {
	in := &p.intake
	p.net.Stats.Faults[MessagesHeld]++
	if in.of[e.from] < maxHeld {
		in.of[e.from]++
		in.waiting = append(in.waiting, *e)
	}
}

// checkPace pauses the intake when the reporter or the disk is behind, and resumes it.
func (p *process) checkPace() {
	n, in := p.net, &p.intake
	behind := p.reporter.pending() >= uint64(n.MaxPending) || p.disk.Next-1-p.disk.Durable >= uint64(n.MaxPending)
	if behind == in.paused || p.failed {
		return
	}
	in.paused = behind
	n.history.line(n.now, p.name, "intake paused: %v", behind)
	if behind {
		n.Stats.Faults[IntakePaused]++
	}
	p.tell(func() { p.c.Pause(n.now, behind) })
	if !behind {
		p.resume()
	}
}

// resume takes in the waiting messages in order, one shortly after the other.
func (p *process) resume() {
	run := p.run
	p.net.after(0, func() {
		in := &p.intake
		if p.run != run || p.down || p.halted != nil || in.paused || in.closed || len(in.waiting) == 0 {
			return
		}
		e := in.waiting[0]
		in.waiting = slices.Delete(in.waiting, 0, 1)
		in.of[e.from]--
		p.take(&e)
		if !p.down {
			p.resume()
		}
	})
}
