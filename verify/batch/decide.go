package batch

import (
	"slices"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// decider decides batches, one at a time, by docs/protocol.md 3.3. It calls Schemes and has neither
// queues nor goroutines. One worker uses it for one batch; its slices are reused from batch to
// batch.
type decider struct {
	chunks    *verify.ChunkVerifier
	offenders *offenderTable // shared by all workers

	// State of the current batch.
	checks, splits int // calls of Scheme.Check, and those of them that failed

	all          []pending // one per statement with something to combine or open
	open         []*pending
	group        []*pending
	gatherings   []verify.Gathering
	gathered     []*pending // gatherings[i] belongs to gathered[i]
	combinations []verify.Combination
	proposals    []*wire.Proposal
	places       []int // proposals[i] belongs to statement places[i]
	valid        []bool
}

// pending is an undecided statement with a certificate, either received or still to be made.
type pending struct {
	statement *verify.Statement
	verdict   *verify.Verdict
	group     any
	// combination is the certificate, or the combined votes of signers, to be checked. It is nil
	// when the votes' combination cannot verify.
	combination verify.Combination

	// For votes only.
	weights   verify.Weights
	quorum    uint64       // weight that certifies, at least 1
	owned     bool         // signers is a copy of the statement's, which may be changed
	signers   wire.Signers // validators whose votes are combined
	excluded  wire.Signers // offenders whose votes are left out, valid or not
	proven    wire.Signers // validators with votes proven valid one by one; not excluded
	offenders *offenders   // the table from which excluded was last chosen
}

// hasVotes reports whether the statement has votes, and no certificate.
func (p *pending) hasVotes() bool { return p.statement.Certificate == nil }

// belowQuorum reports whether the remaining votes make no quorum.
func (p *pending) belowQuorum() bool { return p.weights.Sum(p.signers) < p.quorum }

// excludedSuffice reports whether there are excluded votes and the votes would make a quorum with
// them.
func (p *pending) excludedSuffice() bool {
	return p.excluded.Count() > 0 && p.weights.Sum(p.signers)+p.weights.Sum(p.excluded) >= p.quorum
}

// decide fills in verdicts[i] for statements[i]. The verdicts are zero before.
func (d *decider) decide(statements []*verify.Statement, verdicts []verify.Verdict) {
	d.decideProposals(statements, verdicts)
	if cap(d.all) < len(statements) {
		d.all = make([]pending, 0, len(statements)) // d.open and d.group point into it
	}
	for i, s := range statements {
		v := &verdicts[i]
		switch {
		case s.Scheme == nil:
			v.CertificateValid = true
		case !v.ProposalValid: // do not spend a pairing on its certificate
		case s.EachVote:
			v.Invalid = slices.Clone(s.Scheme.InvalidVotes(s, s.Signers))
			v.CertificateValid = len(v.Invalid) == 0
			if !s.Unattributed {
				d.addOffenders(s, v.Invalid)
			}
		default:
			d.all = append(d.all, pending{statement: s, verdict: v, group: s.Scheme.Group()})
			d.open = append(d.open, &d.all[len(d.all)-1])
		}
	}
	d.gather()
	for len(d.open) > 0 {
		d.verifyGroup(d.takeGroup())
	}
	for i := range verdicts {
		slices.Sort(verdicts[i].Invalid)
	}
}

// decideProposals verifies the chunk signatures of the whole batch together.
func (d *decider) decideProposals(statements []*verify.Statement, verdicts []verify.Verdict) {
	for i, s := range statements {
		verdicts[i].Statement = s
		verdicts[i].ProposalValid = s.Proposal == nil
		if s.Proposal != nil {
			d.proposals, d.places = append(d.proposals, s.Proposal), append(d.places, i)
		}
	}
	if len(d.proposals) == 0 {
		return
	}
	d.valid = slices.Grow(d.valid[:0], len(d.proposals))[:len(d.proposals)]
	d.chunks.VerifyBatch(d.proposals, d.valid)
	for k, i := range d.places {
		verdicts[i].ProposalValid = d.valid[k]
	}
}

// gather makes combinations for the statements of d.open, and drops the statements that it decides.
// It proves the votes of suspects first, for all statements, so that the offenders among them are
// known when votes are combined.
func (d *decider) gather() {
	for _, p := range d.open {
		if s := p.statement; p.hasVotes() {
			p.signers = s.Signers
			p.weights = s.Scheme.Weights()
			p.quorum = max(1, p.weights.Quorum())
			if s.Suspects.Count() > 0 {
				p.markInvalid(d, s.Scheme.InvalidVotes(s, s.Suspects))
				p.proven = s.Suspects
			}
		}
	}
	d.combineAll(d.open)
	undecided, apart := d.open[:0], 0
	for _, p := range d.open {
		switch {
		case p.combination != nil:
			undecided = append(undecided, p)
		case p.hasVotes() && !p.belowQuorum():
			d.isolate(p)
			apart++
		}
	}
	if apart > 0 { // exclude new offenders from the others if the rest make the quorum
		undecided, _ = d.retry(undecided)
	}
	d.open = undecided
}

// combineAll makes the combinations of ps, all at once. It combines votes as combine does. A
// certificate that cannot be opened gets no combination.
func (d *decider) combineAll(ps []*pending) {
	for len(ps) > 0 {
		d.gatherings, d.gathered = d.gatherings[:0], d.gathered[:0]
		for _, p := range ps {
			if p.combination = nil; p.hasVotes() && !d.mayCombine(p) {
				continue
			}
			d.gatherings = append(d.gatherings, verify.Gathering{Statement: p.statement, Signers: p.signers})
			d.gathered = append(d.gathered, p)
		}
		verify.Gather(d.gatherings)
		again := d.gathered[:0]
		for i, p := range d.gathered {
			// Offenders found in those before p are excluded from p, as if p came after them.
			if g := &d.gatherings[i]; p.hasVotes() && (d.excludeOffenders(p) || p.markInvalid(d, g.Unreadable)) {
				again = append(again, p)
			} else {
				p.combination = g.Combination
			}
		}
		ps = slices.Clone(again)
	}
}

// prepare combines p's votes and reports whether the combination must be checked. If not, p is
// decided.
func (d *decider) prepare(p *pending) bool {
	d.combine(p)
	if !p.belowQuorum() && p.combination == nil {
		d.isolate(p)
		return false
	}
	return !p.belowQuorum()
}

// combine makes the combination of p's votes. It excludes offenders if the others make the quorum,
// and removes unreadable votes. Afterwards p is below the quorum, or p.combination must be checked,
// or p.combination is nil because the votes' combination cannot verify.
func (d *decider) combine(p *pending) {
	p.combination = nil
	for d.mayCombine(p) {
		c, unreadable := p.statement.Scheme.Combine(p.statement, p.signers)
		if p.markInvalid(d, unreadable) {
			continue
		}
		p.combination = c
		return
	}
}

// mayCombine excludes offenders and reports whether the other votes are a quorum to combine. If
// not, p is below the quorum.
func (d *decider) mayCombine(p *pending) bool {
	d.excludeOffenders(p)
	return !p.belowQuorum() || !p.tryDefer() && d.readmit(p)
}

// excludeOffenders takes the votes of known offenders out of p, and reports whether there were any.
// If the other votes do not make the quorum, excludeOffenders defers the statement, so that its
// maker can wait for more votes (tryDefer), or proves the excluded votes (readmit). Both cost less
// than finding the invalid votes in a failed combination.
func (d *decider) excludeOffenders(p *pending) bool {
	current := d.offenders.Load()
	if current == p.offenders {
		return false
	}
	p.offenders = current
	known, ok := current.of(p.statement.Scheme, p.statement.Subject.Epoch)
	if !ok || known.Len() != p.signers.Len() {
		return false
	}
	found := known.Clone()
	for i := range known.All() {
		if !p.signers.Has(i) || p.proven.Has(i) {
			found.Remove(i)
		}
	}
	if found.Count() == 0 {
		return false
	}
	p.ownSigners()
	p.signers.RemoveAll(found)
	if p.excluded.Len() == 0 {
		p.excluded = found
	} else {
		p.excluded.AddAll(found)
	}
	return true
}

// tryDefer returns p's statement undecided, if that is allowed and the excluded votes could make
// the quorum. It reports whether it did.
func (p *pending) tryDefer() bool {
	if !p.statement.MayDefer || !p.excludedSuffice() {
		return false
	}
	p.verdict.Deferred = slices.AppendSeq([]wire.Participant(nil), p.excluded.All())
	return true
}

// readmit proves the excluded votes when the others are too few, and puts the valid ones back. It
// reports whether there is a quorum again.
func (d *decider) readmit(p *pending) bool {
	if !p.excludedSuffice() {
		return false
	}
	p.markInvalid(d, p.statement.Scheme.InvalidVotes(p.statement, p.excluded))
	p.ownSigners()
	p.signers.AddAll(p.excluded)
	proven := p.excluded
	if p.proven.Len() > 0 {
		proven.AddAll(p.proven)
	}
	p.proven, p.excluded = proven, wire.Signers{}
	return !p.belowQuorum()
}

// markInvalid moves votes that are proven invalid from p into its verdict, and reports whether
// there were any.
func (p *pending) markInvalid(d *decider, invalid []wire.Participant) bool {
	before := len(p.verdict.Invalid)
	for _, i := range invalid {
		switch {
		case p.signers.Has(i):
			p.ownSigners()
			p.signers.Remove(i)
		case p.excluded.Has(i):
			p.excluded.Remove(i)
		default:
			continue // not among those asked for
		}
		p.verdict.Invalid = append(p.verdict.Invalid, i)
	}
	d.addOffenders(p.statement, p.verdict.Invalid[before:])
	return len(p.verdict.Invalid) > before
}

// ownSigners copies p.signers before a change, because the statement belongs to its maker.
func (p *pending) ownSigners() {
	if !p.owned {
		p.signers, p.owned = p.signers.Clone(), true
	}
}

// addOffenders adds validators whose votes are proven invalid to the table that all workers read.
func (d *decider) addOffenders(s *verify.Statement, invalid []wire.Participant) {
	if len(invalid) > 0 {
		d.offenders.add(s.Scheme, s.Subject.Epoch, s.Signers.Len(), invalid)
	}
}

// takeGroup moves the first of d.open, and all others of its group, to d.group.
func (d *decider) takeGroup() []*pending {
	group := d.open[0].group
	d.group = d.group[:0]
	rest := d.open[:0]
	for _, p := range d.open {
		if p.group == group {
			d.group = append(d.group, p)
		} else {
			rest = append(rest, p)
		}
	}
	d.open = rest
	return d.group
}

// reset clears the state of the batch, so that none of its memory stays reachable.
func (d *decider) reset() {
	d.checks, d.splits = 0, 0
	clear(d.all[:cap(d.all)])
	clear(d.open[:cap(d.open)])
	clear(d.group[:cap(d.group)])
	clear(d.gatherings[:cap(d.gatherings)])
	clear(d.gathered[:cap(d.gathered)])
	clear(d.combinations[:cap(d.combinations)])
	clear(d.proposals)
	d.all, d.open, d.group = d.all[:0], d.open[:0], d.group[:0]
	d.gatherings, d.gathered = d.gatherings[:0], d.gathered[:0]
	d.combinations, d.proposals, d.places = d.combinations[:0], d.proposals[:0], d.places[:0]
}
