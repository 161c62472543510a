package core

import (
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Sets tells who the validators and sequencers of an epoch are. The core calls it often: it must
// answer at once and, once it has answered for an epoch, always give the same answer.
type Sets interface {
	// Scheme returns the scheme of an epoch, false while it is not known.
	Scheme(epoch uint64) (verify.Scheme, bool)
	// AckSigner returns what signs this process's acks in an epoch, nil if it signs none.
	AckSigner(epoch uint64) verify.AckSigner
	// Sequencers returns the sequencers of an epoch, false while they are not known. The slice must
	// not change.
	Sequencers(epoch uint64) ([]wire.PublicKey, bool)
}

// Config holds what a Core is made of. It is trusted: the engine validates it. All durations are
// above 0, on the clock whose readings the core's events carry.
type Config struct {
	// Identity is this process's own key: its participant number is looked up by it, and messages
	// are not sent to it.
	Identity wire.PublicKey
	// Namespace is the network's. The journal belongs to it and to Identity.
	Namespace []byte
	// Sequencer says that this process signs chunks with the key Identity.
	Sequencer bool
	// Sets is asked for every epoch.
	Sets Sets

	// AcksToSequencer says that acks go to the sequencer of their chunk only, and that those of
	// other lanes are dropped unread; else they go to all. docs/protocol.md 4.5.
	AcksToSequencer bool
	// SendCertificates says that certificates of our own lane are sent. It is set where
	// AcksToSequencer is.
	SendCertificates bool

	// EpochsBack and EpochsAhead bound the epochs of acks: [now − back, now + ahead]. Both are at
	// most 1024.
	EpochsBack, EpochsAhead uint64
	// HeightBound bounds how far above its lane an ack may be.
	HeightBound uint64
	// MaxVoteBytes caps the memory of acks that wait for their quorum.
	MaxVoteBytes int
	// VotesInFlight is how many statements made of votes may be in verification at once: as many as
	// the workers can take. More wait and gather votes meanwhile. 0 is any number.
	VotesInFlight int
	// RecoverUnsafe lets a process whose journal was lost ack at once what it may have acked
	// before: docs/protocol.md 5.10.
	RecoverUnsafe bool

	// RebroadcastTimeout is how often an uncertified chunk of ours is sent again and, where
	// certificates are sent, an ack of ours.
	RebroadcastTimeout time.Duration
	// AckInterval is how often at most a duplicate node makes us send our ack again, or ask the
	// application again; and a peer's ack or its connection has us send what it lacks.
	AckInterval time.Duration
	// ProposeBackoff is how long we wait after the application declined to propose.
	ProposeBackoff time.Duration
	// SuspectDelay is how long a chunk waits for acks of others before those of suspects are
	// verified.
	SuspectDelay time.Duration
	// BadNodeInterval is how often at most a node of a sequencer that once sent an invalid one is
	// verified, and how often at most a peer is reported for invalid messages.
	BadNodeInterval time.Duration
}
