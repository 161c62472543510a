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

// observed is the observer's state about one run of one process.
type observed struct {
	written  []writtenNode // not durable yet
	onDisk   map[place]wire.Digest
	lockAt   map[placeInEpoch]uint64 // positions of records of locks
	through  uint64                  // position of the last lock reported, according to the disk
	approved map[wire.PublicKey]wire.Chunk
	calls    map[callsOf]*outstanding

	nodes, parents map[wire.PublicKey]int // numbers of statements of a lane in verification
	votes          int                    // number of statements of votes in verification

	locks    map[placeInEpoch]bool // reported
	highest  map[wire.PublicKey]uint64
	payloads map[place]wire.Digest // of locks reported
	tips     map[wire.Chunk]bool   // reported

	starting   bool // the effects of Start are being carried out
	atStart    int  // number of locks reported by these effects
	unreturned []reportedLock
	reports    uint64 // number of Report effects so far
	events     int
}

type writtenNode struct {
	position uint64
	chunk    wire.Chunk
}

// reportedLock is a lock whose report has not returned.
type reportedLock struct {
	number uint64
	at     placeInEpoch
}

// callsOf is the key of outstanding calls: one kind, on one lane.
type callsOf struct {
	kind core.EffectKind
	lane wire.PublicKey
}

// outstanding counts calls that have not returned; current is the call whose context has not ended,
// 0 for none.
type outstanding struct {
	out     int
	current uint64
}

func newObserved() *observed {
	return &observed{
		onDisk: make(map[place]wire.Digest), lockAt: make(map[placeInEpoch]uint64), approved: make(map[wire.PublicKey]wire.Chunk),
		calls: make(map[callsOf]*outstanding), nodes: make(map[wire.PublicKey]int), parents: make(map[wire.PublicKey]int),
		locks: make(map[placeInEpoch]bool), highest: make(map[wire.PublicKey]uint64), payloads: make(map[place]wire.Digest),
		tips: make(map[wire.Chunk]bool),
	}
}

// submitted records a statement. It returns the number of statements of its kind in verification
// for its lane, and the allowed number. On its own lane a process may verify two nodes: one that it
// makes, and one from a peer.
func (r *observed) submitted(p *process, st *verify.Statement) (now, most int) {
	if st.MayDefer {
		r.votes++
	}
	switch {
	case st.Proposal != nil:
		lane := st.Proposal.Chunk.Sequencer
		r.nodes[lane]++
		if most = 1; lane == p.id {
			most = 2
		}
		return r.nodes[lane], most
	case st.Certificate != nil:
		// One parent, and one certificate from each peer.
		r.parents[st.Subject.Chunk.Sequencer]++
		return r.parents[st.Subject.Chunk.Sequencer], 1 + len(p.net.processes)
	}
	return 0, 0
}

func (r *observed) verified(st *verify.Statement) {
	if st.MayDefer {
		r.votes--
	}
	switch {
	case st.Proposal != nil:
		r.nodes[st.Proposal.Chunk.Sequencer]--
	case st.Certificate != nil:
		r.parents[st.Subject.Chunk.Sequencer]--
	}
}

// called records a call and returns the outstanding ones of its kind and lane.
func (r *observed) called(e *core.Effect) *outstanding {
	of := callsOf{e.Kind, e.Chunk.Sequencer}
	if r.calls[of] == nil {
		r.calls[of] = &outstanding{}
	}
	r.calls[of].out++
	return r.calls[of]
}

// returned records that a call has returned.
func (r *observed) returned(c *call) {
	o := r.calls[callsOf{c.kind, c.chunk.Sequencer}]
	o.out--
	if !c.ended {
		o.current = 0
	}
}

// answered records the application's answer to a question whose context has not ended.
func (r *observed) answered(c wire.Chunk, a core.Answer) {
	if a == core.Approved {
		r.approved[c.Sequencer] = c
	}
}

// returned records that the reporter of a process has returned for the first n reports of its run.
func (o *observer) returned(p *process, n uint64) {
	r := p.observed
	for len(r.unreturned) > 0 && r.unreturned[0].number <= n {
		p.told[r.unreturned[0].at] = true
		r.unreturned = r.unreturned[1:]
	}
}

// stored records a journal record that was appended or recovered.
func (o *observer) stored(p *process, position uint64, record []byte, appended bool) {
	info, err := core.DescribeRecord(record)
	if err != nil {
		o.net.fail("%s: record %d: %w", p.name, position, err)
		return
	}
	r := p.observed
	switch info.Kind {
	case core.TipRecord, core.ProposalRecord, core.DormantRecord:
		if info.Tip != nil {
			r.written = append(r.written, writtenNode{position, *info.Tip})
		}
		if info.Kind == core.DormantRecord && appended {
			o.net.Stats.Faults[LanesDormant]++
			if !r.starting { // otherwise started checks it
				o.rested(p, info.Sequencer)
			}
		}
	case core.MarkRecord:
		if height, n := binary.Uvarint(record[1+len(info.Sequencer):]); n > 0 && p.closed != nil {
			p.closed[info.Sequencer] = height
		}
	case core.CertificateRecord:
		lane, low := info.Sequencer, info.Certified.Height+1
		counts := info.Epoch+p.cfg.EpochsBack >= p.epoch && info.Epoch <= p.epoch+p.cfg.EpochsAhead
		if before := p.lowest[lane]; appended && counts && (before == 0 || low < before) {
			p.lowest[lane] = low
		}
		r.lockAt[placeInEpoch{place{info.Certified.Sequencer, info.Certified.Height}, info.Epoch}] = position
	case core.ReportedRecord:
		if !appended {
			through, _ := binary.Uvarint(record[1:])
			r.through = max(r.through, through)
		}
	}
}

// durable records the position up to which the disk of a process is durable.
func (o *observer) durable(p *process) {
	r := p.observed
	for len(r.written) > 0 && r.written[0].position <= p.disk.Durable {
		c := &r.written[0].chunk
		r.onDisk[place{c.Sequencer, c.Height}] = c.Payload
		r.written = r.written[1:]
	}
}

// crashed records the locks that the next run must report: those whose report has not returned in
// this run or an earlier one, and whose record was durable at the crash or is on disk anyway.
func (o *observer) crashed(p *process, durable uint64) {
	for _, u := range p.observed.unreturned {
		at, ok := p.observed.lockAt[u.at]
		if ok && !p.told[u.at] && (at <= durable || slices.ContainsFunc(p.disk.Records, func(r model.Record) bool { return r.Position == at })) {
			p.owed[u.at] = true
		}
	}
}

// started checks the reports at the start of a run against 4.4.
func (o *observer) started(p *process) {
	r := p.observed
	r.starting = false
	for at := range p.owed {
		if !r.locks[at] {
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

// rested records that a lane may have become dormant. A process forgets its reports of a dormant
// lane: once the lane wakes, its tip and its top locks may be reported again in the same run.
func (o *observer) rested(p *process, lane wire.PublicKey) {
	maps.DeleteFunc(p.observed.tips, func(c wire.Chunk, _ bool) bool { return c.Sequencer == lane })
	maps.DeleteFunc(p.observed.locks, func(at placeInEpoch, _ bool) bool { return at.sequencer == lane })
}

// entered records that a process has started in an epoch, or is about to enter one.
func (o *observer) entered(p *process) {
	for _, id := range o.net.roster.ids {
		if o.dormant(p, id) {
			o.rested(p, id)
		}
	}
}

// dormant reports whether a lane is dormant for a process: its sequencer is in no known epoch
// within bounds.
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
