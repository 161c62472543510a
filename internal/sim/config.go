package sim

import (
	"io"
	"time"
)

// Scheme names how validators certify.
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
)

// KeyedSchemes and RealSchemes are all of them.
var (
	KeyedSchemes = []Scheme{KeyedSum, KeyedGroup, KeyedList}
	RealSchemes  = []Scheme{MultisigMinSig, MultisigMinPk, ThresholdMinSig, ThresholdMinPk, Ed25519}
)

// Config are all that a run follows from.
type Config struct {
	Seed uint64
	// Scheme is KeyedSum if empty.
	Scheme Scheme
	// Processes is how many there are. The first Validators of them, all if 0, are the validators of every epoch that a
	// scenario does not define otherwise.
	Processes, Validators int
	// Sequencers is how many of the processes, from the last down, are sequencers; all if 0. The byzantine ones always
	// are.
	Sequencers int
	// Byzantine is how many processes are hostile: the first ones.
	Byzantine int
	// Attacks are what the hostile ones do; all there are if empty.
	Attacks []Attack
	// AttackPause is how long a hostile peer waits at most between two attacks; 4 ms if 0.
	AttackPause time.Duration

	Link   Link
	Pace   Pace
	Faults Faults

	// Batch has each process's statements decided by a verifier of package verify/batch of its own, as many at once as
	// wait. Else the model judges them one by one, and gives votes back undecided where it may in Defer percent.
	Batch bool
	Defer int
	// Journal has package journal below each process, on a file system in memory that crashes. The seed does not tell
	// when: the history is another each time.
	Journal bool
	// VotesInFlight is how many statements of votes a process has verified at once; any number if 0.
	VotesInFlight int

	// Rebroadcast is the cores' RebroadcastTimeout; if 0, four times the longest way of a message.
	Rebroadcast time.Duration
	// Bounds are how many epochs before and after the current one are within bounds; one each if nil.
	Bounds *EpochBounds
	// Leap is how many epochs a storm passes over at most when one changes.
	Leap int
	// MaxPending is how many reports may wait for the reporter, and how many records for the disk, until a process takes
	// in no messages; 48 if 0.
	MaxPending int

	// Digest has the history digested; Trace, if set, gets it as text.
	Digest bool
	Trace  io.Writer
}

// Link is how messages travel: each takes Latency ± Jitter.
type Link struct{ Latency, Jitter time.Duration }

// EpochBounds are the cores' EpochsBack and EpochsAhead.
type EpochBounds struct{ Back, Ahead uint64 }

// Pace is how long things take at most. Each takes a random time below it.
type Pace struct{ Verify, Sign, Sync, Application, Report time.Duration }

// firstEpoch is the epoch in which networks start, and lastEpoch the last one that there is.
const (
	firstEpoch = 5
	lastEpoch  = 24
)

func (s *Config) fill() {
	if s.Scheme == "" {
		s.Scheme = KeyedSum
	}
	if s.Validators == 0 {
		s.Validators = s.Processes
	}
	if s.Sequencers == 0 {
		s.Sequencers = s.Processes
	}
	if s.Link.Latency == 0 {
		s.Link = Link{10 * time.Millisecond, 5 * time.Millisecond}
	}
	if s.Pace == (Pace{}) {
		s.Pace = Pace{3 * time.Millisecond, 3 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond, time.Millisecond}
	}
	if s.Bounds == nil {
		s.Bounds = &EpochBounds{1, 1}
	}
	if s.MaxPending == 0 {
		s.MaxPending = 48
	}
	if s.Rebroadcast == 0 {
		s.Rebroadcast = 4 * (s.Link.Latency + s.Link.Jitter)
	}
	if s.AttackPause == 0 {
		s.AttackPause = 4 * time.Millisecond
	}
}
