package sim

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// watch is what the observer remembers of one run of a process.
type watch struct {
	written  []writtenNode // not durable yet
	onDisk   map[place]wire.Digest
	lockAt   map[placeInEpoch]uint64 // positions of records of locks
	through  uint64                  // locks with records up to here have been reported, as the disk says
	approved map[wire.PublicKey]wire.Chunk
	calls    map[callsOf]*outstanding

	nodes, parents map[wire.PublicKey]int // statements of a lane in verification
	votes          int                    // statements of them in verification

	locks    map[placeInEpoch]bool // reported
	highest  map[wire.PublicKey]uint64
	payloads map[place]wire.Digest // of locks reported
	tips     map[wire.Chunk]bool   // reported

	starting   bool // the effects of Start are being carried out
	atStart    int  // locks reported by them
	unreturned []reportedLock
	reports    uint64 // Report effects so far
	events     int
}

type writtenNode struct {
	position uint64
	chunk    wire.Chunk
}

// reportedLock is a lock for which the reporter has not returned.
type reportedLock struct {
	number uint64
	at     placeInEpoch
}

// callsOf names an account of calls: those of one kind, on one lane.
type callsOf struct {
	kind core.EffectKind
	lane wire.PublicKey
}

// outstanding are calls that have not returned; current is the one whose context has not ended, 0 for none.
type outstanding struct {
	out     int
	current uint64
}

func newWatch() *watch {
	return &watch{
		onDisk: make(map[place]wire.Digest), lockAt: make(map[placeInEpoch]uint64), approved: make(map[wire.PublicKey]wire.Chunk),
		calls: make(map[callsOf]*outstanding), nodes: make(map[wire.PublicKey]int), parents: make(map[wire.PublicKey]int),
		locks: make(map[placeInEpoch]bool), highest: make(map[wire.PublicKey]uint64), payloads: make(map[place]wire.Digest),
		tips: make(map[wire.Chunk]bool),
	}
}

// submitted notes a statement and returns how many of its kind are in verification for its lane, and how many may be.
// A message of our own that others show us is verified besides a node of our own lane.
func (w *watch) submitted(p *process, st *verify.Statement) (now, most int) {
	if st.MayDefer {
		w.votes++
	}
	switch {
	case st.Proposal != nil:
		lane := st.Proposal.Chunk.Sequencer
		w.nodes[lane]++
		if most = 1; lane == p.id {
			most = 2
		}
		return w.nodes[lane], most
	case st.Certificate != nil:
		w.parents[st.Subject.Chunk.Sequencer]++
		return w.parents[st.Subject.Chunk.Sequencer], 1
	}
	return 0, 0
}

func (w *watch) verified(st *verify.Statement) {
	if st.MayDefer {
		w.votes--
	}
	switch {
	case st.Proposal != nil:
		w.nodes[st.Proposal.Chunk.Sequencer]--
	case st.Certificate != nil:
		w.parents[st.Subject.Chunk.Sequencer]--
	}
}

// called notes a call and returns the account that it is in.
func (w *watch) called(e *core.Effect) *outstanding {
	of := callsOf{e.Kind, e.Chunk.Sequencer}
	if w.calls[of] == nil {
		w.calls[of] = &outstanding{}
	}
	w.calls[of].out++
	return w.calls[of]
}

// returned notes that a call has returned.
func (w *watch) returned(c *call) {
	o := w.calls[callsOf{c.kind, c.chunk.Sequencer}]
	o.out--
	if !c.ended {
		o.current = 0
	}
}

// answered notes the application's answer to a question that is still asked.
func (w *watch) answered(c wire.Chunk, a core.Answer) {
	if a == core.Approved {
		w.approved[c.Sequencer] = c
	}
}

// returned notes that the reporter of a process has returned for the first n reports of its run.
func (o *observer) returned(p *process, n uint64) {
	w := p.watch
	for len(w.unreturned) > 0 && w.unreturned[0].number <= n {
		p.told[w.unreturned[0].at] = true
		w.unreturned = w.unreturned[1:]
	}
}

