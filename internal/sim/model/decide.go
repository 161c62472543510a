package model

import (
	"fmt"
	"slices"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Decide decides one statement by the definitions of docs/protocol.md 3. It is the plain
// counterpart of package verify/batch, which decides many at once. chunkValid verifies the
// signature on a chunk.
func Decide(st *verify.Statement, chunkValid func(*wire.Proposal) bool) *verify.Verdict {
	v := &verify.Verdict{Statement: st, ProposalValid: st.Proposal == nil || chunkValid(st.Proposal)}
	switch {
	case st.Scheme == nil:
		v.CertificateValid = true
	case !v.ProposalValid:
	case st.EachVote:
		v.Invalid = st.Scheme.InvalidVotes(st, st.Signers)
		v.CertificateValid = len(v.Invalid) == 0
	case st.Certificate != nil:
		c, err := st.Scheme.Open(st)
		v.CertificateValid = err == nil && st.Scheme.Check([]verify.Combination{c})
	default:
		decideVotes(st, v)
	}
	slices.Sort(v.Invalid)
	return v
}

func decideVotes(st *verify.Statement, v *verify.Verdict) {
	signers := st.Signers.Clone()
	markInvalid := func(invalid []wire.Participant) {
		for _, i := range invalid {
			signers.Remove(i)
		}
		v.Invalid = append(v.Invalid, invalid...)
	}
	if st.Suspects.Len() > 0 {
		markInvalid(st.Scheme.InvalidVotes(st, st.Suspects))
	}
	for certifies(st.Scheme.Weights(), signers) {
		c, unreadable := st.Scheme.Combine(st, signers)
		if unreadable != nil {
			markInvalid(unreadable)
			continue
		}
		if c != nil && st.Scheme.Check([]verify.Combination{c}) {
			v.CertificateValid, v.Certificate = true, c.AppendCertificate(nil)
			return
		}
		invalid := st.Scheme.Isolate(st, signers)
		if len(invalid) == 0 {
			invalid = st.Scheme.InvalidVotes(st, signers)
		}
		if len(invalid) == 0 {
			v.Err = fmt.Errorf("deciding votes: %w", verify.ErrInconsistentKeys)
			return
		}
		markInvalid(invalid)
	}
}

// Offenders are the validators whose votes a process's verifier has proven invalid, by scheme and
// epoch. Package verify/batch has such a table for all of its workers; they read new entries before
// the verdicts that caused them are delivered.
type Offenders map[offendersKey]wire.Signers

type offendersKey struct {
	scheme verify.Scheme
	epoch  uint64
}

// Add adds the validators whose votes a verdict proves invalid.
func (x Offenders) Add(v *verify.Verdict) {
	st := v.Statement
	if len(v.Invalid) == 0 || st.Unattributed {
		return
	}
	in := offendersKey{st.Scheme, st.Subject.Epoch}
	known, ok := x[in]
	if !ok {
		known = wire.NewSigners(st.Signers.Len())
		x[in] = known
	}
	for _, i := range v.Invalid {
		known.Add(i)
	}
}

// Has reports whether a validator is an offender in a scheme and epoch.
func (x Offenders) Has(scheme verify.Scheme, epoch uint64, i wire.Participant) bool {
	return x[offendersKey{scheme, epoch}].Has(i)
}

// Undecided returns a verdict that defers a statement if that is allowed: MayDefer is set, and
// without the unproven votes of offenders the statement has no quorum. It returns nil if the
// statement must be decided.
func (x Offenders) Undecided(st *verify.Statement) *verify.Verdict {
	if !st.MayDefer || st.EachVote || st.Certificate != nil || st.Proposal != nil || st.Scheme == nil {
		return nil
	}
	v := &verify.Verdict{Statement: st, ProposalValid: true}
	good := st.Signers.Clone()
	if st.Suspects.Len() > 0 {
		v.Invalid = st.Scheme.InvalidVotes(st, st.Suspects)
		for _, i := range v.Invalid {
			good.Remove(i)
		}
	}
	trusted := good.Clone()
	for i := range st.Signers.All() {
		if x.Has(st.Scheme, st.Subject.Epoch, i) && !st.Suspects.Has(i) {
			v.Deferred = append(v.Deferred, i)
			trusted.Remove(i)
		}
	}
	w := st.Scheme.Weights()
	if len(v.Deferred) == 0 || !certifies(w, good) || certifies(w, trusted) {
		return nil
	}
	return v
}
