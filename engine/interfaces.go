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
	// Parent is the payload digest of the chunk below. It is zero at height 0, and at the tip of a
	// lane that was dormant unless its highest certificate is that of the chunk below: no more of
	// such a lane is kept than its tip's own chunk and its newest certificate.
	Parent wire.Digest
}

// Automaton is the application: it makes payloads and decides whether they are good. Each call runs
// in a goroutine of its own and may take as long as it likes. ctx ends when the answer is no longer
// wanted; the call returns soon after that. Run waits for it.
type Automaton interface {
	// Propose returns the digest of the payload for our lane at a height. It is asked only by an
	// engine with a Sequencer. ErrDeclined says that there is none now; any other error is a failure,
	// logged and counted. After either the next question comes after ProposeBackoff. ctx
	// ends when the height is no longer our next one, or we are no sequencer any more. After a
	// restart the same place may be asked for again, if the first answer was never made durable.
	Propose(ctx context.Context, at Place) (wire.Digest, error)
	// Verify says whether a payload is good. After false or an error we send no ack, and the
	// question is asked again when the node comes again, at most once per AckInterval; an error
	// counts as no verdict. ctx ends when the lane has a higher tip, which is asked about at once,
	// or when its sequencer has left the sets: a payload that never comes holds up nothing. Two
	// calls per lane may be under way, the one that is wanted and one whose ctx has ended. The
	// chunk is durable here before it is asked about, and may be asked about again after a restart.
	Verify(ctx context.Context, at Place, payload wire.Digest) (bool, error)
}

// Relay spreads the payloads of our own chunks; payloads travel outside the engine.
type Relay interface {
	// Broadcast asks for the payload of our chunk to be spread. The recipients are the validators
	// of the current epoch without us, none if there are no others; the slice never changes and
	// must not be written to. again says that an earlier call in this run named the same chunk: the
	// certificate has not come within RebroadcastTimeout, or the epoch has changed. Broadcast is
	// called from the goroutine that also calls the [Sender], before the node is sent, and should
	// not block. A call can be dropped with its node when the outbox is full, as messages are; it
	// comes again after RebroadcastTimeout. ctx ends with the engine.
	Broadcast(ctx context.Context, at Place, payload wire.Digest, to []wire.PublicKey, again bool)
}

// Reporter receives what the engine has found out: tips, locks, faults, and keys that do not fit
// each other.
type Reporter interface {
	// Report takes one activity, which it may keep and must not change. It is called from one
	// goroutine, in order. It may block: once MaxPendingReports wait, the engine takes in no more
	// messages and proposes nothing. A lock is reported once in a run. It stays in the journal
	// until Report has returned nil for it: after a restart those that had not, the latest ones
	// before them and the top ones of each lane are reported again, so reporting must be
	// idempotent. Locks of one lane may come out of height order. An error is fatal: Run stops and
	// returns it wrapped in [ErrReporter]. ctx ends DrainTimeout after the engine was told to stop.
	Report(ctx context.Context, a wire.Activity) error
}

// Monitor gives the current epoch, and later ones as they begin. [StaticEpochs] and [Epochs] are
// Monitors.
type Monitor interface {
	// Epochs returns the current epoch and a channel with the later ones, growing (a number that
	// does not grow is ignored). Closing the channel says that the epoch changes no more. It is
	// called once, at the start of Run; an error makes Run return it wrapped in [ErrMonitor]. ctx
	// ends with the engine; stop sending to the channel then.
	Epochs(ctx context.Context) (now uint64, updates <-chan uint64, err error)
}

// SchemeLookup finds the scheme of an epoch. Any [SchemeProvider] is one.
type SchemeLookup interface {
	// Scheme returns the scheme of an epoch, false while it is not known.
	Scheme(epoch uint64) (verify.Scheme, bool)
}

// SchemeProvider knows the validators. [StaticEpochs] and [Epochs] are SchemeProviders. It is
// called from the loop for almost every message, and from the goroutines that call VerifyLocks: it
// must answer at once, without a lock or I/O if possible, and from any goroutine. Having answered
// for an epoch it must go on giving the same answer (the same Scheme value, by ==) as long as
// [Engine.EpochsNeeded] names that epoch. Because of messages it is asked for epochs within bounds
// and those that EpochsNeeded names, and for an epoch that a sequencer of the current epoch names in
// a node of its own: one per sequencer and BadNodeInterval.
type SchemeProvider interface {
	SchemeLookup
	// AckSigner returns what signs our acks in an epoch; nil if we are no validator of it or sign
	// nothing, or while the key is not there yet: it is asked for again, each time that an ack is
	// due and AckInterval has passed. It is also asked for again after a signature that failed, and
	// may then return another signer. The signer may be slow to sign, but this method must return it
	// at once. The context of a signature ends when the ack is
	// no longer wanted, or after SignTimeout.
	AckSigner(epoch uint64) verify.AckSigner
}

// SequencerProvider knows the sequencers. All that is required of a [SchemeProvider] is required of
// it.
type SequencerProvider interface {
	// Sequencers returns the sequencers of an epoch, in any order, false while they are not known.
	// The slice must not change afterwards. It is asked for every epoch within bounds as soon as
	// the bounds reach it: the answer must be final. A key of small order ([verify.HasSmallOrder])
	// is no sequencer.
	Sequencers(epoch uint64) ([]wire.PublicKey, bool)
}

// Sender sends messages over the network. Its methods are called from one goroutine, in order.
// Neither to nor message ever changes: they may be kept, and must not be written to. Our own
// identity is never among the recipients. A call may block; while it does, at most MaxOutbox more
// messages wait, and then the newest is dropped and counted (nodes are repeated, acks and
// certificates are repeated when asked for). A call that never returns keeps Run from returning: close the network's
// connections to end it.
type Sender interface {
	// SendNode sends a node.
	SendNode(to []wire.PublicKey, message []byte)
	// SendAck sends an ack.
	SendAck(to []wire.PublicKey, message []byte)
	// SendCertificate sends a certificate of our own lane. It is called only with
	// [Config.SendCertificates] or [AcksToSequencer].
	SendCertificate(to []wire.PublicKey, message []byte)
}
