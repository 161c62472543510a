package batch

import (
	"slices"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// judge decides one batch at a time: the mathematics of PROTOCOL.md 3.3, in terms of a Scheme, without queue or
// goroutine. Its slices are reused from batch to batch; it is one worker's while that worker decides a batch.
type judge struct {
	chunks  *verify.ChunkVerifier
	exposed *exposureTable // shared by all workers

	// Of this batch.
	checks, splits, strikes int

	trials       []trial // one per statement with something to combine or open
	open         []*trial
	group        []*trial
	gatherings   []verify.Gathering
	gathered     []*trial // gatherings[i] is gathered[i]'s
	combinations []verify.Combination
	proposals    []*wire.Proposal
	places       []int // proposals[i] is statement places[i]'s
	valid        []bool
}

// trial is the deciding of one certificate, received or to be made.
type trial struct {
	statement *verify.Statement
	verdict   *verify.Verdict
	group     any
	// combination is what is to be checked: the certificate, or the votes of signers; nil when these combine to
	// nothing that could verify.
	combination verify.Combination

	// For votes only.
	quorum  int
	owned   bool         // signers is this trial's own copy, no longer the statement's
	signers wire.Signers // whose votes are combined
	aside   wire.Signers // whose votes are left out on a hint, neither proven nor refuted
	proven  wire.Signers // whose votes have been proven valid one by one; a hint says nothing about them
	hints   *exposures   // the table that aside was last chosen from
}

func (t *trial) votes() bool { return t.statement.Certificate == nil }

// short reports that the votes do not make a quorum any more.
func (t *trial) short() bool { return t.signers.Count() < t.quorum }

// decide fills in verdicts[i] for statements[i]. The verdicts come in zero.
func (j *judge) decide(statements []*verify.Statement, verdicts []verify.Verdict) {
	j.decideProposals(statements, verdicts)
	if cap(j.trials) < len(statements) {
		j.trials = make([]trial, 0, len(statements)) // never grown below: trials are pointed to
	}
	for i, s := range statements {
		v := &verdicts[i]
		switch {
		case s.Scheme == nil:
			v.CertificateValid = true
		case !v.ProposalValid: // its certificate is not worth a pairing
		case s.EachVote:
			v.Invalid = slices.Clone(s.Scheme.InvalidVotes(s, s.Signers))
			v.CertificateValid = len(v.Invalid) == 0
			if !s.Unattributed {
				j.expose(s, v.Invalid)
			}
		default:
			j.trials = append(j.trials, trial{statement: s, verdict: v, group: s.Scheme.Group()})
			j.open = append(j.open, &j.trials[len(j.trials)-1])
		}
	}
	j.gather()
	for len(j.open) > 0 {
		j.settle(j.takeGroup())
	}
	for i := range verdicts {
		slices.Sort(verdicts[i].Invalid)
	}
}

// decideProposals verifies the chunk signatures of the whole batch in one go.
func (j *judge) decideProposals(statements []*verify.Statement, verdicts []verify.Verdict) {
	for i, s := range statements {
		verdicts[i].Statement = s
		verdicts[i].ProposalValid = s.Proposal == nil
		if s.Proposal != nil {
			j.proposals, j.places = append(j.proposals, s.Proposal), append(j.places, i)
		}
	}
	if len(j.proposals) == 0 {
		return
	}
	j.valid = slices.Grow(j.valid[:0], len(j.proposals))[:len(j.proposals)]
	j.chunks.VerifyBatch(j.proposals, j.valid)
	for k, i := range j.places {
		verdicts[i].ProposalValid = j.valid[k]
	}
}

// gather turns the statements of j.open into combinations to check, and drops those that it decides. Suspects are
// proven for all statements first, so that what they expose is known when votes are combined.
func (j *judge) gather() {
	for _, t := range j.open {
		if s := t.statement; t.votes() {
			t.signers = s.Signers
			t.quorum = max(1, verify.Quorum(s.Scheme.Format().Participants))
			if s.Suspects.Count() > 0 {
				t.strikeAll(j, s.Scheme.InvalidVotes(s, s.Suspects))
				t.proven = s.Suspects
			}
		}
	}
	j.combineAll(j.open)
	undecided, apart := j.open[:0], 0
	for _, t := range j.open {
		switch {
		case t.combination != nil:
			undecided = append(undecided, t)
		case t.votes() && !t.short():
			j.isolate(t)
			apart++
		}
	}
	if apart > 0 { // whoever was exposed is left out of the others, if these can do without
		undecided, _ = j.retry(undecided)
	}
	j.open = undecided
}

// combineAll makes the combinations of ts, all at once. Those of votes are as combine makes them; of a certificate that
// cannot be opened there is none.
func (j *judge) combineAll(ts []*trial) {
	for len(ts) > 0 {
		j.gatherings, j.gathered = j.gatherings[:0], j.gathered[:0]
		for _, t := range ts {
			if t.combination = nil; t.votes() && !j.mayCombine(t) {
				continue
			}
			j.gatherings = append(j.gatherings, verify.Gathering{Statement: t.statement, Signers: t.signers})
			j.gathered = append(j.gathered, t)
		}
		verify.Gather(j.gatherings)
		again := j.gathered[:0]
		for i, t := range j.gathered {
			// Whoever was exposed by those before is left out of t, as if it came after them.
			if g := &j.gatherings[i]; t.votes() && (j.setAside(t) || t.strikeAll(j, g.Unreadable)) {
				again = append(again, t)
			} else {
				t.combination = g.Combination
			}
		}
		ts = slices.Clone(again)
	}
}

// prepare combines t's votes and reports whether the combination is to be checked. If not, t is decided.
func (j *judge) prepare(t *trial) bool {
	j.combine(t)
	if !t.short() && t.combination == nil {
		j.isolate(t)
		return false
	}
	return !t.short()
}

// combine makes the combination of t's votes, leaving out on hints whom it can, and unreadable votes for good.
// Afterwards t is short, or t.combination is to be checked, or is nil because the votes' combination cannot verify.
func (j *judge) combine(t *trial) {
	t.combination = nil
	for j.mayCombine(t) {
		c, unreadable := t.statement.Scheme.Combine(t.statement, t.signers)
		if t.strikeAll(j, unreadable) {
			continue
		}
		t.combination = c
		return
	}
}

// mayCombine leaves out on hints whom it can, and reports whether the others' votes are to be combined. If not, t is short.
func (j *judge) mayCombine(t *trial) bool {
	j.setAside(t)
	return !t.short() || !t.deferred() && j.recall(t)
}

// setAside leaves out of t's votes those of validators that have been exposed, and reports whether it left out any. If the
// others do not make the quorum, the maker decides whether to wait for more (deferred), or recall has them proven, which
// costs less than finding them again in what fails.
func (j *judge) setAside(t *trial) bool {
	hints := j.exposed.Load()
	if hints == t.hints {
		return false
	}
	t.hints = hints
	known, ok := hints.of(t.statement.Scheme, t.statement.Subject.Epoch)
	if !ok || known.Len() != t.signers.Len() {
		return false
	}
	hinted := known.Clone()
	for p := range known.All() {
		if !t.signers.Has(p) || t.proven.Has(p) {
			hinted.Remove(p)
		}
	}
	if hinted.Count() == 0 {
		return false
	}
	t.own()
	t.signers.RemoveAll(hinted)
	if t.aside.Len() == 0 {
		t.aside = hinted
	} else {
		t.aside.AddAll(hinted)
	}
	return true
}

// deferred gives t back undecided, if that is allowed and the votes set aside could make the quorum.
func (t *trial) deferred() bool {
	if !t.statement.MayDefer || t.aside.Count() == 0 || t.signers.Count()+t.aside.Count() < t.quorum {
		return false
	}
	t.verdict.Deferred = slices.AppendSeq([]wire.Participant(nil), t.aside.All())
	return true
}

// recall proves the votes that were set aside, now that the others are too few, and takes the good ones back in. It
// reports whether there is a quorum again.
func (j *judge) recall(t *trial) bool {
	if n := t.aside.Count(); n == 0 || t.signers.Count()+n < t.quorum {
		return false
	}
	t.strikeAll(j, t.statement.Scheme.InvalidVotes(t.statement, t.aside))
	t.own()
	t.signers.AddAll(t.aside)
	proven := t.aside
	if t.proven.Len() > 0 {
		proven.AddAll(t.proven)
	}
	t.proven, t.aside = proven, wire.Signers{}
	return !t.short()
}

// strikeAll takes votes that are proven invalid out of t, into its verdict, and reports whether there were any.
func (t *trial) strikeAll(j *judge, invalid []wire.Participant) bool {
	before := len(t.verdict.Invalid)
	for _, p := range invalid {
		switch {
		case t.signers.Has(p):
			t.own()
			t.signers.Remove(p)
		case t.aside.Has(p):
			t.aside.Remove(p)
		default:
			continue // not asked about
		}
		t.verdict.Invalid = append(t.verdict.Invalid, p)
	}
	j.expose(t.statement, t.verdict.Invalid[before:])
	return len(t.verdict.Invalid) > before
}

// own makes t.signers safe to change: the statement is its maker's.
func (t *trial) own() {
	if !t.owned {
		t.signers, t.owned = t.signers.Clone(), true
	}
}

// expose counts votes proven invalid and tells the other workers of them.
func (j *judge) expose(s *verify.Statement, invalid []wire.Participant) {
	if len(invalid) > 0 {
		j.strikes += len(invalid)
		j.exposed.add(s.Scheme, s.Subject.Epoch, s.Signers.Len(), invalid)
	}
}

// takeGroup moves the first open trial and all others of its group from j.open to j.group.
func (j *judge) takeGroup() []*trial {
	group := j.open[0].group
	j.group = j.group[:0]
	rest := j.open[:0]
	for _, t := range j.open {
		if t.group == group {
			j.group = append(j.group, t)
		} else {
			rest = append(rest, t)
		}
	}
	j.open = rest
	return j.group
}

// reset forgets the batch, so that nothing of it stays reachable.
func (j *judge) reset() {
	j.checks, j.splits, j.strikes = 0, 0, 0
	clear(j.trials[:cap(j.trials)])
	clear(j.open[:cap(j.open)])
	clear(j.group[:cap(j.group)])
	clear(j.gatherings[:cap(j.gatherings)])
	clear(j.gathered[:cap(j.gathered)])
	clear(j.combinations[:cap(j.combinations)])
	clear(j.proposals)
	j.trials, j.open, j.group = j.trials[:0], j.open[:0], j.group[:0]
	j.gatherings, j.gathered = j.gatherings[:0], j.gathered[:0]
	j.combinations, j.proposals, j.places = j.combinations[:0], j.proposals[:0], j.places[:0]
}
