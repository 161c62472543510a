package verify

import (
	"context"

	"github.com/lanecast/lanecast/wire"
)

// Scheme is the validator set of one epoch, its keys, and the mathematics of its votes. Lanecast
// comes with [Multisig], [Threshold], [Ed25519] and [Secp256r1]; an embedder may bring another.
//
// A Scheme is immutable and safe for use by many goroutines at once. Workers call Combine and the
// methods below it with bytes from the network: these methods must not panic and must not keep a
// Statement.
//
// A Scheme for which Check of many combinations costs as much as single checks may have a method
// Batchable() bool that returns false, as [Secp256r1] does. Its statements are then verified one by
// one, by all workers that are idle.
type Scheme interface {
	// Format describes the encoding of the scheme's certificates and votes. Format().Participants
	// is n.
	Format() wire.Format
	// Participants returns the identity keys in ascending order, n of them, none of which is of
	// small order: see [HasSmallOrder]. The caller must not change them.
	Participants() []wire.PublicKey
	// Index returns the participant number of an identity.
	Index(identity wire.PublicKey) (wire.Participant, bool)
	// Weights returns the voting power of the participants: [EqualWeights](n) where each counts 1.
	Weights() Weights
	// Attributable reports whether a vote proves its signer to others, so that two conflicting
	// votes are evidence.
	Attributable() bool

	// Group identifies schemes whose combinations can be checked in one call: those with equal (==)
	// groups. The result must be comparable.
	Group() any

	// Combine reads the votes of signers, a subset of s.Signers, and combines them without
	// verifying them. It checks the subgroup and identity of the combination. Combine returns votes
	// that cannot be read (not a point, or not canonical) in unreadable, ascending; these are
	// proven invalid. The combination is then nil, and also if it cannot verify.
	Combine(s *Statement, signers wire.Signers) (c Combination, unreadable []wire.Participant)
	// Open reads the certificate of s. It demands a bitmap over exactly n validators whose set bits
	// weigh at least a quorum, and a signature in the subgroup that is not the identity. It does
	// not verify the signature. The error names the fault and wraps ErrCertificate.
	Open(s *Statement) (Combination, error)
	// Check reports whether all combinations verify, each for its own statement. They come from
	// schemes of one Group. It weights them with fresh random coefficients, so that errors do not
	// cancel; false means that at least one combination is wrong. For no combinations it returns
	// true.
	Check(cs []Combination) bool

	// InvalidVotes verifies the vote of each of signers, a subset of s.Signers, as if alone
	// (subgroup check, random weights), and returns those that are invalid, ascending. Each of the
	// others is proven valid.
	InvalidVotes(s *Statement, signers wire.Signers) (invalid []wire.Participant)
	// Isolate is called for votes whose combination failed. It returns the signers whose votes are
	// proven invalid, each by itself, ascending. The combination of the other votes verifies,
	// although each by itself may not. Isolate costs less than InvalidVotes if the scheme allows
	// that. If it returns none, the caller proves each vote by itself; if all are valid, the keys
	// do not fit each other.
	Isolate(s *Statement, signers wire.Signers) (invalid []wire.Participant)
}

// Combination is a certificate that is not checked yet: combined votes, or a received certificate
// that has been read.
type Combination interface {
	// AppendCertificate appends the encoded certificate to dst.
	AppendCertificate(dst []byte) []byte
}

