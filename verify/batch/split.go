package batch

import (
	"fmt"

	"github.com/lanecast/lanecast/verify"
)

// verifyGroup decides statements of one group. If all are right, that takes one check.
//
// When the check fails, the list is halved until each wrong statement is alone. k wrong statements
// of m cost at most 2·k·⌈log₂ m⌉ further checks, since each failed check contains a wrong one and
// leads to two more. The number is smaller, since a half need not be checked when the other half
// has just passed: then it contains the fault.
//
// When a statement of votes is alone, its votes are isolated at once. The offenders found are
// excluded from the undecided statements if the rest make the quorum. So one validator with a bad
// vote in each of m statements costs about 2·log₂ m checks, not m.
func (d *decider) verifyGroup(ps []*pending) {
	if d.check(ps) {
		accept(ps)
		return
	}
	d.split(ps, true)
}

// split decides ps. failed means that not all of ps are right, as a check of exactly these
// statements showed, or as follows from other checks. split reports whether ps passed at once,
// unchanged.
func (d *decider) split(ps []*pending, failed bool) (passed bool) {
	ps, changed := d.retry(ps)
	if changed {
		failed = false
	}
	if !failed && d.check(ps) {
		accept(ps)
		return !changed
	}
	switch len(ps) {
	case 0:
		return false // all were decided meanwhile
	case 1:
		if ps[0].hasVotes() {
			d.isolate(ps[0])
		}
		return false // a received certificate that is wrong: CertificateValid stays false
	}
	half := len(ps) / 2
	firstPassed := d.split(ps[:half], false)
	d.split(ps[half:], firstPassed)
	return false
}

// retry combines votes again, without the offenders found since, if they contain votes of these and
// make the quorum without them. It returns the remaining statements, in the memory of ps, and
// whether any changed.
func (d *decider) retry(ps []*pending) (rest []*pending, changed bool) {
	rest = ps[:0]
	for _, p := range ps {
		if p.hasVotes() && d.excludeOffenders(p) {
			changed = true
			if !d.prepare(p) {
				continue
			}
		}
		rest = append(rest, p)
	}
	return rest, changed
}

// isolate decides votes whose combination failed. It proves which votes are invalid and takes them
// out. If the rest make the quorum, they are checked alone. Each round takes out at least one vote.
//
// A scheme's Isolate may test several votes together. If it finds no invalid one although the
// combination fails, each vote is proven by itself before the keys are blamed. Otherwise votes that
// deceive Isolate would be taken for valid ones, and no offender would be found.
func (d *decider) isolate(p *pending) {
	scheme := p.statement.Scheme
	for p.markInvalid(d, scheme.Isolate(p.statement, p.signers)) {
		d.combine(p)
		if p.belowQuorum() || d.passes(p) {
			return
		}
	}
	// Isolate found no invalid vote. The check may have failed because of another statement of the
	// batch.
	if d.passes(p) {
		return
	}
	for {
		invalid := p.markInvalid(d, scheme.InvalidVotes(p.statement, p.signers))
		p.noteProven()
		if !invalid {
			break
		}
		d.combine(p)
		if p.belowQuorum() || d.passes(p) {
			return
		}
	}
	p.verdict.Err = fmt.Errorf("batch: %d votes of epoch %d, each proven valid, do not combine: %w",
		p.signers.Count(), p.statement.Subject.Epoch, verify.ErrInconsistentKeys)
}

// noteProven notes that all votes of p have been proven valid one by one.
func (p *pending) noteProven() {
	proven := p.signers.Clone()
	if p.proven.Len() > 0 {
		proven.AddAll(p.proven)
	}
	p.proven = proven
}

// passes checks p alone and accepts it if it is right.
func (d *decider) passes(p *pending) bool {
	alone := [1]*pending{p}
	if p.combination == nil || !d.check(alone[:]) {
		return false
	}
	accept(alone[:])
	return true
}

// check reports whether the combinations of ps verify, in one call of Scheme.Check.
func (d *decider) check(ps []*pending) bool {
	if len(ps) == 0 {
		return true
	}
	d.combinations = d.combinations[:0]
	for _, p := range ps {
		d.combinations = append(d.combinations, p.combination)
	}
	d.checks++
	ok := ps[0].statement.Scheme.Check(d.combinations)
	if !ok {
		d.splits++
	}
	return ok
}

// accept fills in the verdicts of statements that have verified.
func accept(ps []*pending) {
	for _, p := range ps {
		p.verdict.CertificateValid = true
		if p.hasVotes() {
			size := p.statement.Scheme.Format().MaxCertificateSize()
			p.verdict.Certificate = p.combination.AppendCertificate(make([]byte, 0, size))
		}
	}
}
