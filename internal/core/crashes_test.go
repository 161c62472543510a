package core

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// mixture is one validator and sequencer among others, in a random history: epochs that move
// sequencers in and out by more than the bounds, a slow reporter, an application and signers that
// fail or answer late, and crashes. The rig checks 5.1 and that released records are live. The
// mixture checks the acks, and which locks are reported.
type mixture struct {
	*rig
	random    *rand.Rand
	certified map[int]uint64 // of each lane: the number of heights that the others have certified

	records  map[wire.Subject]uint64 // of locks, that are on disk or on their way
	returned map[wire.Subject]bool   // locks for which the reporter has returned
	top      map[int]uint64          // of each lane: highest certified height that this run must know of, and one

	lost    bool           // the journal was lost before the history began
	resumes bool           // … and our own lane goes on with a chunk at height 5
	marks   map[int]uint64 // of each lane: the lowest height that may be acked since
	open    map[int]bool   // lanes of which a lock was named that nobody can verify

	run   []wire.Subject // reports of this run; zero for reports other than locks
	again map[wire.Subject]bool
	owed  map[wire.Subject]bool // locks that the start of this run must report
}

const (
	mixedSequencers = 8
	mixedEpochs     = 120
)

func newMixture(t testing.TB, seed uint64) *mixture {
	m := &mixture{
		random: rand.New(rand.NewPCG(seed, 7)), certified: map[int]uint64{},
		records: map[wire.Subject]uint64{}, returned: map[wire.Subject]bool{}, top: map[int]uint64{},
		again: map[wire.Subject]bool{}, owed: map[wire.Subject]bool{}, lost: seed%4 == 3, resumes: seed%8 == 7, marks: map[int]uint64{},
		open: map[int]bool{},
	}
	newRig(t, 4, sequencing, func(r *rig) {
		m.rig = r
		for e := range uint64(mixedEpochs) {
			r.w.schemes[e] = model.New(model.List, ids(4), e)
			var keys []wire.PublicKey
			for s := range mixedSequencers {
				if (e+uint64(3*s))/4%3 != 0 == (s == 0) { // in for a few epochs and out for more; this process the other way round
					keys = append(keys, id(s))
				}
			}
			r.w.sequencers[e] = keys
		}
		r.slow, r.trace = true, m.watch
		[]func(*rig){func(*rig) {}, sending, toSequencer}[seed%3](r)
		if m.lost {
			recovering(r)
		}
		if m.resumes {
			r.seen[place{id(0), 5}] = payload(5)
		}
	})
	return m
}

// watch sees every effect of the core.
func (m *mixture) watch(e *Effect) {
	switch e.Kind {
	case Append:
		if info, err := DescribeRecord(e.Bytes); err == nil && info.Kind == CertificateRecord {
			s := wire.Subject{Chunk: *info.Certified, Epoch: info.Epoch}
			m.records[s] = e.Position
			delete(m.returned, s)
			if lane := int(s.Chunk.Sequencer[1]); m.open[lane] && m.c.epochs.within(s.Epoch) {
				m.marks[lane] = max(m.marks[lane], 3)
			}
		}
	case Report:
		c, ok := e.Activity.(*wire.Certified)
		if !ok {
			if tag := e.Activity.Tag(); tag != wire.TagTip && tag != wire.TagConflict {
				m.t.Fatalf("reported a %s among honest ones", tag)
			}
			m.run = append(m.run, wire.Subject{})
			return
		}
		s := c.Lock.Subject()
		if m.again[s] {
			m.t.Fatalf("height %d of %v is reported twice in a run", s.Chunk.Height, s.Chunk.Sequencer[1])
		}
		m.again[s] = true
		m.run = append(m.run, s)
	case SendAck:
		var a wire.Ack
		if err := a.Decode(e.Bytes); err != nil {
			m.t.Fatal(err)
		}
		if top := m.top[int(a.Chunk.Sequencer[1])]; a.Chunk.Height+1 < top {
			m.t.Fatalf("an ack for height %d of %v, where %d is certified", a.Chunk.Height, a.Chunk.Sequencer[1], top-1)
		}
		if a.Chunk.Height < m.marks[int(a.Chunk.Sequencer[1])] || m.c.Recovering() {
			m.t.Fatalf("an ack for height %d of %v, recovering: %v", a.Chunk.Height, a.Chunk.Sequencer[1], m.c.Recovering())
		}
		if lane := int(a.Chunk.Sequencer[1]); m.open[lane] && m.marks[lane] < 3 {
			m.t.Fatalf("an ack for height %d of %v, of which no lock within bounds is held", a.Chunk.Height, a.Chunk.Sequencer[1])
		}
		if a.Epoch != m.c.Epoch() {
			m.t.Fatalf("an ack for epoch %d in %d", a.Epoch, m.c.Epoch())
		}
	}
}

