package model

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// VoteSize is the length in bytes of a vote and of a combined signature.
const VoteSize = 16

// Kind is the kind of real scheme that a Scheme imitates.
type Kind uint8

const (
	// List is a scheme whose certificates list their votes, as Ed25519's do. Votes are never added
	// up.
	List Kind = iota
	// Sum is a scheme whose certificates are a bitmap and the sum of the votes, as those of BLS
	// multisig. Votes whose errors cancel in the sum make a valid certificate, by definition.
	Sum
	// Group is a scheme whose certificate is one signature, the same for every quorum, as with BLS
	// threshold. Votes are weighted, so that errors that cancel in a plain sum do not cancel. It is
	// not attributable.
	Group
)

// Scheme certifies with keyed hashes instead of a curve: it is cheap, and the same in every run. A
// vote is an element of Z/128 × Z/2⁵⁶ × Z/2⁶⁴. The first component of a valid vote is 0; other
// values represent points outside the subgroup, and a first byte of 0x80 or more represents bytes
// that are no point. Votes add up by component. The rules for combining votes use no other property
// of a curve.
type Scheme struct {
	kind Kind
	seed uint64
	ids  []wire.PublicKey

	weights verify.Weights
	// Unfit reports whether the valid votes of these signers combine to an invalid certificate, as
	// with keys that do not fit each other; nil for never.
	Unfit func(signers wire.Signers) bool
}

// New returns the scheme of a validator set. The keys follow from seed.
func New(kind Kind, ids []wire.PublicKey, seed uint64) *Scheme {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, wire.PublicKey.Compare)
	return &Scheme{kind: kind, seed: seed, ids: ids, weights: verify.EqualWeights(len(ids))}
}

// NewWeighted is New with weights, by participant.
func NewWeighted(kind Kind, ids []wire.PublicKey, seed uint64, weights verify.Weights) *Scheme {
	s := New(kind, ids, seed)
	s.weights = weights
	return s
}

// Same reports whether two schemes have the same validators and keys.
func (s *Scheme) Same(o *Scheme) bool {
	same := s.kind == o.kind && s.seed == o.seed && slices.Equal(s.ids, o.ids)
	for i := range len(s.ids) {
		same = same && s.weights.Of(wire.Participant(i)) == o.weights.Of(wire.Participant(i))
	}
	return same
}

// Element is a decoded vote, or a sum of votes.
type Element struct {
	Torsion uint8 // below 128
	Z       uint64
	Y       uint64
}

const zMask = 1<<56 - 1

// Plus returns e + λ·o.
func (e Element) Plus(o Element, λ uint64) Element {
	return Element{(e.Torsion + o.Torsion*uint8(λ)) & 0x7F, (e.Z + o.Z*λ) & zMask, e.Y + o.Y*λ}
}

// ParseVote decodes VoteSize bytes. It returns false if they are no element.
func ParseVote(b []byte) (Element, bool) {
	if len(b) != VoteSize || b[0] >= 0x80 {
		return Element{}, false
	}
	return Element{b[0], binary.BigEndian.Uint64(b) & zMask, binary.BigEndian.Uint64(b[8:])}, true
}

// AppendTo appends the encoding.
func (e Element) AppendTo(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.Torsion)<<56|e.Z)
	return binary.BigEndian.AppendUint64(dst, e.Y)
}

// digest is the hash of a subject. It determines, with the validator, the vote.
type digest struct{ a, b uint64 }

func (s *Scheme) digest(subject *wire.Subject) digest {
	var buf [128]byte
	m := binary.BigEndian.AppendUint64(append(buf[:0], byte(s.kind)), s.seed)
	h := sha256.Sum256(subject.AppendTo(m))
	return digest{binary.BigEndian.Uint64(h[:]), binary.BigEndian.Uint64(h[8:])}
}

func (d digest) vote(who uint64) Element {
	mix := func(x uint64) uint64 { // the finalizer of splitmix64
		x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
		x = (x ^ x>>27) * 0x94D049BB133111EB
		return x ^ x>>31
	}
	x := mix(d.a + (who+1)*0x9E3779B97F4A7C15)
	return Element{0, x & zMask, mix(d.b ^ bits.RotateLeft64(x, 17))}
}