// Statement is one thing to verify. It is of one of five kinds, depending on the fields that are
// set:
//
//	kind                  fields set                          what is verified
//	chunk signature       Proposal                            the sequencer's signature on a chunk
//	certificate           Scheme, Subject, Certificate        a received certificate
//	node                  Proposal and those of certificate   a chunk and its parent's certificate
//	votes                 Scheme, Subject, Signers, Slab      votes, to be made a certificate of
//	each vote             those of votes, and EachVote        every vote by itself; no certificate
//
// Tag and Unbatched may be set for every kind, Suspects and MayDefer for votes, and Unattributed
// for each vote. Until the verdict, the maker of a Statement must not change it or the bytes that
// it refers to.
type Statement struct {
	// Tag identifies the statement to its maker.
	Tag uint64
	// Unbatched keeps the statement out of batches, so that a wrong one does not delay other
	// statements.
	Unbatched bool

	// Proposal is a chunk signature to verify; nil for none.
	Proposal *wire.Proposal

	// Scheme is the scheme of Subject.Epoch; nil when only Proposal is to be verified.
	Scheme Scheme
	// Subject is the subject of the certificate or the votes.
	Subject wire.Subject

	// Certificate is a received certificate; nil for votes.
	Certificate []byte

	// Signers are the validators whose votes are in Slab, participant i's at [i·a, (i+1)·a) with
	// a = Format().AckSignature. Other places of Slab may be written meanwhile.
	Signers wire.Signers
	Slab    []byte
	// Suspects is a subset of Signers whose votes are proven before they are combined with the
	// other votes. The zero value is the empty set.
	Suspects wire.Signers
	// EachVote means that each vote is proven by itself, and no certificate is made.
	EachVote bool
	// Unattributed, with EachVote, means that the votes did not come from their signers: an invalid
	// vote does not make its signer suspect.
	Unattributed bool
	// MayDefer allows an undecided verdict, see Verdict.Deferred: the maker can wait for more
	// votes.
	MayDefer bool
}

// Vote returns the signature bytes of participant i, a view into Slab.
func (s *Statement) Vote(i wire.Participant) []byte {
	size := s.Scheme.Format().AckSignature
	return s.Slab[int(i)*size : (int(i)+1)*size : (int(i)+1)*size]
}

// Verdict is the result of a Statement. For the kinds of [Statement], and with Err nil:
//
//	kind                  ProposalValid        CertificateValid               also set
//	chunk signature       whether it is valid  true
//	certificate           true                 whether it is valid
//	node                  whether it is valid  whether both are valid
//	votes                 true                 whether Certificate was made   Certificate, Invalid, Deferred
//	each vote             true                 whether all votes are valid    Invalid
type Verdict struct {
	Statement *Statement
	// ProposalValid reports whether the signature of Statement.Proposal is valid. It is true when
	// there is none.
	ProposalValid bool
	// CertificateValid reports whether the Scheme's part of the statement has succeeded: a
	// certificate verified, a certificate was made, or every vote is valid. It is true when there
	// is no Scheme. When ProposalValid is false, the Scheme is not called, and CertificateValid is
	// false if there is a Scheme.
	CertificateValid bool
	// Certificate is the certificate made from votes, valid and in memory of its own. It is nil
	// when too few votes were valid, and for received certificates.
	Certificate []byte
	// Invalid are the participants whose votes are proven invalid, each by itself, ascending.
	Invalid []wire.Participant
	// Deferred is set when the votes are undecided. It lists, ascending, the signers of whom
	// another vote has been proven invalid since the statement was made; without them there is no
	// quorum. Their votes in the statement are neither proven valid nor invalid. It is set only if
	// Statement.MayDefer allows it, and Certificate is nil then.
	Deferred []wire.Participant
	// Err is set when there is no verdict and no validator is at fault. It wraps context.Canceled
	// when verification was shut down, or reports a Scheme that panicked; then the other fields
	// blame no validator. Or it wraps ErrInconsistentKeys: the votes without those in Invalid make
	// a quorum and each is proven valid, but their combination is no valid certificate.
	Err error
}

// AckSigner signs this process's own acks in one epoch. It may be slow, as an HSM is: the engine
// never calls it from its loop. It is called by one goroutine at a time.
type AckSigner interface {
	// SignAck returns the vote for subject in the encoding that acks have on this network,
	// Format().AckSignature bytes. The engine counts an error and tries the ack again later.
	SignAck(ctx context.Context, subject wire.Subject) ([]byte, error)
}

// ChunkSigner signs this process's own chunks, with an Ed25519 key. It may be slow; see
// [AckSigner].
type ChunkSigner interface {
	// PublicKey is the sequencer's identity.
	PublicKey() wire.PublicKey
	// SignChunk returns the signature on chunk, whose sequencer is PublicKey.
	SignChunk(ctx context.Context, chunk wire.Chunk) (wire.Signature, error)
}