// noteTops updates what the core must know to be certified. The core knows the reports of a lane
// until the lane is dormant.
func (m *mixture) noteTops() {
	for s := range mixedSequencers {
		if _, ok := m.c.lanes.dormant[keyOf(id(s))]; ok && m.c.lanes.bySequencer[id(s)] == nil {
			maps.DeleteFunc(m.again, func(o wire.Subject, _ bool) bool { return o.Chunk.Sequencer == id(s) })
		}
	}
	for s, position := range m.records {
		if lane := int(s.Chunk.Sequencer[1]); position < m.disk.Next {
			m.top[lane] = max(m.top[lane], s.Chunk.Height+1)
		}
	}
}

// reporterReturns makes the reporter return for the next n reports.
func (m *mixture) reporterReturns(n uint64) {
	n = min(m.reported+n, uint64(len(m.run)))
	for _, s := range m.run[m.reported:n] {
		m.returned[s] = true
	}
	m.reported = n
	m.c.Reported(m.now, n)
	m.drain()
}

func (m *mixture) crashNow() {
	cut := m.disk.Durable + m.random.Uint64N(m.disk.Next-m.disk.Durable)
	clear(m.owed)
	clear(m.top)
	for s, position := range m.records {
		switch {
		case position > cut:
			delete(m.records, s)
			delete(m.returned, s)
		case !m.returned[s]:
			m.owed[s] = true
		}
	}
	m.run, m.again = nil, map[wire.Subject]bool{}
	m.reports, m.nodes, m.acks, m.broadcasts = nil, nil, nil, nil
	// Any of the released records may be gone, and any may come back.
	gone := m.random.IntN(4)
	m.disk.Records = slices.DeleteFunc(m.disk.Records, func(rec model.Record) bool {
		return rec.MayBeGone(cut) && m.random.IntN(3) < gone
	})
	m.random.Shuffle(len(m.disk.Records), func(i, j int) {
		m.disk.Records[i], m.disk.Records[j] = m.disk.Records[j], m.disk.Records[i]
	})
	m.crash(cut, false)
	slices.SortFunc(m.disk.Records, func(a, b model.Record) int { return cmp.Compare(a.Position, b.Position) })
	if m.c.Recovering() {
		clear(m.marks)
		clear(m.open)
	}
	for s := range m.owed {
		if !m.again[s] {
			m.t.Fatalf("the lock of height %d of %v, epoch %d, is not reported again", s.Chunk.Height, s.Chunk.Sequencer[1], s.Epoch)
		}
	}
}

