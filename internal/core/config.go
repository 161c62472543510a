package core

import (
	"fmt"
	"math"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Sets tells who the validators and sequencers of an epoch are. The core calls it often: it must answer at once and,
// once it has answered for an epoch, always give the same answer.
type Sets interface {
	// Scheme returns the scheme of an epoch, false while it is not known.
	Scheme(epoch uint64) (verify.Scheme, bool)
	// AckSigner returns what signs this process's acks in an epoch, nil if it signs none.
	AckSigner(epoch uint64) verify.AckSigner
	// Sequencers returns the sequencers of an epoch, false while they are not known. The slice must not change.
	Sequencers(epoch uint64) ([]wire.PublicKey, bool)
}

// Config is what a Core is made of. All durations are on the clock whose readings its events carry.
type Config struct {
	// Identity is this process's own key: its participant number is looked up by it, and messages are not sent to it.
	Identity wire.PublicKey
	// Namespace is the network's. The journal belongs to it and to Identity.
	Namespace []byte
	// Sequencer says that this process signs chunks with the key Identity.
	Sequencer bool
	// Sets is asked for every epoch.
	Sets Sets

	// EpochsBack and EpochsAhead bound the epochs of acks: [now − back, now + ahead]. Both are at most 1024.
	EpochsBack, EpochsAhead uint64
	// HeightBound bounds how far above its lane an ack may be.
	HeightBound uint64
	// MaxVoteBytes caps the memory of acks that wait for their quorum.
	MaxVoteBytes int
	// VotesInFlight is how many statements made of votes may be in verification at once: as many as the workers can take.
	// More wait and gather votes meanwhile. 0 is any number.
	VotesInFlight int
	// RecoverUnsafe lets a process whose journal was lost ack at once what it may have acked before: PROTOCOL.md 5.10.
	RecoverUnsafe bool

	// RebroadcastTimeout is how often an uncertified chunk of ours is sent again.
	RebroadcastTimeout time.Duration
	// AckInterval is how often at most a duplicate node makes us send our ack again, or ask the application again.
	AckInterval time.Duration
	// ProposeBackoff is how long we wait after the application declined to propose.
	ProposeBackoff time.Duration
	// SuspectDelay is how long a chunk waits for acks of others before those of suspects are verified.
	SuspectDelay time.Duration
	// BadNodeInterval is how often at most a node of a sequencer that once sent an invalid one is verified, and how often at
	// most a peer is reported for invalid messages.
	BadNodeInterval time.Duration
}

// ConfigError is a Config that cannot work.
type ConfigError struct {
	Field string // name of the field
	Want  string // the allowed range
	Got   any
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("config: %s must be %s, got %v", e.Field, e.Want, e.Got)
}

// maxVoteBytesFloor leaves room for a few slabs of a large validator set.
const maxVoteBytesFloor = 1 << 20

// maxEpochBound keeps the epochs within bounds few enough to be walked.
const maxEpochBound = 1024

func (c *Config) validate() error {
	if c.Sets == nil {
		return &ConfigError{"Sets", "set", nil}
	}
	if c.EpochsBack > maxEpochBound {
		return &ConfigError{"EpochsBack", fmt.Sprintf("at most %d", maxEpochBound), c.EpochsBack}
	}
	if c.EpochsAhead > maxEpochBound {
		return &ConfigError{"EpochsAhead", fmt.Sprintf("at most %d", maxEpochBound), c.EpochsAhead}
	}
	if c.HeightBound > math.MaxInt32 {
		return &ConfigError{"HeightBound", "at most 2^31-1", c.HeightBound}
	}
	if c.MaxVoteBytes < maxVoteBytesFloor {
		return &ConfigError{"MaxVoteBytes", fmt.Sprintf("at least %d", maxVoteBytesFloor), c.MaxVoteBytes}
	}
	if c.VotesInFlight < 0 {
		return &ConfigError{"VotesInFlight", "at least 0", c.VotesInFlight}
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"RebroadcastTimeout", c.RebroadcastTimeout},
		{"AckInterval", c.AckInterval},
		{"ProposeBackoff", c.ProposeBackoff},
		{"SuspectDelay", c.SuspectDelay},
		{"BadNodeInterval", c.BadNodeInterval},
	} {
		if d.value <= 0 {
			return &ConfigError{d.field, "above 0", d.value}
		}
	}
	return nil
}
