package core

import (
	"cmp"
	"slices"
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/wire"
)

// A lock's record stays in the journal until the reporter has returned for the lock: PROTOCOL.md 4.4. Reports are made
// and return in one order, which for locks is the order of their records, in this run and, sorted, after a restart. So
// one position says which locks have been reported, and a record of it is appended now and then: what lies above it is
// reported again after a restart.

// reports keeps account of the activities that have been handed to the reporter in this run.
type reports struct {
	made     uint64         // Report effects so far
	returned uint64         // of them, those that the reporter has returned for
	locks    []reportedLock // locks with a record whose report has not returned, in order

	through  uint64 // locks with records up to this position have been reported
	position uint64 // of the record that says so, 0 if there is none
	since    int    // locks that have been reported since that record
}

// reportedLock is a lock whose report has not returned.
type reportedLock struct {
	number   uint64 // of the report
	position uint64 // of the record
	dropped  bool   // nothing but the report needs the record
}

// A record of how far reports have come is appended after reportedEvery locks. As many are reported once more after a
// crash.
const reportedEvery = 64

// report has an activity reported.
func (c *Core) report(a wire.Activity) *Effect {
	c.reports.made++
	e := c.emit(Report)
	e.Activity = a
	return e
}

// reportLock reports a lock, and that it contradicts the tip if it does. The record of the held certificate stays until
// the report has returned.
func (c *Core) reportLock(l *lane, held *aggregate.Certificate, dropped bool) {
	lock := held.Lock
	report := c.report(&wire.Certified{Lock: lock})
	held.Report = c.reports.made
	if held.Position != 0 {
		c.reports.locks = append(c.reports.locks, reportedLock{held.Report, held.Position, dropped})
	}
	if t := l.tip; t != nil && t.proposed && *t.chunk() == lock.Chunk {
		report.Elapsed = c.now - t.proposedAt
		t.proposed = false // the first certificate ends the measurement
	}
	c.compareTip(l, lock)
}

// Reported tells how many reports of this run the reporter has returned for.
func (c *Core) Reported(now time.Duration, n uint64) {
	if !c.enter(now) || n <= c.reports.returned {
		return
	}
	r := &c.reports
	r.returned = n
	done := 0
	for done < len(r.locks) && r.locks[done].number <= n {
		l := r.locks[done]
		done++
		r.through = max(r.through, l.position)
		if l.dropped {
			c.release(l.position)
		}
	}
	r.locks = r.locks[:copy(r.locks, r.locks[done:])]
	r.since += done
	if r.since >= reportedEvery {
		c.recordReported()
	}
}

// Finish tells how many reports the reporter has returned for at the end, and has it journaled. Nothing else comes after it.
func (c *Core) Finish(now time.Duration, n uint64) {
	c.Reported(now, n)
	if c.running && c.reports.since > 0 {
		c.recordReported()
	}
	c.running = false
}

// recordReported journals how far locks have been reported. The record before it is dead then.
func (c *Core) recordReported() {
	r := &c.reports
	former := r.position
	r.position = c.appendRecord(recordReported, reportedThrough(r.through))
	r.since = 0
	c.release(former)
}

// retire lets go of the record of a certificate that is no longer held, once its report has returned.
func (c *Core) retire(dropped aggregate.Certificate) {
	r := &c.reports
	if dropped.Report > r.returned {
		i, waits := slices.BinarySearchFunc(r.locks, dropped.Report, func(l reportedLock, number uint64) int {
			return cmp.Compare(l.number, number)
		})
		if waits {
			r.locks[i].dropped = true
			return
		}
	}
	c.release(dropped.Position)
}

// Unreported returns how many locks wait, with their records, for their reports to return.
func (c *Core) Unreported() int { return len(c.reports.locks) }
