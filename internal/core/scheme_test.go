package core

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

const toySize = 16

// toyScheme certifies with keyed hashes instead of a curve: cheap, and the same in every run. The attributable
// kind lists its votes in the certificate; the other has one signature whoever made it, as threshold schemes do.
type toyScheme struct {
	ids          []wire.PublicKey
	seed         uint64
	attributable bool
	inconsistent bool // good votes that combine to nothing
}

func newToyScheme(ids []wire.PublicKey, seed uint64, attributable bool) *toyScheme {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, wire.PublicKey.Compare)
	return &toyScheme{ids: ids, seed: seed, attributable: attributable}
}

func toyHash(domain string, seed, who uint64, m []byte) []byte {
	h := sha256.New()
	h.Write([]byte(domain))
	h.Write(binary.BigEndian.AppendUint64(nil, seed))
	h.Write(binary.BigEndian.AppendUint64(nil, who))
	h.Write(m)
	return h.Sum(nil)
}

// sign returns the vote of participant i. Its first byte is never 0xFF, which stands for what cannot be read.
func (s *toyScheme) sign(i wire.Participant, subject wire.Subject) []byte {
	v := toyHash("vote", s.seed, uint64(i), subject.AppendTo(nil))[:toySize]
	v[0] &= 0x7F
	return v
}

func (s *toyScheme) group(subject wire.Subject) []byte {
	return toyHash("group", s.seed, 0, subject.AppendTo(nil))[:toySize]
}

func (s *toyScheme) Format() wire.Format {
	kind := wire.SingleSignature
	if s.attributable {
		kind = wire.SignersAndList
	}
	return wire.Format{Kind: kind, Participants: len(s.ids), Signature: toySize, AckSignature: toySize}
}

func (s *toyScheme) Participants() []wire.PublicKey { return s.ids }

func (s *toyScheme) Index(id wire.PublicKey) (wire.Participant, bool) {
	i, ok := slices.BinarySearchFunc(s.ids, id, wire.PublicKey.Compare)
	return wire.Participant(i), ok
}

func (s *toyScheme) Attributable() bool { return s.attributable }
func (s *toyScheme) Group() any         { return s }

type toyCombination struct {
	certificate []byte
	valid       bool
}

func (c *toyCombination) AppendCertificate(dst []byte) []byte { return append(dst, c.certificate...) }

func (s *toyScheme) Combine(st *verify.Statement, signers wire.Signers) (verify.Combination, []wire.Participant) {
	var unreadable []wire.Participant
	valid := !s.inconsistent
	for i := range signers.All() {
		if st.Vote(i)[0] == 0xFF {
			unreadable = append(unreadable, i)
		}
		valid = valid && s.good(st, i)
	}
	if unreadable != nil {
		return nil, unreadable
	}
	return &toyCombination{s.certificate(st.Subject, signers, st.Vote), valid}, nil
}

// certificate encodes a certificate of these signers.
func (s *toyScheme) certificate(subject wire.Subject, signers wire.Signers, vote func(wire.Participant) []byte) []byte {
	if !s.attributable {
		return s.group(subject)
	}
	return wire.AppendSignersAndList(nil, signers, vote)
}

func (s *toyScheme) good(st *verify.Statement, i wire.Participant) bool {
	return bytes.Equal(st.Vote(i), s.sign(i, st.Subject))
}

func (s *toyScheme) Open(st *verify.Statement) (verify.Combination, error) {
	if !s.attributable {
		if len(st.Certificate) != toySize {
			return nil, verify.ErrCertificate
		}
		return &toyCombination{st.Certificate, bytes.Equal(st.Certificate, s.group(st.Subject))}, nil
	}
	signers, votes, err := s.Format().SplitCertificate(st.Certificate)
	if err != nil || signers.Len() != len(s.ids) || signers.Count() < verify.Quorum(len(s.ids)) {
		return nil, fmt.Errorf("%w: too few signers", verify.ErrCertificate)
	}
	valid := true
	for i := range signers.All() {
		valid = valid && bytes.Equal(votes[:toySize], s.sign(i, st.Subject))
		votes = votes[toySize:]
	}
	return &toyCombination{st.Certificate, valid}, nil
}

func (s *toyScheme) Check(cs []verify.Combination) bool {
	for _, c := range cs {
		if !c.(*toyCombination).valid {
			return false
		}
	}
	return true
}

func (s *toyScheme) Prove(st *verify.Statement, signers wire.Signers) (invalid []wire.Participant) {
	for i := range signers.All() {
		if !s.good(st, i) {
			invalid = append(invalid, i)
		}
	}
	return invalid
}

func (s *toyScheme) Isolate(st *verify.Statement, signers wire.Signers) []wire.Participant {
	return s.Prove(st, signers)
}

type toySigner struct {
	scheme *toyScheme
	index  wire.Participant
}

func (s toySigner) SignAck(_ context.Context, subject wire.Subject) ([]byte, error) {
	return s.scheme.sign(s.index, subject), nil
}

func signToyChunk(c wire.Chunk) (sig wire.Signature) {
	h := toyHash("chunk", 0, 0, c.AppendTo(nil))
	copy(sig[:], h)
	copy(sig[32:], h)
	return sig
}

// judge decides a statement by the book, one at a time: the obvious twin of package verify/batch.
func judge(st *verify.Statement) *verify.Verdict {
	v := &verify.Verdict{Statement: st, ProposalValid: true}
	if st.Proposal != nil {
		v.ProposalValid = st.Proposal.Signature == signToyChunk(st.Proposal.Chunk)
	}
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
		if st.Scheme.Check([]verify.Combination{c}) {
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
