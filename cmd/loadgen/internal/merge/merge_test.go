package merge

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/config"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/proc"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/record"
)

// told fails the test unless a result is bad for a single reason, whose text contains a string.
func told(t *testing.T, r *cluster.Result, conflicts uint64, text string) {
	t.Helper()
	if r.OK || r.Conflicts != conflicts || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], text) {
		t.Errorf("%d conflicts, %d errors, problems %q; want %d conflicts, and %q", r.Conflicts, r.Errors, r.Problems, conflicts, text)
	}
}

func TestARunInOrderIsGoodAndItsFiguresAddUp(t *testing.T) {
	r := newRig(t)
	r.certify(0)
	r.certify(1)
	res := r.finishAll()
	if !res.OK || res.Certificates != 8 || res.Verified != 8 || res.Count != 4 || res.Hosts != 4 || len(res.Lanes) != 4 || len(res.Members) != 4 {
		t.Errorf("%+v, problems %q", res, res.Problems)
	}
	for i, l := range res.Lanes {
		if l.Recovered != -1 || l.Certified != 1 || l.Sequencer != r.network.Members[i].Identity.String() {
			t.Errorf("lane %+v", l)
		}
	}
	// Each process used one second of CPU time in the run. The locks were noted four seconds after
	// the proposals.
	if res.CPU < 3.99 || res.CPU > 4.01 || res.Samples != 8 || res.LatencyMS.P50 < 3900 || res.LatencyMS.P50 > 10000 {
		t.Errorf("%v s of CPU, p50 %v ms of %d", res.CPU, res.LatencyMS.P50, res.Samples)
	}
	if len(res.BatchSizes) != 1 || res.BatchSizes[0].Count != 8 || res.MeanBatch != 1 || len(res.Series) == 0 {
		t.Errorf("batches %v, mean %v, %d points", res.BatchSizes, res.MeanBatch, len(res.Series))
	}
	var b bytes.Buffer
	res.Print(&b, 0)
	for _, want := range []string{"4 on 4 machines", "left out", "12 pairs"} {
		if !strings.Contains(strings.Join(strings.Fields(b.String()), " "), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
}

func TestLatenciesBetweenHostsAreThoseWithAKnownOffset(t *testing.T) {
	r := newRig(t)
	r.certify(0)
	ahead := func(member int, offset float64) []proc.Clock {
		return []proc.Clock{{Member: member, Offset: offset, Error: 0.5}}
	}
	var names []string
	for i := range r.members {
		names = append(names, r.finish(i, func(res *proc.Result) {
			switch i {
			case 0: // the second member's clock is a minute ahead
				res.Clocks = ahead(2, 60_000)
			case 3:
				res.Clocks = ahead(1, -30_000)
			}
		}))
	}
	res, err := Files(names)
	if err != nil {
		t.Fatal(err)
	}
	if !res.OK || res.LeftOut != 8 || len(res.Pairs) != 4 || res.OthersError != 0.5 || res.OthersSamples != 4 {
		t.Fatalf("%d pairs, %d left out, to within %v: %+v", len(res.Pairs), res.LeftOut, res.OthersError, res.Pairs)
	}
	for _, p := range res.Pairs {
		want := map[[2]int]float64{{2, 1}: 60_000, {1, 2}: -60_000, {1, 4}: -30_000, {4, 1}: 30_000}[[2]int{p.From, p.To}]
		if p.Offset != want || p.Error != 0.5 {
			t.Errorf("%+v, want an offset of %v", p, want)
		}
		// The latency of a chunk that was proposed by a clock that is ahead is longer than the two
		// clocks seem to show.
		if seemed := 4000.0; want > 0 && (p.P50 < want+seemed-100 || p.P50 > want+10_000) {
			t.Errorf("%+v", p)
		}
	}
}

func TestAMemberThatSentTwoPayloadsForOnePlaceIsFound(t *testing.T) {
	for _, kind := range []record.Kind{record.Node, record.Ack} {
		r := newRig(t)
		r.certify(0)
		a, b := r.chunk(0, 1, time.Second), r.chunk(0, 1, 2*time.Second)
		r.members[2].Chunk(kind, &a)
		// A start after a kill.
		r.members[2].JSON(record.Start, proc.Started{PID: 2, Clock: r.members[2].clock})
		r.members[2].Chunk(kind, &b)
		r.members[1].Chunk(kind, &b) // from another member this is no conflict
		told(t, r.finishAll(), 1, "member 3 sent a "+map[record.Kind]string{record.Node: "node", record.Ack: "ack"}[kind]+" for two payloads")
	}
}

func TestTwoMembersThatLockedDifferentPayloadsAreFound(t *testing.T) {
	r := newRig(t)
	r.certify(0)
	r.members[1].Lock(r.lock(r.chunk(3, 1, time.Second)))
	r.members[2].Lock(r.lock(r.chunk(3, 1, 2*time.Second)))
	told(t, r.finishAll(), 1, "two payloads are locked")
}

func TestACertificateThatDoesNotVerifyIsFound(t *testing.T) {
	r := newRig(t)
	r.certify(0)
	l := r.lock(r.chunk(3, 1, time.Second))
	l.Certificate[len(l.Certificate)-1] ^= 1
	r.members[1].Lock(l)
	told(t, r.finishAll(), 0, "invalid certificate")
}

func TestALaneThatDidNotGrowIsFound(t *testing.T) {
	r := newRig(t)
	for lane := range 3 {
		r.members[lane].Lock(r.lock(r.chunk(lane, 0, time.Second)))
	}
	// A chunk that was proposed before the run does not count; it is the height at which the lane
	// begins.
	r.members[3].Lock(r.lock(r.chunk(3, 7, -time.Second)))
	res := r.finishAll()
	told(t, res, 0, "certified nothing")
	if l := res.Lanes[3]; l.Recovered != 7 || l.Certified != -1 || res.Certificates != 3 {
		t.Errorf("%+v, %d certificates", l, res.Certificates)
	}
}

func TestWhatAMemberFoundOutCountsAlsoOfAProcessThatWasKilled(t *testing.T) {
	r := newRig(t)
	r.certify(0)
	m := r.members[1]
	m.JSON(record.Fault, proc.Problem{Conflicts: 1, Texts: []string{"saw two"}})
	m.JSON(record.Fault, proc.Problem{Conflicts: 2, Texts: []string{"saw two", "and again"}})
	m.JSON(record.Moment, proc.Counters{CPU: 100 + int64(time.Second)})
	m.JSON(record.Start, proc.Started{PID: 2, Clock: m.clock})
	m.JSON(record.Fault, proc.Problem{Conflicts: 1, Texts: []string{"once more"}})
	res := r.finishAll()
	if res.Conflicts != 3 || len(res.Problems) != 3 || !strings.Contains(res.Problems[2], "member 2: once more") {
		t.Errorf("%d conflicts: %q", res.Conflicts, res.Problems)
	}
	// Its two processes used a second each; the later one counts from its own start.
	if c := res.Members[1]; c.Starts != 2 || c.CPU < 1.99 || c.CPU > 2.01 {
		t.Errorf("%+v", c)
	}
}

func TestAMissingOrUnfinishedMemberIsFound(t *testing.T) {
	r := newRig(t)
	r.certify(0)
	names := []string{r.finish(0, nil), r.finish(1, nil), r.finish(2, nil)}
	res, err := Files(names)
	if err != nil {
		t.Fatal(err)
	}
	told(t, res, 0, "member 4: its result is missing")
	res, err = Files(append(names, writeResult(t, r, 3)))
	if err != nil {
		t.Fatal(err)
	}
	told(t, res, 0, "member 4 did not measure to the end")
}

// writeResult writes the result of a member whose record has no end.
func writeResult(t *testing.T, r *rig, i int) string {
	t.Helper()
	aside := filepath.Join(t.TempDir(), "record")
	b, err := os.ReadFile(filepath.Join(r.members[i].dir, proc.RecordName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(aside, b, 0o600); err != nil {
		t.Fatal(err)
	}
	name := r.finish(i, nil)
	if err := os.Rename(aside, filepath.Join(r.members[i].dir, proc.RecordName)); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestResultsThatDoNotBelongTogetherAreRefused(t *testing.T) {
	r := newRig(t)
	r.certify(0)
	merge := func(names ...string) clitest.Outcome {
		return clitest.Run(t.Context(), clitest.Root(NewCommand()), append([]string{"merge"}, names...)...)
	}
	first := r.finish(0, nil)
	clitest.OneLineError(t, merge(first, first), cli.Usage, "like an earlier result")
	clitest.OneLineError(t, merge(first, r.finish(1, func(p *proc.Result) { p.NetworkHash = "other" })), cli.Usage, "different networks")
	clitest.OneLineError(t, merge(first, r.finish(1, func(p *proc.Result) { p.Run.ID = 78 })), cli.Usage, "different runs")
	clitest.OneLineError(t, merge(first, r.finish(1, func(p *proc.Result) { p.Record = "../member-0001/record" })), cli.Bad, "no name of a file")
	clitest.OneLineError(t, merge(first, r.finish(1, func(p *proc.Result) { p.Member = 3 })), cli.Bad, "is not that of member 3")
	clitest.OneLineError(t, merge(first, r.finish(1, func(p *proc.Result) { p.Mode = "cluster" })), cli.Bad, "not the result of a member")
	clitest.OneLineError(t, merge(), cli.Usage, "want the results")
	clitest.OneLineError(t, merge(t.TempDir()), cli.Usage, "holds no result")
	if o := merge(r.dir, "--json", "-"); o.Status != cli.Bad {
		t.Errorf("%+v", o)
	}
}

func TestADamagedRecordFailsTheMerge(t *testing.T) {
	r := newRig(t)
	r.certify(0)
	var names []string
	for i := range r.members {
		names = append(names, r.finish(i, nil))
	}
	name := filepath.Join(r.members[1].dir, proc.RecordName)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Files(names); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("%v", err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	// A record that was not copied with its result does not count as empty.
	res, err := Files(names)
	if err != nil {
		t.Fatal(err)
	}
	if res.OK || !strings.Contains(fmt.Sprint(res.Problems), "member 2 took no part") {
		t.Errorf("%q", res.Problems)
	}
}

func TestOnlyTheLastRunOfARecordCounts(t *testing.T) {
	r := newRig(t)
	r.certify(0)
	for i, m := range r.members {
		m.JSON(record.Moment, proc.Counters{CPU: 100 + int64(time.Hour)})
		m.JSON(record.End, proc.Ended{Run: m.run.ID})
		m.JSON(record.Start, proc.Started{PID: 2, Clock: m.clock})
		m.run = proc.Agreed{ID: 78, Begin: time.Now().UnixNano(), End: time.Now().Add(runSeconds * time.Second).UnixNano()}
		m.JSON(record.Run, m.run)
		m.JSON(record.Moment, proc.Counters{Begins: true, CPU: 100})
		m.Lock(r.lock(r.chunk(i, 1, 0)))
	}
	res := r.finishAll()
	if !res.OK || res.Certificates != 4 || res.CPU > 4.01 || res.Lanes[0].Recovered != 0 || res.Lanes[0].Certified != 1 || res.Members[0].Starts != 1 {
		t.Errorf("%+v, problems %q", res, res.Problems)
	}
}

func TestBodiesAreCountedAndComparedWhereverTheyWereDelivered(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(r *rig)
		want   string
	}{
		{"all is well", func(*rig) {}, ""},
		{"another body for a place", func(r *rig) {
			other := r.chunk(0, 0, 3*time.Second)
			r.members[2].Timed(record.Delivery, &other, record.Unknown)
		}, "locked or delivered"},
		{"a body that one lacks", func(r *rig) { r.next[2] = 0 }, "not every body"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.network.Payload = &config.Payload{Size: 1000, Keep: config.Duration(time.Minute), MembersPerDisk: 1}
			r.next = []uint64{1, 1, 1, 1}
			chunk := r.chunk(0, 0, time.Second)
			l := r.lock(chunk)
			for i, m := range r.members {
				m.clock = "one"
				m.JSON(record.Start, proc.Started{Clock: m.clock})
				m.Lock(l)
				if i == 0 {
					m.Timed(record.Own, &chunk, 20*time.Millisecond)
				}
				m.Timed(record.Delivery, &chunk, 30*time.Millisecond)
			}
			c.change(r)
			res := r.finishAll()
			if c.want != "" {
				if res.OK || !strings.Contains(fmt.Sprint(res.Problems), c.want) {
					t.Errorf("%q", res.Problems)
				}
				return
			}
			// Three lanes certified nothing; another test covers that.
			if len(res.Problems) != 3 || res.Certificates != 1 || res.LatencyMS.P50 < 19.9 || res.LatencyMS.P50 > 20.1 {
				t.Errorf("%+v, problems %q", res.Summary, res.Problems)
			}
			b := res.Bodies
			if b == nil || b.DeliverySamples != 4 || b.Delivery.P50 < 29.9 || b.Delivery.P50 > 30.1 || b.Compared != 4 || b.Made != 1 || b.DeliveredMB <= 0 {
				t.Errorf("%+v", b)
			}
		})
	}
}

func TestAMemberThatWasStoppedAndNotStartedAgainIsExcused(t *testing.T) {
	r := newRig(t)
	r.certify(0)
	var members []*proc.Result
	var records []string
	for i, m := range r.members {
		records = append(records, filepath.Join(m.dir, proc.RecordName))
		members = append(members, nil)
		if i == 3 {
			continue
		}
		var err error
		if members[i], err = proc.Read(r.finish(i, nil)); err != nil {
			t.Fatal(err)
		}
	}
	for _, excused := range []bool{false, true} {
		s, err := New(r.network, records, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if excused {
			s.Excuse(3)
		}
		for i, source := range s.sources {
			source.begin = r.members[i].run.Begin
		}
		if err := s.readAll(); err != nil {
			t.Fatal(err)
		}
		if res := s.Result(members, nil); res.OK != excused {
			t.Errorf("excused %v: %q", excused, res.Problems)
		}
	}
}
