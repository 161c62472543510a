package core

import (
	"cmp"
	"slices"
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/wire"
)

// A lock's record stays in the journal until the reporter has returned for the lock:
// docs/protocol.md 4.4. Reports are made and return in one order. For locks it is the order of
// their records, in this run and, sorted, after a restart. So one position marks which locks have
// been reported, and a record of it is appended now and then: locks above it are reported again
// after a restart.

// reports tracks the activities passed to the reporter in this run.
type reports struct {
	out      *effects
	records  *records
	made     uint64         // Report effects so far
	returned uint64         // number of those for which the reporter has returned
	locks    []reportedLock // locks with a record whose report has not returned, in order

	through  uint64 // locks with records up to this position have been reported
	position uint64 // of the record of that position, 0 if there is none
	since    int    // locks reported since that record
}

// reportedLock is a lock whose report has not returned.
type reportedLock struct {
	number   uint64 // of the report
	position uint64 // of the record
	dropped  bool   // only the report needs the record
}

// A record of the progress of reports is appended after reportedEvery locks. After a crash at most
// that many are reported again.
const reportedEvery = 64

// add reports an activity.
func (r *reports) add(a wire.Activity) *Effect {
	r.made++
	e := r.out.emit(Report)
	e.Activity = a
	return e
}

// addLock reports a lock. The record of the held certificate stays until the report has returned;
// dropped means that nothing else needs it.
func (r *reports) addLock(held *aggregate.Certificate, dropped bool) *Effect {
	report := r.add(&wire.Certified{Lock: held.Lock})
	held.Report = r.made
	if held.Position != 0 {
		r.locks = append(r.locks, reportedLock{held.Report, held.Position, dropped})
	}
	return report
}

// haveReturned records that the reporter has returned for the first n reports.
func (r *reports) haveReturned(n uint64) {
	if n <= r.returned {
		return
	}
	r.returned = n
	done := 0
	for done < len(r.locks) && r.locks[done].number <= n {
		l := r.locks[done]
		done++
		r.through = max(r.through, l.position)
		if l.dropped {
			r.records.release(l.position)
		}
	}
	r.locks = r.locks[:copy(r.locks, r.locks[done:])]
	r.since += done
	if r.since >= reportedEvery {
		r.record()
	}
}

// finish journals the progress of reports, if that was not journaled yet.
func (r *reports) finish() {
	if r.since > 0 {
		r.record()
	}
}

// record journals the progress of reports. The previous record of it is dead then.
func (r *reports) record() {
	former := r.position
	r.position = r.records.append(recordReported, reportedThrough(r.through))
	r.since = 0
	r.records.release(former)
}

// retire releases the record of a certificate that is no longer held, once its report has returned.
func (r *reports) retire(dropped aggregate.Certificate) {
	if dropped.Report > r.returned {
		i, waits := slices.BinarySearchFunc(r.locks, dropped.Report, func(l reportedLock, number uint64) int {
			return cmp.Compare(l.number, number)
		})
		if waits {
			r.locks[i].dropped = true
			return
		}
	}
	r.records.release(dropped.Position)
}

// recovered keeps the newest record of the progress of reports. It returns the position of the
// other one, if there are two.
func (r *reports) recovered(position, through uint64) (dead uint64) {
	if position < r.position {
		return position
	}
	dead = r.position
	r.position, r.through = position, through
	return dead
}

// reportLock reports a lock, and its conflict with the tip if there is one.
func (c *Core) reportLock(l *lane, held *aggregate.Certificate, dropped bool) {
	report := c.reports.addLock(held, dropped)
	if t := l.tip; t != nil && t.proposed && *t.chunk() == held.Chunk {
		report.Elapsed = c.now - t.proposedAt
		t.proposed = false // the first certificate ends the measurement
	}
	c.faults.compareTip(l, held.Lock)
}

// Reported sets the number of reports of this run for which the reporter has returned.
func (c *Core) Reported(now time.Duration, n uint64) {
	if c.enter(now) {
		c.reports.haveReturned(n)
	}
}

// Finish sets the final number of reports for which the reporter has returned, and journals the
// progress. No event may follow.
func (c *Core) Finish(now time.Duration, n uint64) {
	c.Reported(now, n)
	if c.running {
		c.reports.finish()
	}
	c.running = false
}

// Unreported returns the number of locks whose records wait for their reports to return.
func (c *Core) Unreported() int { return len(c.reports.locks) }
