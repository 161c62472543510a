package replica

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Sets are the validators and sequencers of each epoch. [engine.StaticEpochs] and [engine.Epochs]
// are Sets.
type Sets interface {
	engine.SchemeProvider
	engine.SequencerProvider
	engine.Monitor
}

// Config holds all that a replica is made of. A zero field takes the default that its comment names.
// A field that is out of range, or missing, makes [New] return a [*ConfigError] that names it, or the
// error of the part that it belongs to.
type Config struct {
	// Namespace is the network's; required.
	Namespace []byte
	// Key is our identity, an Ed25519 key, with which we are known to our peers; required.
	Key crypto.Signer
	// Sequencer signs our chunks; its public key is that of Key. Default: Key itself, if it is an
	// ed25519.PrivateKey; else required. We propose in the epochs whose sequencers include us.
	Sequencer verify.ChunkSigner
	// Epochs are the sets of each epoch, with our signer of acks; required.
	Epochs Sets
	// Application is the chain; required. Nothing of it is called before Run, so it may be given the
	// replica in between.
	Application Application
	// Next returns the first height of a lane that the host has not durably applied, 0 for a lane that
	// it has nothing of. It is asked when a lane is first heard of in a run, and answers at once.
	// Delivery begins there. Required: a host that keeps nothing returns 0 always.
	Next func(sequencer wire.PublicKey) uint64

	// Dir is the folder for all that the replica keeps, in the folders journal and archive; required.
	Dir string
	// Create says that this identity starts for the first time, in a folder that holds nothing of it.
	// Leave it false in a configuration that stays: see [engine.JournalConfig].
	Create bool
	// Recover says that this identity had a journal and lost it: until enough validators have said what
	// they know, nothing is signed (docs/protocol.md 7.5). Set it for one start, in a folder without a
	// journal; what is left of the archive may stay. A recovery goes on after a restart without it.
	// Recover no more validators at once than may be faulty. With Engine.RecoverUnsafe, which see, all
	// other validators have to answer where they have no quorum of their own.
	Recover bool
	// Resume says that a recovery lets our own lane go on under the same key, which it does not
	// otherwise. Every other validator of the epochs within bounds has to answer then; what they know
	// of our highest chunk is sent again. A chunk that reached only validators that hide it cannot be
	// found out: then another one at its height is an equivocation, which they can prove. Two chunks
	// of ours for one height, or a body that no validator has, end the lane nevertheless. It counts
	// while a recovery goes on, and says nothing otherwise.
	Resume bool

	// MaxPayload is the length of the longest body in bytes, a setting of the network: up to 64 MiB.
	// Default 4 MiB.
	MaxPayload int

	// Listener accepts connections; nil: none are accepted. Run closes it.
	Listener net.Listener
	// Addresses returns where identities can be dialled: see [network.Config].Addresses. It is asked
	// at start, when sets of epochs become known, and by [Replica.Recheck].
	Addresses func() map[wire.PublicKey]string
	// Admit says what an identity may be that is in no set within bounds: Follower, or Refused. nil:
	// they are refused. It answers at once.
	Admit func(id wire.PublicKey) network.Role
	// Transport is used instead of a network of the replica's own. Listener, Addresses and Network are
	// then unset, and it carries the types of [Types].
	Transport network.Transport

	// Report takes what engine and replica find out, faults among it, one call at a time: see
	// [engine.Reporter]. [VerifyEvidence] verifies what it is given. nil: nobody does, but metrics and
	// log.
	Report func(ctx context.Context, a wire.Activity) error
	// Behind is told when a lane cannot be handed over any more, since what comes next, at height next,
	// is pruned everywhere: peers weighing more than f said so, and no other has it. The host needs
	// its own state transfer, and then calls [Replica.Restore]. It is told once per lane and height,
	// and returns at once. nil: only the log is told.
	Behind func(sequencer wire.PublicKey, next uint64)

	// MaxUndelivered is how many certified chunks of our own lane may wait for the host before the
	// application is asked for no more. Default 64, at most 2^20.
	MaxUndelivered int
	// FetchDelay is how long a body that a sequencer should have pushed is waited for before others are
	// asked for it. Default 100 ms.
	FetchDelay time.Duration
	// HedgeDelay is after how long without an answer somebody else is asked the same. Default 250 ms.
	HedgeDelay time.Duration
	// TipInterval is how often a peer, drawn at random, is asked for its highest lock of each lane.
	// Default 1 s.
	TipInterval time.Duration
	// RequestTimeout is how long an answer may take. Default 2 s. All durations are at most an hour.
	RequestTimeout time.Duration
	// MaxBuffered bounds the bodies in memory in bytes: of those that come in half, and of those that
	// are kept for whoever asks next, the other half. Default 256 MiB, or 16·MaxPayload if that is more.
	MaxBuffered int64

	// Engine tunes the engine: Acks, bounds, workers, timeouts and limits. What belongs to the replica
	// must be left alone: everything up to and including Sender, Journal.Dir and Create,
	// Journal.Recover, SendCertificates, which is always on, Metrics, Logger.
	Engine engine.Config
	// Archive tunes the archive: Quota, MaxPushed, Retain, MinFree and so on. Dir, Create, Namespace,
	// MaxPayload, Metrics and Damaged must be left alone.
	Archive archive.Config
	// Network tunes the network: limits, rates and timeouts. Key, Types, Listener, Addresses, Metrics,
	// Logger and, of Settings, all but Version must be left alone.
	Network network.Config

	// Metrics is where all metrics are registered while the replica lives. nil: nowhere.
	Metrics prometheus.Registerer
	// Logger gets what an operator should know. nil: nothing is logged.
	Logger *slog.Logger

	page   int // pageOfHeaders; small in tests
	window int // how many headers of a lane are read ahead of the host; small in tests
}

// Defaults of the fields of Config.
const (
	DefaultMaxUndelivered = 64
	DefaultFetchDelay     = 100 * time.Millisecond
	DefaultHedgeDelay     = 250 * time.Millisecond
	DefaultTipInterval    = time.Second
	DefaultRequestTimeout = 2 * time.Second
	DefaultMaxBuffered    = 256 << 20
)

const (
	maxMaxPayload  = 64 << 20
	maxDuration    = time.Hour
	leastBuffered  = 16 // bodies of MaxPayload
	payloadFormat1 = 1
)

// ErrConfig is matched by every error about a field of [Config].
var ErrConfig = errors.New("replica: bad configuration")

// ConfigError names the field of a [Config] that is wrong. errors.Is(err, ErrConfig) holds.
type ConfigError struct {
	Field string
	Want  string
	Got   any
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("%v: %s must be %s, got %v", ErrConfig, e.Field, e.Want, e.Got)
}

// Unwrap returns ErrConfig.
func (e *ConfigError) Unwrap() error { return ErrConfig }

// Types returns the types of messages that a replica sends, for [Config].Transport. maxMessage is
// that of the engine: see [bridge.Types].
func Types(maxMessage int) []network.MessageType {
	return append(bridge.Types(maxMessage), message.Types()...)
}
