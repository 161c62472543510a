package engine

import (
	"context"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Place is the place of a chunk in its lane.
type Place struct {
	Sequencer wire.PublicKey
	Height    uint64
	// Parent is the payload digest of the chunk below. It is zero at height 0. It is also zero at
	// the tip of a lane that was dormant, unless the lane's highest certificate is that of the
	// chunk below: of such a lane only the tip's own chunk and the newest certificate are kept.
	Parent wire.Digest
}

// Automaton is the application: it makes payloads and approves them. Each call runs in a goroutine
// of its own and may take any time. ctx ends when the answer is no longer wanted; the call must
// return soon after that. Run waits for it.
type Automaton interface {
	// Propose returns the digest of the payload for our lane at a height. Only an engine with a
	// Sequencer calls it. ErrDeclined means that there is no payload now; any other error is a
	// failure, logged and counted. After either, the next call follows after ProposeBackoff. ctx
	// ends when the height is no longer our next one, or when this process is no longer a
	// sequencer. After a restart the same place may be asked for again, if the first answer was not
	// durable.
	Propose(ctx context.Context, at Place) (wire.Digest, error)
	// Verify reports whether a payload is valid. After false or an error this process sends no ack,
	// and Verify is called again when the node comes again, at most once per AckInterval; an error
	// counts as no verdict. ctx ends when the lane has a higher tip, for which Verify is called at
	// once, or when its sequencer has left the sets: a payload that never comes blocks nothing. Two
	// calls per lane may run: the wanted one, and one whose ctx has ended. The chunk is durable in
	// this process before the call. After a restart there may be another call for it.
	Verify(ctx context.Context, at Place, payload wire.Digest) (bool, error)
}

// Relay sends the payloads of our own chunks; payloads travel outside the engine.
type Relay interface {
	// Broadcast starts sending the payload of our chunk. The recipients are the validators of the
	// current epoch except this one, none if there are no others; the slice never changes and must
	// not be written to. again means that an earlier call in this run named the same chunk: the
	// certificate has not come within RebroadcastTimeout, or the epoch has changed. Broadcast is
	// called from the goroutine that also calls the [Sender], before the node is sent, and should
	// not block. When the outbox is full, a call can be dropped together with its node, as messages
	// are; it is repeated after RebroadcastTimeout. ctx ends with the engine.
	Broadcast(ctx context.Context, at Place, payload wire.Digest, to []wire.PublicKey, again bool)
}

// Reporter receives the engine's results: tips, locks, faults, and keys that do not fit each other.
type Reporter interface {
	// Report takes one activity, which it may keep and must not change. It is called from one
	// goroutine, in order. It may block: once MaxPendingReports wait, the engine takes no more
	// messages and proposes nothing. A lock is reported once in a run. It stays in the journal
	// until Report has returned nil for it: after a restart the locks without that, the latest ones
	// before them and the top ones of each lane are reported again, so Report must be idempotent.
	// Locks of one lane may come out of height order. An error is fatal: Run stops and returns it
	// wrapped in [ErrReporter]. ctx ends DrainTimeout after the engine was told to stop.
	Report(ctx context.Context, a wire.Activity) error
}

// Monitor provides the current epoch, and later epochs as they begin. [StaticEpochs] and [Epochs]
// are Monitors.
type Monitor interface {
	// Epochs returns the current epoch and a channel with the later ones, ascending (a number that
	// is not above the last one is ignored). Closing the channel means that the epoch does not
	// change any more. It is called once, at the start of Run; an error makes Run return it wrapped
	// in [ErrMonitor]. ctx ends with the engine; stop sending to the channel then.
	Epochs(ctx context.Context) (now uint64, updates <-chan uint64, err error)
}

// SchemeLookup finds the scheme of an epoch. Any [SchemeProvider] is one.
type SchemeLookup interface {
	// Scheme returns the scheme of an epoch, and false while it is not known.
	Scheme(epoch uint64) (verify.Scheme, bool)
}

// SchemeProvider provides the validators. [StaticEpochs] and [Epochs] are SchemeProviders. The loop
// calls it for almost every message, as do the goroutines that call VerifyLocks: it must answer at
// once, without a lock or I/O if possible, and from any goroutine. Once it has answered for an
// epoch, it must give the same answer (the same Scheme value, by ==) as long as
// [Engine.EpochsNeeded] names that epoch. Messages cause calls for epochs within bounds, for those
// that EpochsNeeded names, and for an epoch that a sequencer of the current epoch names in a node
// of its own: at most one of these per sequencer and BadNodeInterval.
type SchemeProvider interface {
	SchemeLookup
	// AckSigner returns the signer of our acks in an epoch. It returns nil if this process is no
	// validator of the epoch or signs nothing, or while the key is not available: it is called
	// again whenever an ack is due and AckInterval has passed. It is also called again after a
	// failed signature, and may then return another signer. The signer may be slow to sign, but
	// this method must return it at once. The context of a signature ends when the ack is no longer
	// wanted, or after SignTimeout.
	AckSigner(epoch uint64) verify.AckSigner
}

// SequencerProvider provides the sequencers. The requirements of [SchemeProvider] apply to it too.
type SequencerProvider interface {
	// Sequencers returns the sequencers of an epoch, in any order, and false while they are not
	// known. The slice must not change afterwards. It is called for every epoch as soon as the
	// epoch is within bounds: the answer must be final. A key of small order
	// ([verify.HasSmallOrder]) is no sequencer.
	Sequencers(epoch uint64) ([]wire.PublicKey, bool)
}

// Sender sends messages over the network. Its methods are called from one goroutine, in order.
// Neither to nor message ever changes: they may be kept, and must not be written to. Our own
// identity is never among the recipients. A call may block; while it does, at most MaxOutbox more
// messages wait. Beyond that the newest is dropped and counted (nodes are repeated; acks and
// certificates are repeated on request). A call that never returns keeps Run from returning: close
// the network's connections to end it.
type Sender interface {
	// SendNode sends a node.
	SendNode(to []wire.PublicKey, message []byte)
	// SendAck sends an ack.
	SendAck(to []wire.PublicKey, message []byte)
	// SendCertificate sends a certificate of our own lane. It is called only with
	// [Config.SendCertificates] or [AcksToSequencer].
	SendCertificate(to []wire.PublicKey, message []byte)
}