const groupKey = 1 << 40 // not the number of a validator

// Sign returns the vote of participant i.
func (s *Scheme) Sign(i wire.Participant, subject wire.Subject) []byte {
	return s.digest(&subject).vote(uint64(i)).AppendTo(make([]byte, 0, VoteSize))
}

// Format implements [verify.Scheme].
func (s *Scheme) Format() wire.Format {
	kind := [...]wire.CertificateKind{wire.SignersAndList, wire.SignersAndAggregate, wire.SingleSignature}[s.kind]
	return wire.Format{Kind: kind, Participants: len(s.ids), Signature: VoteSize, AckSignature: VoteSize}
}

// Participants implements [verify.Scheme].
func (s *Scheme) Participants() []wire.PublicKey { return s.ids }

// Index implements [verify.Scheme].
func (s *Scheme) Index(id wire.PublicKey) (wire.Participant, bool) {
	i, ok := slices.BinarySearchFunc(s.ids, id, wire.PublicKey.Compare)
	return wire.Participant(i), ok
}

// Weights implements [verify.Scheme].
func (s *Scheme) Weights() verify.Weights { return s.weights }

// certifies reports whether signers are a quorum, by the definition of docs/protocol.md 1.
func certifies(w verify.Weights, signers wire.Signers) bool {
	var signed, all uint64
	for i := range w.Len() {
		weight := w.Of(wire.Participant(i))
		all += weight
		if signers.Has(wire.Participant(i)) {
			signed += weight
		}
	}
	return signed >= all-(all-1)/3
}

// Attributable implements [verify.Scheme].
func (s *Scheme) Attributable() bool { return s.kind != Group }

// Group implements [verify.Scheme].
func (s *Scheme) Group() any { return s }

type combination struct {
	certificate []byte
	valid       bool
}

// AppendCertificate implements [verify.Combination].
func (c *combination) AppendCertificate(dst []byte) []byte { return append(dst, c.certificate...) }

// weight is the weight of participant i if votes are interpolated. It is odd, so that a single
// error never vanishes.
func (s *Scheme) weight(i wire.Participant) uint64 {
	if s.kind == Group {
		return 2*uint64(i) + 1
	}
	return 1
}

// errors returns the weighted sum of the differences between the signers' votes and valid ones, and
// whether any vote differs.
func (s *Scheme) errors(st *verify.Statement, signers wire.Signers) (sum Element, any bool) {
	d := s.digest(&st.Subject)
	for i := range signers.All() {
		vote, _ := ParseVote(st.Vote(i))
		if good := d.vote(uint64(i)); vote != good {
			any = true
			λ := s.weight(i)
			sum = sum.Plus(vote, λ).Plus(good, -λ)
		}
	}
	return sum, any
}

// Combine implements [verify.Scheme].
func (s *Scheme) Combine(st *verify.Statement, signers wire.Signers) (verify.Combination, []wire.Participant) {
	var unreadable []wire.Participant
	for i := range signers.All() {
		if st.Vote(i)[0] >= 0x80 {
			unreadable = append(unreadable, i)
		}
	}
	if unreadable != nil {
		return nil, unreadable
	}
	wrong, any := s.errors(st, signers)
	if s.kind != List && wrong.Torsion != 0 {
		return nil, nil // the combination is outside the subgroup
	}
	valid := wrong == Element{}
	if s.kind == List {
		valid = !any
	}
	return &combination{s.Certificate(st.Subject, signers, st.Vote), valid && (s.Unfit == nil || !s.Unfit(signers))}, nil
}

