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

// Sets provides the validators and sequencers of each epoch. [engine.StaticEpochs] and
// [engine.Epochs] implement it.
type Sets interface {
	engine.SchemeProvider
	engine.SequencerProvider
	engine.Monitor
}

// Config holds all parts and settings of a replica. A zero field takes the default that its comment
// names. If a field is out of range, or missing, [New] returns a [*ConfigError] that names it, or
// the error of the part that it belongs to.
type Config struct {
	// Namespace is the network's; required.
	Namespace []byte
	// Key is our identity, an Ed25519 key, under which peers know us; required.
	Key crypto.Signer
	// Sequencer signs our chunks; its public key is that of Key. Default: Key itself, if it is an
	// ed25519.PrivateKey; else required. We propose in the epochs whose sequencers include us.
	Sequencer verify.ChunkSigner
	// Epochs provides the sets of each epoch, with our signer of acks; required.
	Epochs Sets
	// Application is the chain; required. No method is called before Run, so the application may be
	// given the replica in between.
	Application Application
	// Next returns the first height of a lane that the host has not durably applied, 0 for a lane
	// of which it has applied nothing. It is called when a run first hears of a lane, and must
	// answer at once. Delivery begins at that height. Required: a host that keeps nothing always
	// returns 0.
	Next func(sequencer wire.PublicKey) uint64

	// Dir is the folder for all that the replica keeps, in the folders journal and archive;
	// required.
	Dir string
	// Create: this identity starts for the first time, in a folder that holds nothing of it. Leave
	// it false in a permanent configuration: see [engine.JournalConfig].
	Create bool
	// Recover: this identity had a journal and lost it. Nothing is signed until enough validators
	// have answered (docs/protocol.md 7.5). Set it for one start, in a folder without a journal;
	// the rest of the archive may stay. A recovery continues after a restart without it. Recover no
	// more validators at once than may be faulty. With Engine.RecoverUnsafe (see there), all other
	// validators have to answer where they have no quorum of their own.
	Recover bool
	// Resume: a recovery lets our own lane go on under the same key; otherwise the lane ends. Every
	// other validator of the epochs within bounds has to answer then, and the highest of our chunks
	// in the answers is sent again. A chunk that reached only validators that hide it stays
	// unknown: another one at its height is then an equivocation, which they can prove. Two chunks
	// of ours for one height, or a body that no validator has, end the lane nevertheless. The field
	// has effect only while a recovery goes on.
	Resume bool

	// MaxPayload is the length of the longest body in bytes, a setting of the network: up to 64
	// MiB. Default 4 MiB.
	MaxPayload int

	// Listener accepts connections; nil: none are accepted. Run closes it.
	Listener net.Listener
	// Addresses returns the addresses of identities: see [network.Config].Addresses. It is called
	// at start, when sets of epochs become known, and by [Replica.Recheck].
	Addresses func() map[wire.PublicKey]string
	// Admit returns the role of an identity that is in no set within bounds: Follower, or Refused.
	// nil: such identities are refused. It must answer at once.
	Admit func(id wire.PublicKey) network.Role
	// Transport is used instead of a network of the replica's own. Listener, Addresses and Network
	// must be unset then, and Transport carries the types of [Types].
	Transport network.Transport

	// Report gets the activities that engine and replica report, faults among them, one call at a
	// time: see [engine.Reporter]. [VerifyEvidence] verifies them. nil: only metrics and the log
	// show them.
	Report func(ctx context.Context, a wire.Activity) error
	// Behind is called when a lane cannot be handed over any more, since the chunk at height next
	// is pruned everywhere: peers weighing more than f said so, and no other has it. The host needs
	// its own state transfer, and then calls [Replica.Restore]. Behind is called once per lane and
	// height, and must return at once. nil: only the log says so.
	Behind func(sequencer wire.PublicKey, next uint64)

	// MaxUndelivered is the number of certified chunks of our own lane that may wait for the host.
	// When it is reached, the application is not asked for another one. Default 64, at most 2^20.
	MaxUndelivered int
	// FetchDelay is the time for which a body is expected as a push from its sequencer, before
	// peers are asked for it. Default 100 ms.
	FetchDelay time.Duration
	// HedgeDelay is the time without an answer after which another peer is asked the same. Default
	// 250 ms.
	HedgeDelay time.Duration
	// TipInterval is the interval at which a peer, drawn at random, is asked for its highest lock
	// of each lane. Default 1 s.
	TipInterval time.Duration
	// RequestTimeout bounds the time of an answer. Default 2 s. All durations are at most an hour.
	RequestTimeout time.Duration
	// MaxBuffered bounds the bodies in memory in bytes: half of it those that are being received,
	// and half those that are cached for later requests. Default 256 MiB, or 16·MaxPayload if that
	// is more.
	MaxBuffered int64

	// Engine tunes the engine: Acks, bounds, workers, timeouts and limits. The replica sets the
	// other fields, which must stay zero: everything up to and including Sender, Journal.Dir and
	// Create, Journal.Recover, SendCertificates, which is always on, Metrics, Logger.
	Engine engine.Config
	// Archive tunes the archive: Quota, MaxPushed, Retain, MinFree and so on. Dir, Create,
	// Namespace, MaxPayload, Metrics and Damaged must stay zero.
	Archive archive.Config
	// Network tunes the network: limits, rates and timeouts. Key, Types, Listener, Addresses,
	// Metrics, Logger and, of Settings, all but Version must stay zero.
	Network network.Config

	// Metrics registers all metrics while the replica lives. nil: they are not registered.
	Metrics prometheus.Registerer
	// Logger gets the events that an operator should know. nil: nothing is logged.
	Logger *slog.Logger

	page   int // pageOfHeaders; small in tests
	window int // headers of a lane that are read ahead of the host; small in tests
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

// ConfigError names a [Config]'s field that is wrong. errors.Is(err, ErrConfig) holds.
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
// the engine's: see [bridge.Types].
func Types(maxMessage int) []network.MessageType {
	return append(bridge.Types(maxMessage), message.Types()...)
}
