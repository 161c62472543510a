package model

import (
	"fmt"
	"slices"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Judge decides a statement by the book, one at a time: the obvious twin of package verify/batch. chunkValid verifies the
// signature on a chunk.
func Judge(st *verify.Statement, chunkValid func(*wire.Proposal) bool) *verify.Verdict {
	v := &verify.Verdict{Statement: st, ProposalValid: st.Proposal == nil || chunkValid(st.Proposal)}
	switch {
	case st.Scheme == nil:
		v.CertificateValid = true
	case !v.ProposalValid:
	case st.ProveOnly:
		v.Invalid = st.Scheme.Prove(st, st.Signers)
		v.CertificateValid = len(v.Invalid) == 0
	case st.Certificate != nil:
		c, err := st.Scheme.Open(st)
		v.CertificateValid = err == nil && st.Scheme.Check([]verify.Combination{c})
	default:
		judgeVotes(st, v)
	}
	slices.Sort(v.Invalid)
	return v
}

func judgeVotes(st *verify.Statement, v *verify.Verdict) {
	signers := st.Signers.Clone()
	strike := func(invalid []wire.Participant) {
		for _, i := range invalid {
			signers.Remove(i)
		}
		v.Invalid = append(v.Invalid, invalid...)
	}
	if st.Suspects.Len() > 0 {
		strike(st.Scheme.Prove(st, st.Suspects))
	}
	for signers.Count() >= verify.Quorum(len(st.Scheme.Participants())) {
		c, unreadable := st.Scheme.Combine(st, signers)
		if unreadable != nil {
			strike(unreadable)
			continue
		}
		if c != nil && st.Scheme.Check([]verify.Combination{c}) {
			v.CertificateValid, v.Certificate = true, c.AppendCertificate(nil)
			return
		}
		invalid := st.Scheme.Isolate(st, signers)
		if len(invalid) == 0 {
			*v = verify.Verdict{Statement: st, ProposalValid: v.ProposalValid,
				Err: fmt.Errorf("judge: %w", verify.ErrInconsistentKeys)}
			return
		}
		strike(invalid)
	}
}
