package sim

import (
	"context"
	"sync"

	"github.com/panjf2000/ants/v2"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/verify/batch"
)

// verifier decides the statements of one run of a process: by the model, or in batches with the real one.
type verifier struct {
	process *process
	exposed model.Exposures // by verdicts that are out, or about to be

	paused bool     // by a scenario: no verdict comes …
	stuck  []func() // … of these

	flying []*flight // in the hands of the model, in order of submission

	batch     *batch.Verifier // nil with the model
	waiting   []*verify.Statement
	gathering bool
}

// flight is a statement whose verdict the model owes.
type flight struct {
	statement *verify.Statement
	verdict   *verify.Verdict // once it is decided
	cut       bool            // it never is
}

// workers is the pool of all verifiers: to make and to end one of its own costs more than many a run of a process.
var workers = sync.OnceValues(func() (*ants.Pool, error) { return ants.NewPool(0, ants.WithNonblocking(true)) })

func newVerifier(p *process) *verifier {
	v := &verifier{process: p, exposed: make(model.Exposures)}
	if n := p.net; n.Batch {
		// One worker, and one call at a time: what it decides follows from the statements, and from their order.
		pool, err := workers()
		if err == nil {
			v.batch, err = batch.New(batch.Config{Workers: 1, BatchSize: 16, Chunks: n.world.chunks, Pool: pool})
		}
		if err != nil {
			n.fail("%s: %w", p.name, err)
		}
	}
	return v
}

// close ends the verifier, nil for a process that has none. Verdicts on their way are lost.
func (v *verifier) close() {
	if v != nil && v.batch != nil {
		v.batch.Close()
	}
}

// submit has a statement decided, some time from now.
func (v *verifier) submit(st *verify.Statement) {
	n := v.process.net
	f := &flight{statement: st, cut: n.hit(n.Faults.CutShort, VerificationCut)}
	switch {
	case v.batch == nil || f.cut:
		v.flying = append(v.flying, f)
		v.later(func() { v.land(f) })
	case v.gathering:
		v.waiting = append(v.waiting, st)
	default:
		v.gathering, v.waiting = true, append(v.waiting, st)
		v.later(v.decideBatch)
	}
}

// later has a verdict come after the time that a verification takes.
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

// land decides a statement, unless that has happened, at the moment of the verdict: the latest that a worker might read
// what it refers to.
func (v *verifier) land(f *flight) {
	n := v.process.net
	for i, other := range v.flying {
		if other == f {
			v.flying = append(v.flying[:i], v.flying[i+1:]...)
			break
		}
	}
	switch {
	case f.cut:
		f.verdict = &verify.Verdict{Statement: f.statement, Err: context.Canceled}
	case f.verdict == nil:
		n.Stats.Modelled++
		if n.chance(n.Defer) {
			v.lookAhead(f.statement)
			f.verdict = v.exposed.Undecided(f.statement)
		}
		if f.verdict == nil {
			f.verdict = model.Judge(f.statement, n.world.chunkValid)
		}
		v.exposed.Add(f.verdict)
	}
	v.deliver(f.verdict)
}

// lookAhead has other workers be ahead of their verdicts: some of the votes that fly with a statement are decided now.
func (v *verifier) lookAhead(st *verify.Statement) {
	n := v.process.net
	for _, f := range v.flying {
		o := f.statement
		if f.verdict == nil && !f.cut && o.MayDefer && o.Scheme == st.Scheme && o.Subject.Epoch == st.Subject.Epoch && n.chance(50) {
			n.Stats.Modelled++
			f.verdict = model.Judge(o, n.world.chunkValid)
			v.exposed.Add(f.verdict)
		}
	}
}

// decideBatch has all decided that waits. The verdicts come out together, later, so that those of the next batch may
// overtake them.
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
		v.exposed.Add(&verdicts[i])
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
	p.watch.verified(verdict.Statement)
	p.c.SignaturesVerified(n.now, verdict)
}
