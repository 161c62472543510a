package batch

import (
	"fmt"

	"github.com/lanecast/lanecast/verify"
)

// settle decides trials of one group. All that is right costs one check.
//
// When the check fails, the trials are halved until the wrong ones stand alone. k wrong ones of m cost at most
// 2·k·⌈log₂ m⌉ checks more, since each failed check has a wrong one in it and leads to two others; fewer, since a
// half need not be checked when the other has just passed: what failed is in it.
//
// Votes that stand alone are taken apart (isolate), at once, and whoever is exposed by that is left out of the
// trials still undecided, where the rest can do without. So one validator with a bad vote in each of m statements
// costs about 2·log₂ m checks, not m.
func (j *judge) settle(ts []*trial) {
	if j.check(ts) {
		accept(ts)
		return
	}
	j.split(ts, true)
}

// split decides ts; failed says that a check of exactly these, or what follows from others, has shown that not all
// are right. It reports whether ts passed at once, as they came in.
func (j *judge) split(ts []*trial, failed bool) (passed bool) {
	ts, changed := j.retry(ts)
	if changed {
		failed = false
	}
	if !failed && j.check(ts) {
		accept(ts)
		return !changed
	}
	switch len(ts) {
	case 0:
		return false // all were decided on the way
	case 1:
		if ts[0].votes() {
			j.isolate(ts[0])
		}
		return false // a received certificate that is wrong: CertificateValid stays false
	}
	half := len(ts) / 2
	firstPassed := j.split(ts[:half], false)
	j.split(ts[half:], firstPassed)
	return false
}

// retry combines anew, without validators exposed since, the votes that hold theirs and can do without. It returns
// the trials that remain, in the memory of ts, and whether any changed.
func (j *judge) retry(ts []*trial) (rest []*trial, changed bool) {
	rest = ts[:0]
	for _, t := range ts {
		if t.votes() && j.setAside(t) {
			changed = true
			if !j.prepare(t) {
				continue
			}
		}
		rest = append(rest, t)
	}
	return rest, changed
}

// isolate decides votes whose combination failed: the invalid ones are proven so and taken out, and the rest, if it
// makes the quorum, is checked alone. Each round takes out at least one vote.
//
// A scheme's Isolate may conclude from votes together. Where it finds nobody and the combination
// fails all the same, each vote is proven by itself before the keys are blamed: otherwise votes
// that deceive Isolate would pass for valid ones, and nobody would be found out.
func (j *judge) isolate(t *trial) {
	scheme := t.statement.Scheme
	for t.strikeAll(j, scheme.Isolate(t.statement, t.signers)) {
		j.combine(t)
		if t.short() || j.passes(t) {
			return
		}
	}
	// Nobody is found. What made us think that the whole is wrong may have been another statement
	// of the batch.
	if j.passes(t) {
		return
	}
	for {
		invalid := t.strikeAll(j, scheme.InvalidVotes(t.statement, t.signers))
		t.trust()
		if !invalid {
			break
		}
		j.combine(t)
		if t.short() || j.passes(t) {
			return
		}
	}
	t.verdict.Err = fmt.Errorf("batch: %d votes of epoch %d, each proven valid, do not combine: %w",
		t.signers.Count(), t.statement.Subject.Epoch, verify.ErrInconsistentKeys)
}

// trust notes that all votes of t have been proven one by one.
func (t *trial) trust() {
	proven := t.signers.Clone()
	if t.proven.Len() > 0 {
		proven.AddAll(t.proven)
	}
	t.proven = proven
}

// passes checks t alone and accepts it if it is right.
func (j *judge) passes(t *trial) bool {
	alone := [1]*trial{t}
	if t.combination == nil || !j.check(alone[:]) {
		return false
	}
	accept(alone[:])
	return true
}

// check checks the combinations of ts together.
func (j *judge) check(ts []*trial) bool {
	if len(ts) == 0 {
		return true
	}
	j.combinations = j.combinations[:0]
	for _, t := range ts {
		j.combinations = append(j.combinations, t.combination)
	}
	j.checks++
	ok := ts[0].statement.Scheme.Check(j.combinations)
	if !ok {
		j.splits++
	}
	return ok
}

func accept(ts []*trial) {
	for _, t := range ts {
		t.verdict.CertificateValid = true
		if t.votes() {
			size := t.statement.Scheme.Format().MaxCertificateSize()
			t.verdict.Certificate = t.combination.AppendCertificate(make([]byte, 0, size))
		}
	}
}
