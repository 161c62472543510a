package core

import (
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Sets provides the validators and sequencers of an epoch. The core calls it often: it must answer
// at once and, once it has answered for an epoch, always give the same answer.
type Sets interface {
	// Scheme returns the scheme of an epoch, and false while it is not known.
	Scheme(epoch uint64) (verify.Scheme, bool)
	// AckSigner returns the signer of this process's acks in an epoch, nil if it signs none.
	AckSigner(epoch uint64) verify.AckSigner
	// Sequencers returns the sequencers of an epoch, and false while they are not known. The slice
	// must not change.
	Sequencers(epoch uint64) ([]wire.PublicKey, bool)
}

// Config configures a Core. It is trusted: the engine validates it. All durations are above 0, and
// refer to the clock of the core's events.
type Config struct {
	// Identity is this process's own key: its participant number is looked up by it, and messages
	// are not sent to it.
	Identity wire.PublicKey
	// Namespace is the network's namespace. The journal belongs to it and to Identity.
	Namespace []byte
	// Sequencer means that this process signs chunks with the key Identity.
	Sequencer bool
	// Sets provides the sets of every epoch.
	Sets Sets

	// AcksToSequencer means that acks go only to the sequencer of their chunk, and that acks of
	// other lanes are dropped unread. Otherwise acks go to all validators. docs/protocol.md 4.5.
	AcksToSequencer bool
	// SendCertificates means that certificates of our own lane are sent. It is true where
	// AcksToSequencer is.
	SendCertificates bool

	// EpochsBack and EpochsAhead bound the epochs of acks: [now − back, now + ahead]. Both are at
	// most 1024.
	EpochsBack, EpochsAhead uint64
	// HeightBound is the largest distance of an ack above the top of its lane.
	HeightBound uint64
	// MaxVoteBytes bounds the memory of acks that wait for their quorum.
	MaxVoteBytes int
	// VotesInFlight is the highest number of statements made of votes in verification at once: as
	// many as the workers can take. Further ones wait and gather votes meanwhile. 0 means no limit.
	VotesInFlight int
	// RecoverUnsafe allows a process whose journal was lost to ack at once at heights that it may
	// have acked before: docs/protocol.md 5.10.
	RecoverUnsafe bool

	// RebroadcastTimeout is the interval at which an uncertified chunk of ours is sent again and,
	// where certificates are sent, an ack of ours.
	RebroadcastTimeout time.Duration
	// AckInterval is the least time between two reactions to a duplicate node (our ack is sent
	// again, or the application asked again), and between two messages to a peer that lacks
	// something, as its ack or its connection shows.
	AckInterval time.Duration
	// ProposeBackoff is the pause after the application declined to propose.
	ProposeBackoff time.Duration
	// SuspectDelay is the time that a chunk waits for acks of others before those of suspects are
	// verified.
	SuspectDelay time.Duration
	// BadNodeInterval is the least time between two verifications of nodes of a sequencer that once
	// sent an invalid one, and between two reports of a peer for invalid messages.
	BadNodeInterval time.Duration
}