// Certificate encodes the combination of these signers' votes.
func (s *Scheme) Certificate(subject wire.Subject, signers wire.Signers, vote func(wire.Participant) []byte) []byte {
	if s.kind == List {
		return wire.AppendSignersAndList(nil, signers, vote)
	}
	d := s.digest(&subject)
	var sum Element
	if s.kind == Group {
		sum = d.vote(groupKey)
	}
	for i := range signers.All() {
		v, _ := ParseVote(vote(i))
		λ := s.weight(i)
		sum = sum.Plus(v, λ)
		if s.kind == Group {
			sum = sum.Plus(d.vote(uint64(i)), -λ)
		}
	}
	signature := sum.AppendTo(nil)
	if s.kind == Group {
		return signature
	}
	return wire.AppendSignersAndAggregate(nil, signers, signature)
}

// Open implements [verify.Scheme].
func (s *Scheme) Open(st *verify.Statement) (verify.Combination, error) {
	d := s.digest(&st.Subject)
	if s.kind == Group {
		e, ok := ParseVote(st.Certificate)
		if !ok || e.Torsion != 0 {
			return nil, verify.ErrCertificate
		}
		return &combination{st.Certificate, e == d.vote(groupKey)}, nil
	}
	signers, votes, err := s.Format().SplitCertificate(st.Certificate)
	if err != nil || signers.Len() != len(s.ids) || !certifies(s.weights, signers) {
		return nil, fmt.Errorf("%w: too few signers", verify.ErrCertificate)
	}
	var want []byte
	var sum Element
	for i := range signers.All() {
		if s.kind == List {
			want = d.vote(uint64(i)).AppendTo(want)
		}
		sum = sum.Plus(d.vote(uint64(i)), 1)
	}
	if s.kind == Sum {
		want = sum.AppendTo(nil)
		if votes[0] != 0 {
			return nil, verify.ErrCertificate
		}
	}
	return &combination{st.Certificate, string(votes) == string(want)}, nil
}

// Check implements [verify.Scheme].
func (s *Scheme) Check(cs []verify.Combination) bool {
	for _, c := range cs {
		if !c.(*combination).valid {
			return false
		}
	}
	return true
}

// InvalidVotes implements [verify.Scheme].
func (s *Scheme) InvalidVotes(st *verify.Statement, signers wire.Signers) (invalid []wire.Participant) {
	d := s.digest(&st.Subject)
	for i := range signers.All() {
		if v, ok := ParseVote(st.Vote(i)); !ok || v != d.vote(uint64(i)) {
			invalid = append(invalid, i)
		}
	}
	return invalid
}

// Isolate implements [verify.Scheme]. Sums are split into halves, as with multisig; for the other
// kinds each vote is verified.
func (s *Scheme) Isolate(st *verify.Statement, signers wire.Signers) []wire.Participant {
	if s.kind != Sum {
		return s.InvalidVotes(st, signers)
	}
	return s.split(st, slices.Collect(signers.All()), nil)
}

func (s *Scheme) split(st *verify.Statement, part, invalid []wire.Participant) []wire.Participant {
	some := wire.NewSigners(len(s.ids))
	readable := true
	for _, i := range part {
		some.Add(i)
		readable = readable && st.Vote(i)[0] < 0x80
	}
	wrong, _ := s.errors(st, some)
	switch {
	case readable && wrong == Element{}:
		return invalid
	case len(part) == 1:
		return append(invalid, part[0])
	}
	return s.split(st, part[len(part)/2:], s.split(st, part[:len(part)/2], invalid))
}

// Signer signs acks of one validator.
type Signer struct {
	Scheme *Scheme
	Index  wire.Participant
}

// SignAck implements [verify.AckSigner].
func (s Signer) SignAck(_ context.Context, subject wire.Subject) ([]byte, error) {
	return s.Scheme.Sign(s.Index, subject), nil
}

// SignChunk returns the signature of the chunk's sequencer.
func SignChunk(c wire.Chunk) (sig wire.Signature) {
	var buf [128]byte
	h := sha256.Sum256(c.AppendTo(append(buf[:0], "chunk"...)))
	copy(sig[:], h[:])
	copy(sig[32:], h[:])
	return sig
}

// ChunkValid verifies a signature of SignChunk.
func ChunkValid(p *wire.Proposal) bool { return p.Signature == SignChunk(p.Chunk) }