// adopt passes the highest lock of each lane to the core.
func (m *mixture) adopt() {
	ends := m.c.Recovering() && m.c.loss.adopted == 0
	var locks []wire.Lock
	for s := 1; s < mixedSequencers; s++ {
		if m.certified[s] > 0 {
			locks = append(locks, m.w.lock(m.honest(s, m.certified[s]-1), m.c.Epoch()))
		}
	}
	var err error
	if !ends {
		err = m.c.Adopt(m.now, locks)
	} else {
		given := Recovery{Locks: locks, Resume: m.resumes}
		if m.resumes {
			given.Own = []wire.Proposal{proposal(0, 5, 5)}
			given.Locks = append(given.Locks, m.w.lock(chunk(0, 4, 4), m.c.Epoch()))
		}
		for s := 1; s < mixedSequencers; s++ {
			if m.random.IntN(3) == 0 {
				given.Unknown = append(given.Unknown, unknownLock(s, m.random.Uint64N(20)))
				m.open[s] = m.certified[s] == 0
			}
		}
		err = m.c.EndRecovery(m.now, &given)
		locks = given.Locks
	}
	if (err != nil) != (ends && locks == nil && len(m.open) == 0) {
		m.t.Fatalf("adopt: %v", err)
	}
	if ends && err == nil {
		for s := 1; s < mixedSequencers; s++ {
			_, known := m.c.epochs.sequencersUpTo(m.c.Epoch())[id(s)]
			if known || m.certified[s] > 0 { // otherwise it was in no known epoch so far
				m.marks[s] = m.certified[s] + 2
			}
		}
	}
	m.drain()
}

// in reports whether s is a sequencer now.
func (m *mixture) in(s int) bool { return slices.Contains(m.w.sequencers[m.c.Epoch()], id(s)) }

// epochIn draws an epoch within bounds that has s as a sequencer, and returns false if there is
// none.
func (m *mixture) epochIn(s int) (uint64, bool) {
	first, last := m.c.epochs.bounds()
	var all []uint64
	for e := first; e <= last; e++ {
		if slices.Contains(m.w.sequencers[e], id(s)) {
			all = append(all, e)
		}
	}
	if all == nil {
		return 0, false
	}
	return all[m.random.IntN(len(all))], true
}

func (m *mixture) honest(s int, height uint64) wire.Chunk { return chunk(s, height, 100*s+int(height)) }

// step makes one event happen.
func (m *mixture) step() {
	s := 1 + m.random.IntN(mixedSequencers-1)
	switch m.random.IntN(28) {
	case 0, 1, 2, 3, 4: // a node, of the next height or the one before
		if !m.in(s) {
			return
		}
		height := m.certified[s] - min(m.certified[s], uint64(m.random.IntN(3)))
		m.node(m.honestNode(s, height, m.c.Epoch()-m.random.Uint64N(3)))
	case 5: // an equivocation
		n := m.honestNode(s, m.certified[s], m.c.Epoch())
		n.Chunk.Payload = payload(9999)
		n.Signature = model.SignChunk(n.Chunk)
		m.node(n)
	case 6, 7, 8, 9: // the others certify the next height, or certify again
		height := m.certified[s]
		if m.random.IntN(3) == 0 {
			height -= min(height, 1)
		}
		if e, ok := m.epochIn(s); ok {
			if m.cfg.AcksToSequencer || m.cfg.SendCertificates && m.random.IntN(2) == 0 {
				m.lock(id(s), m.w.lock(m.honest(s, height), e))
			} else {
				for i := 1; i < 4; i++ {
					m.ack(i, m.honest(s, height), e)
				}
			}
			m.certified[s] = max(m.certified[s], height+1)
		}
	case 10: // our own lane is certified
		if p, ok := m.c.Tip(id(0)); ok && m.seen[place{id(0), p.Chunk.Height}] == p.Chunk.Payload && m.in(0) {
			for i := 1; i < 4; i++ {
				m.ack(i, p.Chunk, m.c.Epoch())
			}
		}
	case 11, 12, 13: // some verdicts, in any order
		for range min(len(m.verifies), 1+m.random.IntN(4)) {
			at := m.random.IntN(len(m.verifies))
			st := m.verifies[at]
			m.verifies = slices.Delete(m.verifies, at, at+1)
			v := decide(st)
			if m.random.IntN(10) == 0 {
				v = &verify.Verdict{Statement: st, Err: errTest}
			}
			m.c.SignaturesVerified(m.now, v)
			m.drain()
		}
	case 14, 15, 16: // some of the written records become durable
		if m.disk.Next-1 > m.disk.Durable {
			m.disk.Durable += 1 + m.random.Uint64N(m.disk.Next-1-m.disk.Durable)
			m.noteDurable()
			m.c.Durable(m.now, m.disk.Durable)
			m.drain()
		}
	case 17, 18:
		m.answer([]Answer{Approved, Approved, Approved, Refused}[m.random.IntN(4)])
	case 19:
		m.sign([]error{nil, nil, errTest}[m.random.IntN(3)])
	case 20:
		m.late(1)
	case 21:
		switch {
		case len(m.proposes) > 0:
			c := m.proposes[0]
			m.proposes = nil
			m.proposed(c.Height, payload(m.random.IntN(1<<16)), []error{nil, nil, nil, ErrDeclined, errTest}[m.random.IntN(5)])
			m.drain()
		case len(m.signChunks) > 0:
			c := m.signChunks[0]
			m.signChunks = nil
			m.chunkSigned(c, model.SignChunk(c), []error{nil, nil, errTest}[m.random.IntN(3)])
			m.drain()
		}
	case 22:
		m.pass(time.Duration(m.random.IntN(2000)) * time.Millisecond)
	case 23:
		m.reporterReturns(m.random.Uint64N(20))
		m.c.Pause(m.now, m.random.IntN(2) == 0)
		m.drain()
	case 24:
		if m.random.IntN(2) == 0 && m.c.Epoch() < mixedEpochs-10 {
			m.epoch(m.c.Epoch() + 1 + m.random.Uint64N(2))
		}
	case 25:
		if m.random.IntN(3) == 0 {
			m.crashNow()
		}
	case 26:
		if m.random.IntN(4) == 0 {
			m.adopt()
		}
	case 27:
		m.connected(id(s))
	}
	m.noteTops()
}

