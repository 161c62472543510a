package sim

import (
	"context"
	"sync"

	"github.com/panjf2000/ants/v2"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/verify/batch"
)

// verifier verifies the statements of one run of a process: with the model, or in batches with
// package verify/batch.
type verifier struct {
	process   *process
	offenders model.Offenders // from verdicts that have been delivered or are about to be

	paused bool     // set by a scenario: verdicts wait in stuck
	stuck  []func() // deliveries that wait while paused

	inFlight []*pending // statements for the model to decide, in order of submission

	batch     *batch.Verifier // nil with the model
	waiting   []*verify.Statement
	gathering bool
}

// pending is a statement that the model has to decide.
type pending struct {
	statement *verify.Statement
	verdict   *verify.Verdict // once it is decided
	cut       bool            // it is never decided
}

// workers is the pool that all verifiers share. A pool for each verifier would cost more than many
// runs of a process.
var workers = sync.OnceValues(func() (*ants.Pool, error) { return ants.NewPool(0, ants.WithNonblocking(true)) })

func newVerifier(p *process) *verifier {
	v := &verifier{process: p, offenders: make(model.Offenders)}
	if n := p.net; n.Batch {
		// One worker, and one call at a time: the verdicts depend only on the statements and their
		// order.
		pool, err := workers()
		if err == nil {
			v.batch, err = batch.New(batch.Config{Workers: 1, BatchSize: 16, Chunks: n.roster.chunks, Pool: pool})
		}
		if err != nil {
			n.fail("%s: %w", p.name, err)
		}
	}
	return v
}

// close ends the verifier; v may be nil. Verdicts that have not been delivered are lost.
func (v *verifier) close() {
	if v != nil && v.batch != nil {
		v.batch.Close()
	}
}

// submit makes the verifier decide a statement after a random time.
func (v *verifier) submit(st *verify.Statement) {
	n := v.process.net
	f := &pending{statement: st, cut: n.hit(n.Faults.CutShort, VerificationCut)}
	switch {
	case v.batch == nil || f.cut:
		v.inFlight = append(v.inFlight, f)
		v.later(func() { v.finish(f) })
	case v.gathering:
		v.waiting = append(v.waiting, st)
	default:
		v.gathering, v.waiting = true, append(v.waiting, st)
		v.later(v.decideBatch)
	}
}

// later calls verdict after the time that a verification takes.
func (v *verifier) later(verdict func()) {
	p, n := v.process, v.process.net
	limit := n.Pace.Verify
	if n.hit(n.Faults.SlowVerify, VerificationSlow) {
		limit *= 20
	}
	if !v.paused {
		p.later(limit, verdict)
		return
	}
	v.stuck = append(v.stuck, verdict)
}

// resume ends a pause of the workers.
func (v *verifier) resume() {
	stuck := v.stuck
	v.paused, v.stuck = false, nil
	for _, verdict := range stuck {
		v.later(verdict)
	}
}

// finish delivers the verdict on a statement. If the statement is not decided yet, finish decides
// it: this is the latest time at which a worker may read the statement's memory.
func (v *verifier) finish(f *pending) {
	n := v.process.net
	for i, other := range v.inFlight {
		if other == f {
			v.inFlight = append(v.inFlight[:i], v.inFlight[i+1:]...)
			break
		}
	}
	switch {
	case f.cut:
		f.verdict = &verify.Verdict{Statement: f.statement, Err: context.Canceled}
	case f.verdict == nil:
		n.Stats.Modelled++
		if n.chance(n.Defer) {
			v.decideSomeEarly(f.statement)
			f.verdict = v.offenders.Undecided(f.statement)
		}
		if f.verdict == nil {
			f.verdict = model.Decide(f.statement, n.roster.chunkValid)
		}
		v.offenders.Add(f.verdict)
	}
	v.deliver(f.verdict)
}

// decideSomeEarly models workers that have decided but not delivered yet: it decides some of the
// other statements of votes in flight.
func (v *verifier) decideSomeEarly(st *verify.Statement) {
	n := v.process.net
	for _, f := range v.inFlight {
		o := f.statement
		if f.verdict == nil && !f.cut && o.MayDefer && o.Scheme == st.Scheme && o.Subject.Epoch == st.Subject.Epoch && n.chance(50) {
			n.Stats.Modelled++
			f.verdict = model.Decide(o, n.roster.chunkValid)
			v.offenders.Add(f.verdict)
		}
	}
}

// decideBatch decides all waiting statements. Their verdicts are delivered together, later, so that
// those of the next batch may overtake them.
func (v *verifier) decideBatch() {
	p, n := v.process, v.process.net
	waiting := v.waiting
	v.gathering, v.waiting = false, nil
	verdicts, err := v.batch.Verify(context.Background(), waiting)
	if err != nil {
		n.fail("%s: %w", p.name, err)
		return
	}
	n.Stats.Batched += len(verdicts)
	for i := range verdicts {
		v.offenders.Add(&verdicts[i])
	}
	run := p.run
	n.after(n.upTo(n.Pace.Verify), func() {
		for i := range verdicts {
			if p.run != run || p.down || n.err != nil {
				return
			}
			p.tell(func() { v.deliver(&verdicts[i]) })
		}
	})
}

func (v *verifier) deliver(verdict *verify.Verdict) {
	p, n := v.process, v.process.net
	if n.history != nil {
		n.history.line(n.now, p.name, "verdict %d: %v %v, invalid %v, exposed %v, err %v", verdict.Statement.Tag, verdict.ProposalValid,
			verdict.CertificateValid, verdict.Invalid, verdict.Deferred, verdict.Err)
	}
	if len(verdict.Deferred) > 0 {
		n.Stats.Undecided++
	}
	n.observer.verdict(p, verdict)
	p.observed.verified(verdict.Statement)
	p.c.SignaturesVerified(n.now, verdict)
}
