package sim

import (
	"io"
	"time"
)

// Scheme names a signature scheme.
type Scheme string

// The keyed ones are cheap stand-ins (package model); the others are those of package verify.
const (
	KeyedList       Scheme = "keyed-list"
	KeyedSum        Scheme = "keyed-sum"
	KeyedGroup      Scheme = "keyed-group"
	MultisigMinSig  Scheme = "multisig-minsig"
	MultisigMinPk   Scheme = "multisig-minpk"
	ThresholdMinSig Scheme = "threshold-minsig"
	ThresholdMinPk  Scheme = "threshold-minpk"
	Ed25519         Scheme = "ed25519"
	Secp256r1       Scheme = "secp256r1"
)

// KeyedSchemes and RealSchemes are all schemes.
var (
	KeyedSchemes = []Scheme{KeyedSum, KeyedGroup, KeyedList}
	RealSchemes  = []Scheme{MultisigMinSig, MultisigMinPk, ThresholdMinSig, ThresholdMinPk, Ed25519, Secp256r1}
)

// Config determines a run.
type Config struct {
	Seed uint64
	// Scheme is KeyedSum if empty.
	Scheme Scheme
	// Processes is the number of processes. The first Validators of them (0: all) are the
	// validators of every epoch that a scenario does not define itself.
	Processes, Validators int
	// Sequencers is the number of sequencers, which are the last processes; 0: all. Hostile
	// processes other than strangers are always sequencers.
	Sequencers int
	// Byzantine is the number of hostile processes, which are the first ones.
	Byzantine int
	// Strangers is the number of hostile processes that are neither validators nor sequencers,
	// which are the first of them.
	Strangers int
	// Attacks are the attacks of hostile processes; all attacks if empty.
	Attacks []Attack
	// AttackPause is the longest time between two attacks of a hostile peer; 4 ms if 0.
	AttackPause time.Duration

	Acks    Acks
	Weights Weights
	// Connections makes the network inform processes of their connections after a restart or a
	// partition.
	Connections bool

	Link   Link
	Pace   Pace
	Faults Faults

	// Batch gives each process a verifier of package verify/batch, which decides all statements
	// that wait together. Otherwise the model decides them one by one, and returns votes undecided
	// in Defer percent of the cases where it may.
	Batch bool
	Defer int
	// Journal gives each process a journal of package journal, on a file system in memory that
	// crashes. The seed does not determine the time of a crash: the history differs from run to
	// run.
	Journal bool
	// VotesInFlight is the number of statements of votes that a process may have in verification at
	// once; 0: no limit.
	VotesInFlight int

	// Rebroadcast is the cores' RebroadcastTimeout; if 0, four times the longest delay of a
	// message.
	Rebroadcast time.Duration
	// AckInterval is the cores' AckInterval; a third of Rebroadcast if 0.
	AckInterval time.Duration
	// HeightBound is the cores' HeightBound; 8 if 0.
	HeightBound uint64
	// Bounds are the numbers of epochs before and after the current one that are within bounds; one
	// each if nil.
	Bounds *EpochBounds
	// Leap is the largest number of epochs that a fault run skips when the epoch changes.
	Leap int
	// MaxPending is the number of reports waiting for the reporter, or of records waiting for the
	// disk, at which a process stops taking in messages; 48 if 0.
	MaxPending int

	// Digest makes the run compute a digest of the history; Trace, if set, gets the history as
	// text.
	Digest bool
	Trace  io.Writer
}

// Link is the delay of messages: each takes Latency ± Jitter, and may overtake others. If Normal is
// set, delays are as in upstream's simulated network: normally distributed with Jitter as standard
// deviation, in whole milliseconds and at least 0, and messages from one process to another arrive
// in order.
type Link struct {
	Latency, Jitter time.Duration
	Normal          bool
}

// EpochBounds are the cores' EpochsBack and EpochsAhead.
type EpochBounds struct{ Back, Ahead uint64 }

// Pace holds the maximum durations of operations. Each operation takes a random time below its
// limit.
type Pace struct{ Verify, Sign, Sync, Application, Report time.Duration }

// firstEpoch is the epoch in which networks start; lastEpoch is the last one that is defined.
const (
	firstEpoch = 5
	lastEpoch  = 24
)

func (c *Config) fill() {
	if c.Scheme == "" {
		c.Scheme = KeyedSum
	}
	if c.Validators == 0 {
		c.Validators = c.Processes
	}
	if c.Sequencers == 0 {
		c.Sequencers = c.Processes
	}
	if c.Link.Latency == 0 {
		c.Link = Link{Latency: 10 * time.Millisecond, Jitter: 5 * time.Millisecond}
	}
	if c.Pace == (Pace{}) {
		c.Pace = Pace{3 * time.Millisecond, 3 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond, time.Millisecond}
	}
	if c.Bounds == nil {
		c.Bounds = &EpochBounds{1, 1}
	}
	if c.MaxPending == 0 {
		c.MaxPending = 48
	}
	if c.Rebroadcast == 0 {
		c.Rebroadcast = 4 * (c.Link.Latency + c.Link.Jitter)
	}
	if c.AckInterval == 0 {
		c.AckInterval = c.Rebroadcast / 3
	}
	if c.HeightBound == 0 {
		c.HeightBound = 8
	}
	if c.AttackPause == 0 {
		c.AttackPause = 4 * time.Millisecond
	}
}
