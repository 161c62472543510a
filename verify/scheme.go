package verify

import (
	"context"

	"github.com/lanecast/lanecast/wire"
)

// Scheme is the validator set of one epoch, its keys, and the mathematics of its votes. Lanecast
// comes with [Multisig], [Threshold], [Ed25519] and [Secp256r1]; an embedder may bring another.
//
// A Scheme is immutable and safe for use by many goroutines at once. Workers call its methods from
// Combine on, with bytes from the network: these must not panic and must not keep a Statement.
//
// A Scheme for which Check of many combinations costs no less than checking each by itself may say
// so by a method Batchable() bool that returns false, as [Secp256r1] does. Its statements are then
// verified one by one, by all workers that are idle.
type Scheme interface {
	// Format describes the encoding of the scheme's certificates and votes. Format().Participants
	// is n.
	Format() wire.Format
	// Participants returns the identity keys in ascending order, n of them, none of which is of small
	// order: see [HasSmallOrder]. The caller must not change them.
	Participants() []wire.PublicKey
	// Index returns the participant number of an identity.
	Index(identity wire.PublicKey) (wire.Participant, bool)
	// Weights returns the voting power of the participants: [EqualWeights](n) where each counts 1.
	Weights() Weights
	// Attributable reports whether a vote proves to others who made it, so that two conflicting
	// ones are evidence.
	Attributable() bool

	// Group names the schemes whose combinations can be checked in one call: those with equal (==)
	// groups. It must be comparable.
	Group() any

	// Combine reads the votes of signers, a subset of s.Signers, and combines them without
	// verifying them. It checks the subgroup and identity of the combination. Votes that cannot be
	// read (not a point, or not canonical) are returned in unreadable, ascending, and are proven
	// invalid by that. The combination is then nil, and also when it is no element that could
	// verify.
	Combine(s *Statement, signers wire.Signers) (c Combination, unreadable []wire.Participant)
	// Open reads the certificate of s. It demands a bitmap over exactly n validators, of whom
	// those set weigh at least a quorum, and a signature in the subgroup that is not the identity. It does not
	// verify the signature. The error says what was wrong and wraps ErrCertificate.
	Open(s *Statement) (Combination, error)
	// Check reports whether all combinations verify, each for its own statement. They come from
	// schemes of one Group. It weights them with fresh random coefficients, so that no two errors
	// cancel; false means that at least one is wrong. Check of none is true.
	Check(cs []Combination) bool

	// InvalidVotes verifies the vote of each of signers, a subset of s.Signers, as if alone
	// (subgroup check, random weights), and returns those that are invalid, ascending. The others
	// are each proven valid.
	InvalidVotes(s *Statement, signers wire.Signers) (invalid []wire.Participant)
	// Isolate is called for votes whose combination failed. It returns those of signers that are
	// proven invalid, each by itself, ascending. The others combine to what verifies, though maybe
	// only together, as one whole. It costs less than InvalidVotes where the scheme allows that.
	// After an empty answer the votes are proven each by itself, and if all are valid the keys do
	// not fit each other.
	Isolate(s *Statement, signers wire.Signers) (invalid []wire.Participant)
}

// Combination is a certificate that is not checked yet: votes combined, or a received certificate
// that has been read.
type Combination interface {
	// AppendCertificate appends the encoded certificate to dst.
	AppendCertificate(dst []byte) []byte
}

// Statement is one thing to verify. Which of its fields are set makes it one of five kinds:
//
//	kind                  fields set                          what is verified
//	chunk signature       Proposal                            the sequencer's signature on a chunk
//	certificate           Scheme, Subject, Certificate        a received certificate
//	node                  Proposal and those of certificate   a chunk and its parent's certificate
//	votes                 Scheme, Subject, Signers, Slab      votes, to be made a certificate of
//	each vote             those of votes, and EachVote        every vote by itself; no certificate
//
// Tag and Unbatched may be set for every kind, Suspects and MayDefer for votes, and Unattributed
// for each vote. The maker of a Statement changes neither it, nor the bytes that it refers to,
// until the verdict is back.
type Statement struct {
	// Tag identifies the statement to its maker.
	Tag uint64
	// Unbatched keeps the statement out of batches, so that a wrong one costs no other statement
	// anything.
	Unbatched bool

	// Proposal is a chunk signature to verify; nil for none.
	Proposal *wire.Proposal

	// Scheme is the scheme of Subject.Epoch; nil when only Proposal is to be verified.
	Scheme Scheme
	// Subject is what the certificate or the votes are about.
	Subject wire.Subject

	// Certificate is a received certificate; nil for votes.
	Certificate []byte

	// Signers are the validators whose votes are in Slab, participant i's at [i·a, (i+1)·a) with
	// a = Format().AckSignature. Other places of Slab may be written meanwhile.
	Signers wire.Signers
	Slab    []byte
	// Suspects, a subset of Signers, have their votes proven before they are combined with the
	// others'. The zero value is none.
	Suspects wire.Signers
	// EachVote asks for each vote to be proven by itself, and for no certificate.
	EachVote bool
	// Unattributed, with EachVote, says that others than their signers have shown the votes: an
	// invalid one makes no suspect of its signer.
	Unattributed bool
	// MayDefer allows votes to come back undecided, see Verdict.Deferred: their maker can wait for
	// other votes.
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
	// CertificateValid reports whether what the statement asks of its Scheme has succeeded: to
	// verify a certificate, to make one, or to find every vote valid. It is true when there is no
	// Scheme. When ProposalValid is false, the Scheme is not asked and CertificateValid is false
	// with a Scheme.
	CertificateValid bool
	// Certificate is the certificate made of votes, valid and in memory of its own. It is nil when
	// too few votes were valid, and for received certificates.
	Certificate []byte
	// Invalid are the participants whose votes are proven invalid, each by itself, ascending.
	Invalid []wire.Participant
	// Deferred is set, ascending, when votes came back undecided: these of their signers have been
	// proven to vote invalidly on something else since the statement was made, and without them it
	// has no quorum. Of their votes in the statement nothing is known. Only where
	// Statement.MayDefer allows it, and with Certificate nil.
	Deferred []wire.Participant
	// Err is set when no verdict could be reached through no fault of any validator: it wraps
	// context.Canceled when verification was shut down, or reports a Scheme that panicked, and the
	// other fields then blame nobody. Or it wraps ErrInconsistentKeys: the votes without those in
	// Invalid make a quorum, each is proven valid, and they combine to no valid certificate.
	Err error
}

// AckSigner signs this process's own acks in one epoch. It may be slow, as an HSM is: the engine
// never calls it from its loop. It is called by one goroutine at a time.
type AckSigner interface {
	// SignAck returns the vote for subject in the encoding that acks have on this network,
	// Format().AckSignature bytes. An error is counted and the ack tried again later.
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