// stored notes a record that was appended or recovered.
func (o *observer) stored(p *process, position uint64, record []byte, appended bool) {
	info, err := core.DescribeRecord(record)
	if err != nil {
		o.net.fail("%s: record %d: %w", p.name, position, err)
		return
	}
	w := p.watch
	switch info.Kind {
	case core.TipRecord, core.ProposalRecord, core.DormantRecord:
		if info.Tip != nil {
			w.written = append(w.written, writtenNode{position, *info.Tip})
		}
		if info.Kind == core.DormantRecord && appended {
			o.net.Stats.Faults[LanesDormant]++
			if !w.starting { // else that comes with the end of the start
				o.rested(p, info.Sequencer)
			}
		}
	case core.CertificateRecord:
		w.lockAt[placeInEpoch{place{info.Certified.Sequencer, info.Certified.Height}, info.Epoch}] = position
	case core.ReportedRecord:
		if !appended {
			through, _ := binary.Uvarint(record[1:])
			w.through = max(w.through, through)
		}
	}
}

// durable notes that the disk is durable up to where it says.
func (o *observer) durable(p *process) {
	w := p.watch
	for len(w.written) > 0 && w.written[0].position <= p.disk.Durable {
		c := &w.written[0].chunk
		w.onDisk[place{c.Sequencer, c.Height}] = c.Payload
		w.written = w.written[1:]
	}
}

// crashed notes what the next run has to report: every lock that has been reported, whose report has not returned in this
// run or an earlier one, and whose record was durable at the crash, or is on disk all the same.
func (o *observer) crashed(p *process, durable uint64) {
	for _, u := range p.watch.unreturned {
		at, ok := p.watch.lockAt[u.at]
		if ok && !p.told[u.at] && (at <= durable || slices.ContainsFunc(p.disk.Records, func(r model.Record) bool { return r.Position == at })) {
			p.owed[u.at] = true
		}
	}
}

// started holds what the start of a run reported against 4.4.
func (o *observer) started(p *process) {
	w := p.watch
	w.starting = false
	for at := range p.owed {
		if !w.locks[at] {
			o.net.fail("4.4: %s: the lock at height %d of lane %d, epoch %d, was on disk, its report has not returned, and it is not reported again",
				p.name, at.height, o.net.index[at.sequencer], at.epoch)
		}
	}
	o.net.Stats.Faults[LocksReportedAgain] += len(p.owed)
	clear(p.owed)
	o.entered(p)
	if lost, ok := p.c.Origin(); !ok || lost != p.lost {
		o.net.fail("5.9: %s: a journal whose first record is missing, or another's", p.name)
	}
}

// rested notes that a lane may have become dormant. Nobody remembers what was reported of a lane that did: once it is
// awake again, its tip and the locks at its top may be reported anew in the same run.
func (o *observer) rested(p *process, lane wire.PublicKey) {
	maps.DeleteFunc(p.watch.tips, func(c wire.Chunk, _ bool) bool { return c.Sequencer == lane })
	maps.DeleteFunc(p.watch.locks, func(at placeInEpoch, _ bool) bool { return at.sequencer == lane })
}

// entered notes that a process has started in an epoch, or is about to enter one.
func (o *observer) entered(p *process) {
	for _, id := range o.net.world.ids {
		if o.dormant(p, id) {
			o.rested(p, id)
		}
	}
}

// dormant reports whether a lane is, as a process sees it: its sequencer is in no known epoch within bounds.
func (o *observer) dormant(p *process, lane wire.PublicKey) bool {
	if lane == p.id {
		return false
	}
	first := p.epoch - min(p.epoch, p.cfg.EpochsBack)
	for e := first; e <= p.epoch+p.cfg.EpochsAhead; e++ {
		list, _ := p.view.Sequencers(e)
		for _, id := range list {
			if id == lane {
				return false
			}
		}
	}
	return true
}