// honestNode is the node of an honest sequencer at a height; its parent is certified in the epoch.
func (m *mixture) honestNode(s int, height, epoch uint64) wire.Node {
	c := m.honest(s, height)
	n := wire.Node{Chunk: c, Signature: model.SignChunk(c)}
	if height > 0 {
		n = on(m.w.lock(m.honest(s, height-1), epoch), 0)
		n.Chunk, n.Signature = c, model.SignChunk(c)
	}
	return n
}

// late makes up to n cancelled calls return.
func (m *mixture) late(n int) {
	for range min(n, len(m.cancelled)) {
		e := m.cancelled[0]
		m.cancelled = m.cancelled[1:]
		switch e.Kind {
		case AskVerify:
			m.c.ApplicationVerified(m.now, e.Call, Approved)
		case AskPropose:
			m.c.ApplicationProposed(m.now, e.Call, payload(m.random.IntN(1<<16)), nil)
		case SignAck:
			m.c.AckSigned(m.now, e.Call, make([]byte, model.VoteSize), nil)
		case SignChunk:
			m.c.ChunkSigned(m.now, e.Call, model.SignChunk(e.Chunk), nil)
		}
		m.drain()
	}
}

// finish runs until nothing is outstanding.
func (m *mixture) finish() {
	m.c.Pause(m.now, false)
	m.drain()
	for range 20 {
		m.late(len(m.cancelled))
		m.verdicts()
		m.sync()
		m.answer(Approved)
		m.sign(nil)
		if len(m.signChunks) > 0 {
			m.signChunk()
		}
		m.reporterReturns(1 << 40)
		m.noteTops()
		m.pass(m.cfg.AckInterval)
	}
	if len(m.verifies)+len(m.asks)+len(m.signAcks)+len(m.cancelled) > 0 {
		m.t.Fatal("it does not come to rest")
	}
}

