package core

import (
	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/internal/shrink"
	"github.com/lanecast/lanecast/verify"
)

// jobs are the statements in verification, with the purpose of each.
type jobs struct {
	out  *effects
	open map[uint64]job // by tag
	peak shrink.Peak    // of open
	last uint64
}

// job holds the purpose of a statement in flight. Exactly one of node, parent, votes, evidence, own
// and certificate is set.
type job struct {
	lane     *lane // nil with own
	node     *pendingNode
	parent   *parent
	votes    *aggregate.Statement
	evidence *evidence
	own      *ownMessage

	certificate *certificateMessage
}

// submit emits a statement and keeps its purpose.
func (o *jobs) submit(st *verify.Statement, j job) {
	o.last++
	st.Tag = o.last
	o.open[st.Tag] = j
	if j.lane != nil {
		j.lane.jobs++
	}
	o.out.emit(Verify).Statement = st
}

// take removes the job of a statement whose verdict has come, and returns false if there is none.
func (o *jobs) take(tag uint64) (job, bool) {
	j, ok := o.open[tag]
	delete(o.open, tag)
	o.open = shrink.Map(o.open, &o.peak)
	if j.lane != nil {
		j.lane.jobs--
	}
	return j, ok
}
