package core

import (
	"slices"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// faults returns the faults reported.
func (r *rig) faults() (all []wire.Activity) {
	for _, e := range r.reports {
		if tag := e.Activity.Tag(); tag != wire.TagTip && tag != wire.TagLock {
			all = append(all, e.Activity)
		}
	}
	return all
}

// locks returns the locks reported.
func (r *rig) locks() (all []wire.Lock) {
	for _, e := range r.reports {
		if c, ok := e.Activity.(*wire.Certified); ok {
			all = append(all, c.Lock)
		}
	}
	return all
}

// tips returns the chunks reported as tips.
func (r *rig) tips() (all []wire.Chunk) {
	for _, e := range r.reports {
		if t, ok := e.Activity.(*wire.Tip); ok {
			all = append(all, t.Proposal.Chunk)
		}
	}
	return all
}

func fault[T wire.Activity](r *rig) T {
	r.t.Helper()
	all := r.faults()
	if len(all) != 1 {
		r.t.Fatalf("%d faults reported, want one", len(all))
	}
	f, ok := all[0].(T)
	if !ok {
		r.t.Fatalf("reported a %s", all[0].Tag())
	}
	return f
}

// lockRecord returns the position of a lock's record, 0 if it is not live on disk.
func (r *rig) lockRecord(c wire.Chunk) uint64 {
	for _, rec := range r.disk.Records {
		info, err := DescribeRecord(rec.Bytes)
		if err == nil && info.Kind == CertificateRecord && *info.Certified == c && !slices.Contains(r.releases, rec.Position) {
			return rec.Position
		}
	}
	return 0
}

func slowly(r *rig) { r.slow = true }

// 4.4: A lock's record stays in the journal until the reporter has returned for it.
func TestRule4_4_ALocksRecordStaysUntilItIsReported(t *testing.T) {
	r := newRig(t, 4, slowly)
	for h := range uint64(5) {
		r.certify(chunk(1, h, int(h)), 5)
	}
	r.certify(chunk(2, 5, 5), 5)
	r.tip(r.w.node(2, 4, 4, 3, 5)) // a late one
	expect(t, "locks", len(r.locks()), 7)
	_, held := r.c.Certificate(id(1), 0)
	expect(t, "the lowest is held", held, false)
	for h := range uint64(5) {
		expect(t, "its record is", r.lockRecord(chunk(1, h, int(h))) != 0, true)
	}
	expect(t, "the late one's record is", r.lockRecord(chunk(2, 3, 3)) != 0, true)
	expect(t, "unreported", r.c.Unreported(), 7)
	r.c.Reported(r.now, 2)
	r.c.Reported(r.now, 1) // counts never go back
	r.drain()
	expect(t, "unreported", r.c.Unreported(), 5)
	for h := range uint64(5) {
		expect(t, "its record is", r.lockRecord(chunk(1, h, int(h))) != 0, h >= 2)
	}
	r.returnReports()
	for h := range uint64(5) {
		expect(t, "its record is", r.lockRecord(chunk(1, h, int(h))) != 0, h >= 3) // the two that are held
	}
	expect(t, "the late one's record is", r.lockRecord(chunk(2, 3, 3)) != 0, false)
}

// 4.4: After a restart every lock whose report had not returned, and each lane's top ones, are
// reported again, in order.
func TestRule4_4_AfterARestartUnreportedLocksAreReportedAgainInOrder(t *testing.T) {
	for _, compacted := range []bool{false, true} {
		r := newRig(t, 4, slowly)
		var want []wire.Chunk
		for h := range uint64(6) {
			for lane := 1; lane < 3; lane++ {
				r.certify(chunk(lane, h, int(h)), 5)
				want = append(want, chunk(lane, h, int(h)))
			}
		}
		for range 2 { // the reporter is slow again
			r.sync()
			r.reports = nil
			r.crash(r.disk.Durable, compacted)
			var got []wire.Chunk
			for _, l := range r.locks() {
				got = append(got, l.Chunk)
			}
			expectChunks(t, "locks", got, want...)
		}
		r.c.Reported(r.now, 5)
		r.drain()
		r.sync()
		r.reports = nil
		r.crash(r.disk.Durable, true)
		expect(t, "locks left", len(r.locks()), len(want)-5)
		r.returnReports()
		r.sync()
		r.reports = nil
		r.crash(r.disk.Durable, true)
		expectHeights(t, "top ones", r.heights(), 4, 4, 5, 5)
	}
}

// 4.4: … also where they are so many that recovery drops those that cannot matter.
func TestRule4_4_AfterARestartManyUnreportedLocksAreReportedAgain(t *testing.T) {
	r := newRig(t, 4, slowly)
	for h := uint64(1); h <= 100; h++ {
		r.tip(r.w.node(1, h, int(h), int(h-1), 5))
	}
	r.c.Reported(r.now, 70)
	r.drain()
	r.sync()
	r.reports = nil
	r.crash(r.disk.Durable, false)
	heights := r.heights()
	for h := uint64(70); h < 100; h++ {
		expect(t, "reported again", slices.Contains(heights, h), true)
	}
	expect(t, "in order", slices.IsSorted(heights), true)
}

// 4.4: Of locks that have been reported, only each lane's top ones are reported again, also where
// released records come back.
func TestRule4_4_AfterARestartReportedLocksAreReportedAgainOnlyAtTheTop(t *testing.T) {
	r := newRig(t, 4)
	for h := range uint64(reportedEvery + 1) {
		r.certify(chunk(1, h, int(h)), 5)
	}
	r.sync()
	r.reports = nil
	r.crash(r.disk.Durable, false)
	expectHeights(t, "locks", r.heights(), reportedEvery-1, reportedEvery)
	expect(t, "live records", r.disk.Live(), 2+1)
	r.sync()
	r.reports = nil
	r.crash(r.disk.Durable, true)
	expectHeights(t, "locks", r.heights(), reportedEvery-1, reportedEvery)
}

// 4.4: At an orderly end the progress of the reports is journaled.
func TestRule4_4_AtAnOrderlyEndTheProgressOfReportsIsJournaled(t *testing.T) {
	r := newRig(t, 4, slowly)
	for h := range uint64(10) {
		r.certify(chunk(1, h, int(h)), 5)
	}
	r.c.Finish(r.now, 7)
	r.drain()
	expect(t, "nothing comes after it", r.ack(1, chunk(1, 10, 10), 5), Stopped)
	r.reports = nil
	r.crash(r.disk.Next-1, false)
	expectHeights(t, "locks", r.heights(), 7, 8, 9)
}

// 5.5: Journal size and recovery memory stay bounded while the reporter is slow.
func TestRule5_5_JournalAndRecoveryStayBoundedWhileTheReporterIsSlow(t *testing.T) {
	const behind = 200
	r := newRig(t, 4, slowly, func(r *rig) { r.disk.KeepReleased = true })
	for h := uint64(1); h < 3000; h++ {
		r.tip(r.w.node(1, h, int(h), int(h-1), 5))
		r.reports = nil
		if h > behind {
			r.c.Reported(r.now, h-behind)
			r.drain()
		}
		if live := r.disk.Live(); live > behind+8 {
			t.Fatalf("height %d: %d live records", h, live)
		}
	}
	r.sync()
	c := New(r.cfg)
	for _, rec := range r.disk.Records { // the whole log, nothing compacted
		if err := c.Recover(rec.Position, rec.Bytes); err != nil {
			t.Fatal(err)
		}
		if held := len(c.lanes.bySequencer[id(1)].recovered.locks); held > 4*(behind+reportedEvery) {
			t.Fatalf("position %d: %d locks held", rec.Position, held)
		}
	}
}
