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

// Config holds all that an engine is made of. A zero field takes the default that its comment
// names. A field that is out of range, or a collaborator that is missing, makes New return a
// [*ConfigError] that names it.
type Config struct {
	// Namespace is the network's namespace, for chunk signatures; required. Schemes carry it too,
	// for acks: it must be the same there. An epoch whose scheme has a method InNamespace([]byte) bool,
	// as those of package verify have, and says that it is of another, counts as unknown; the log says
	// so.
	Namespace []byte
	// Identity is our own key. We are a validator in the epochs whose scheme has it among the
	// participants and for which Schemes has an AckSigner. An engine that only follows leaves it
	// zero.
	Identity wire.PublicKey
	// Sequencer signs our own chunks; its PublicKey is Identity. nil: we propose nothing.
	Sequencer verify.ChunkSigner

	Schemes    SchemeProvider    // required
	Sequencers SequencerProvider // required
	Monitor    Monitor           // required
	Automaton  Automaton         // required
	Relay      Relay             // required with Sequencer
	Reporter   Reporter          // required
	Sender     Sender            // required

	// Journal says where and how state is kept. Journal.Dir is required.
	Journal JournalConfig

	// Adopt holds locks that others know, at least the highest of each lane, for a process that
	// joins before its first epoch begins, or whose journal was lost (Journal.Recover). Run
	// verifies them before it takes in any message; one that does not verify, or is of an unknown
	// epoch, makes it return the error. See [Engine.Adopt].
	Adopt []wire.Lock
	// RecoverUnsafe lets a process whose journal was lost ack at once again. Without it, it
	// abstains on each lane for up to two heights above the lock that it adopted, and refuses to
	// recover in a validator set that cannot do without it meanwhile. With it, the process may ack
	// a second payload at these heights.
	RecoverUnsafe bool

	// Acks says to whom our acks go, and whose are taken in. Default AcksToAll. All processes of a
	// network should have the same; one in which all sequencers send certificates can move from one
	// to the other process by process.
	Acks Acks
	// SendCertificates has certificates of our own lane sent to the validators as soon as they are
	// assembled, and our acks sent again while there is no certificate for their chunk. Off beside
	// upstream, whose processes do not know the message. With AcksToSequencer it is always on.
	SendCertificates bool

	// EpochsBack and EpochsAhead bound the epochs of acks taken in: [now − back, now + ahead].
	// Default 1 each; ExplicitZero for 0; at most 1024.
	EpochsBack, EpochsAhead uint64
	// HeightBound bounds how far above the top of its lane an ack may be. Default 16; ExplicitZero
	// for 0; at most 1048576.
	HeightBound uint64

	// Workers is how many goroutines verify signatures at once. Default: GOMAXPROCS − 1, at least
	// 1. At most 1024.
	Workers int
	// BatchSize caps how many statements are verified together. Default 64, at most 65536.
	BatchSize int
	// BatchDelay is how long a batch smaller than BatchSize waits for more statements, at most a
	// second. Default 0: an idle worker takes what there is.
	BatchDelay time.Duration
	// Pool is the worker pool to verify on; nil for one of the engine's own. One pool may serve
	// several engines if its size is at least the sum of their Workers: the log warns while it has
	// no goroutine for us. It should be made with ants.WithNonblocking, and outlives Run, which
	// returns [ErrPool] if it is released before.
	Pool *ants.Pool

	// RebroadcastTimeout is how often an uncertified chunk of ours is sent again and, where
	// certificates are sent, an ack of ours without a certificate. Default 5 s.
	RebroadcastTimeout time.Duration
	// AckInterval is the least time between two answers to a repeated node: our ack sent again, or
	// the application asked again. A sequencer that repeats its node more often waits in vain, so it
	// is at most RebroadcastTimeout, and belongs well below that of every sequencer of the network.
	// Default 200 ms, or half of RebroadcastTimeout if that is less.
	AckInterval time.Duration
	// ProposeBackoff is the pause after the application declined to propose. Default 100 ms.
	ProposeBackoff time.Duration
	// SignTimeout is how long a signer may take for one signature. Then its context ends, and it is
	// asked again. Default 10 s.
	SignTimeout time.Duration
	// SuspectDelay is how long a chunk waits for acks of others before the acks of suspects,
	// validators that once sent an invalid one, are verified too. Default 250 ms.
	SuspectDelay time.Duration
	// BadNodeInterval is the least time between two verifications of nodes of a sequencer that once
	// sent an invalid one, and between two reports of a peer for invalid messages. Default 1 s.
	BadNodeInterval time.Duration
	// DrainTimeout is how long an engine that was told to stop goes on handing over the reports
	// that wait. Default 1 s. All durations are at most 24 hours.
	DrainTimeout time.Duration

	// The next four limits have to fit the sets. When those of an epoch become known, a limit that
	// was set is compared with what they need, and the log names the field and the value if it is
	// too small; see also the metric limit_needed_ratio. Where the field is zero, the engine makes
	// the limit as large as they need, up to the bound given, and does not make it smaller again.

	// PeerQuota is how many messages of one peer may wait; of nodes and certificates as many as
	// together are no longer than 1 MiB, or four times MaxMessage if that is more. Default 1024, or
	// less where MaxPeers is zero and became more than 128, but 128 at least; at most 1048576.
	PeerQuota int
	// MaxPeers is how many Peer handles there may be at once: each other validator and sequencer
	// needs one. Default 128, or 64 more than the sets name that Schemes holds when New is called, if
	// that is more and Schemes is a [StaticEpochs] or an [Epochs]; at most 65536. MaxPeers·PeerQuota
	// messages can wait in all, at most 2^26. Memory for their places is reserved at the start: 88
	// bytes each (on 64-bit systems), with their number rounded up to a power of two.
	MaxPeers int
	// MaxMessage is the longest message taken in, in bytes. It must hold a node with the largest
	// certificate of any epoch. Acks are taken in up to 512 bytes, or the length of those of the
	// sets. From 512 to 16 MiB; default 65536, and up to 16 MiB if the sets need it. Of older sets the
	// engine knows only those that [Engine.EpochsNeeded] names when Run begins: a process that joins
	// while lanes stand on certificates of larger sets than today's needs the field set.
	MaxMessage int
	// MaxVoteBytes caps the memory of acks that wait for their quorum. Each lane needs two slots for
	// its next two heights; a slot takes 512+n·(S+3) bytes, with n validators and S bytes of an ack's
	// signature. Other acks, further ahead and of other epochs, can have half of the memory, so that
	// 4·(512+n·(S+3)) bytes per lane are enough whatever peers send; with AcksToSequencer there is one
	// lane, our own. Acks without room are dropped and counted. At least 1 MiB; default 64 MiB, and up
	// to 1 GiB if the sets need it.
	MaxVoteBytes int
	// MaxPendingReports is how many reports may wait for the Reporter before messages are no longer
	// taken in. Default 1024; at most 2^24.
	MaxPendingReports int
	// MaxVolatileBytes is how many bytes may wait to become durable before messages are no longer
	// taken in. Default 16 MiB; at least 64 KiB.
	MaxVolatileBytes int64
	// MaxOutbox is how many messages may wait for the Sender; more are dropped, newest first.
	// Default 4096, at most 2^24.
	MaxOutbox int

	// MaxValidatorSeries is of how many validators the metric validator_acks_total tells, two series
	// each: us, and the others of the lowest numbers. Default 128; ExplicitZero for none; at most 65536.
	MaxValidatorSeries uint64
	// Metrics is where the metrics are registered, from New until Run or Close returns. nil:
	// nowhere. Engines that share one need a label to tell them apart: see
	// prometheus.WrapRegistererWith.
	Metrics prometheus.Registerer
	// Logger gets what an operator should know. nil: nothing is logged.
	Logger *slog.Logger
}
