package engine

import (
	"log/slog"
	"math"
	"time"

	"github.com/panjf2000/ants/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// ExplicitZero stands for 0 in the fields of [Config] whose zero value means a default that is not
// 0: EpochsBack, EpochsAhead, HeightBound and MaxValidatorSeries.
const ExplicitZero uint64 = math.MaxUint64

// Config configures an engine. A zero field takes the default in its comment. A field out of range,
// or a missing collaborator, makes New return a [*ConfigError] that names it.
type Config struct {
	// Namespace is the network's namespace, for chunk signatures; required. Schemes contain it too,
	// for acks: it must be the same there. The schemes of package verify have a method
	// InNamespace([]byte) bool. An epoch whose scheme has that method and returns false counts as
	// unknown, which is logged.
	Namespace []byte
	// Identity is our own key. This process is a validator in the epochs whose scheme has it among
	// the participants and for which Schemes has an AckSigner. An engine that only follows leaves
	// it zero.
	Identity wire.PublicKey
	// Sequencer signs our own chunks; its PublicKey is Identity. nil: this process proposes
	// nothing.
	Sequencer verify.ChunkSigner

	Schemes    SchemeProvider    // required
	Sequencers SequencerProvider // required
	Monitor    Monitor           // required
	Automaton  Automaton         // required
	Relay      Relay             // required with Sequencer
	Reporter   Reporter          // required
	Sender     Sender            // required

	// Journal configures the journal, which keeps the state on disk. Journal.Dir is required.
	Journal JournalConfig

	// Adopt holds locks of other processes, at least the highest of each lane, for a process that
	// joins before its first epoch begins, or whose journal was lost (Journal.Recover). Run
	// verifies them before it takes any message. A lock that does not verify, or is of an unknown
	// epoch, makes Run return the error. See [Engine.Adopt].
	Adopt []wire.Lock
	// RecoverUnsafe lets a process whose journal was lost ack at once again. Without it, it
	// abstains on each lane for up to two heights above the lock that it adopted, and refuses to
	// recover in a validator set that cannot do without it meanwhile. With it, the process may ack
	// a second payload at these heights.
	RecoverUnsafe bool

	// Acks selects the recipients of acks, and thereby which acks are taken. Default AcksToAll. All
	// processes of a network should have the same value; a network in which all sequencers send
	// certificates can change it process by process.
	Acks Acks
	// SendCertificates makes the engine send certificates of our own lane to the validators as soon
	// as they are assembled, and send our acks again while there is no certificate for their chunk.
	// Leave it off beside upstream, whose processes do not know the message. With AcksToSequencer
	// it is always on.
	SendCertificates bool

	// EpochsBack and EpochsAhead bound the epochs of acks that are taken: [now − back, now +
	// ahead]. Default 1 each; ExplicitZero for 0; at most 1024.
	EpochsBack, EpochsAhead uint64
	// HeightBound is the largest distance of an ack above the top of its lane. Default 16;
	// ExplicitZero for 0; at most 1048576.
	HeightBound uint64

	// Workers is the number of goroutines that verify signatures. Default: GOMAXPROCS − 1, at least
	// 1. At most 1024.
	Workers int
	// BatchSize is the highest number of statements verified together. Default 64, at most 65536.
	BatchSize int
	// BatchDelay is the time that a batch smaller than BatchSize waits for more statements, at most
	// a second. Default 0: an idle worker takes the statements that there are.
	BatchDelay time.Duration
	// Pool is the worker pool for verification; nil: the engine makes one of its own. One pool may
	// serve several engines if its size is at least the sum of their Workers: the log warns while
	// the pool has no goroutine for this engine. It should be made with ants.WithNonblocking, and
	// must outlive Run, which returns [ErrPool] if the pool is released before.
	Pool *ants.Pool

	// RebroadcastTimeout is the interval at which an uncertified chunk of ours is sent again and,
	// where certificates are sent, an ack of ours without a certificate. Default 5 s.
	RebroadcastTimeout time.Duration
	// AckInterval is the least time between two answers to a repeated node: sending our ack again,
	// or asking the application again. A repetition within that time gets no answer, so AckInterval
	// is at most RebroadcastTimeout, and should be well below the RebroadcastTimeout of every
	// sequencer of the network. Default 200 ms, or half of RebroadcastTimeout if that is less.
	AckInterval time.Duration
	// ProposeBackoff is the pause after the application declined to propose. Default 100 ms.
	ProposeBackoff time.Duration
	// SignTimeout is the time that a signer may take for one signature. Then the context of the
	// call ends, and the signer is asked again. Default 10 s.
	SignTimeout time.Duration
	// SuspectDelay is the time that a chunk waits for acks of other validators before the acks of
	// suspects are verified too. A suspect is a validator that once sent an invalid ack. Default
	// 250 ms.
	SuspectDelay time.Duration
	// BadNodeInterval is the least time between two verifications of nodes of a sequencer that once
	// sent an invalid one, and between two reports of a peer for invalid messages. Default 1 s.
	BadNodeInterval time.Duration
	// DrainTimeout is the time for which a stopping engine goes on handing over reports that wait.
	// Default 1 s. All durations are at most 24 hours.
	DrainTimeout time.Duration

	// The next four limits must fit the sets. When the sets of an epoch become known, each limit
	// that was set is compared with the sets' needs. If it is too small, the log names the field
	// and the value; see also the metric limit_needed_ratio. Where the field is zero, the engine
	// raises the limit to the sets' needs, up to the bound given, and does not lower it again.

	// PeerQuota is the number of messages of one peer that may wait. Nodes and certificates that
	// wait may have at most 1 MiB together, or four times MaxMessage if that is more. Default 1024,
	// or less where MaxPeers is zero and became more than 128, but 128 at least; at most 1048576.
	PeerQuota int
	// MaxPeers is the highest number of Peer handles at once: each other validator and sequencer
	// needs one. Default 128; if Schemes is a [StaticEpochs] or an [Epochs], 64 more than the
	// number of identities that its sets name when New is called, if that is more; at most 65536.
	// MaxPeers·PeerQuota messages can wait in all, at most 2^26. Memory for their places is
	// reserved at the start: 88 bytes each (on 64-bit systems), with their number rounded up to a
	// power of two.
	MaxPeers int
	// MaxMessage is the length of the longest message taken, in bytes. It must hold a node with the
	// largest certificate of any epoch. Acks are taken up to 512 bytes, or up to the length of the
	// sets' acks. From 512 to 16 MiB; default 65536, and up to 16 MiB if the sets need it. Of older
	// sets the engine knows only those that [Engine.EpochsNeeded] names when Run begins: set this
	// field for a process that joins while lanes stand on certificates of sets larger than the
	// current ones.
	MaxMessage int
	// MaxVoteBytes caps the memory of acks that wait for their quorum. Each lane needs two slots,
	// for its next two heights; a slot takes 512+n·(S+3) bytes, with n validators and S bytes per
	// signature of an ack. Other acks, for higher chunks and other epochs, can take half of the
	// memory, so that 4·(512+n·(S+3)) bytes per lane are enough whatever peers send; with
	// AcksToSequencer there is one lane, our own. Acks without room are dropped and counted. At
	// least 1 MiB; default 64 MiB, and up to 1 GiB if the sets need it.
	MaxVoteBytes int
	// MaxPendingReports is the number of reports waiting for the Reporter at which the engine stops
	// taking messages. Default 1024; at most 2^24.
	MaxPendingReports int
	// MaxVolatileBytes is the number of bytes not yet durable at which the engine stops taking
	// messages. Default 16 MiB; at least 64 KiB.
	MaxVolatileBytes int64
	// MaxOutbox is the number of messages that may wait for the Sender; more are dropped, newest
	// first. Default 4096, at most 2^24.
	MaxOutbox int

	// MaxValidatorSeries is the number of validators in the metric validator_acks_total, which has
	// two series for each: this validator, and the others with the lowest numbers. Default 128;
	// ExplicitZero for none; at most 65536.
	MaxValidatorSeries uint64
	// Metrics is the registry of the metrics, from New until Run or Close returns. nil: none.
	// Engines that share a registry need a label to tell them apart: see
	// prometheus.WrapRegistererWith.
	Metrics prometheus.Registerer
	// Logger gets messages for an operator. nil: nothing is logged.
	Logger *slog.Logger
}