// checkSettled checks the state once nothing is outstanding.
func (m *mixture) checkSettled() {
	m.finish()
	if m.c.Recovering() {
		m.certified[1] = max(m.certified[1], 1)
		m.adopt()
		m.finish()
	}
	if tip, ok := m.c.Tip(id(0)); m.resumes && (!ok || tip.Chunk.Height < 5) {
		m.t.Fatalf("our lane is at %+v, and was resumed at 5", tip.Chunk)
	}
	lanes := m.c.Counts().Lanes + m.c.Counts().Dormant
	if lanes > mixedSequencers {
		m.t.Fatalf("%d lanes of %d sequencers", lanes, mixedSequencers)
	}
	for _, l := range m.c.lanes.order {
		if l.questions.out+l.signatures.out+l.jobs > 0 {
			m.t.Fatalf("lane %v has calls or statements out", l.sequencer[1])
		}
		if !l.gone && l.sequencer != id(0) && !m.c.epochs.haveSequencer(l.sequencer) {
			m.t.Fatalf("lane %v is not dormant", l.sequencer[1])
		}
	}
	expect(m.t, "locks that wait for their reports", m.c.Unreported(), 0)
	// A tip, a record of a dormant lane, the certificates of tip, parent and the two highest, each
	// of three epochs; and the last chunk of our own lane.
	if live := m.disk.Live(); live > mixedSequencers*(2+4*3)+2 {
		m.t.Fatalf("%d records are live", live)
	}
	// Every lane of a current sequencer continues: its next chunk is acked.
	for s := 1; s < mixedSequencers; s++ {
		if !m.in(s) {
			continue
		}
		m.acks = nil
		epoch := m.c.Epoch()
		if l := m.c.lanes.bySequencer[id(s)]; l != nil && l.tip != nil {
			m.certified[s] = max(m.certified[s], l.tip.chunk().Height+1) // above the heights of its equivocations
		}
		if m.open[s] {
			m.certified[s]++ // others certify a chunk without us, and the lane has a mark
			m.lock(id(s), m.w.lock(m.honest(s, m.certified[s]-1), epoch))
			m.finish()
			m.marks[s] = m.c.loss.of(id(s)).height + 1
		}
		height := max(m.certified[s]+1, m.marks[s])
		n := m.honestNode(s, height, epoch)
		if o := m.node(n); o != Accepted {
			m.t.Fatalf("lane %d, height %d: %v", s, height, o)
		}
		m.certified[s] = height + 1
		m.finish()
		if !slices.ContainsFunc(m.acks, func(e Effect) bool {
			var a wire.Ack
			return a.Decode(e.Bytes) == nil && a.Chunk == n.Chunk && a.Epoch == epoch
		}) {
			m.t.Fatalf("no ack on lane %d at height %d", s, height)
		}
	}
}

// docs/protocol.md 4.4, 4.5, 4.7, 4.8 and 5.1 in random histories; LANECAST_HISTORIES is their
// number.
func TestNothingIsEquivocatedLostOrStuckInAnyHistory(t *testing.T) {
	t.Parallel()
	histories := 150
	if v, err := strconv.Atoi(os.Getenv("LANECAST_HISTORIES")); err == nil {
		histories = v
	} else if testing.Short() || testkit.Race {
		histories = 50
	}
	for seed := range uint64(histories) {
		m := newMixture(seedTB{t, seed}, seed)
		for range 600 {
			m.step()
		}
		m.checkSettled()
		m.crashNow()
		m.checkSettled()
	}
}

// seedTB adds the seed to the message of a failure.
type seedTB struct {
	testing.TB
	seed uint64
}

func (t seedTB) Fatalf(format string, args ...any) {
	t.TB.Helper()
	t.TB.Logf("seed %d", t.seed)
	t.TB.Fatalf(format, args...)
}

func (t seedTB) Fatal(args ...any) {
	t.TB.Helper()
	t.TB.Logf("seed %d", t.seed)
	t.TB.Fatal(args...)
}
