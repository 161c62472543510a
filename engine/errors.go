package engine

import (
	"errors"
	"fmt"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/verify/batch"
)

// The errors of engines. An error with more details wraps one of these, or is a [*ConfigError] or a
// [*PanicError].
var (
	// ErrConfig means that a configuration cannot work. The error is a [*ConfigError], which names
	// the field.
	ErrConfig = errors.New("engine: bad configuration")
	// ErrRunning means that Run was called a second time, or Close while Run is running.
	ErrRunning = errors.New("engine: already running")
	// ErrStopped means that the engine has stopped, or was closed.
	ErrStopped = errors.New("engine: stopped")

	// ErrTooManyPeers means that there are MaxPeers handles.
	ErrTooManyPeers = errors.New("engine: too many peers")
	// ErrPeerClosed means that the handle was closed.
	ErrPeerClosed = errors.New("engine: peer handle is closed")
	// ErrPeerFull means that PeerQuota messages of this peer wait already, or the largest allowed
	// length of nodes and certificates; the message was dropped and counted.
	ErrPeerFull = errors.New("engine: peer has its quota of messages waiting")
	// ErrMessageTooLarge means that a message is longer than MaxMessage, or an ack longer than both
	// 512 bytes and the acks of the sets. The message was dropped and counted.
	ErrMessageTooLarge = errors.New("engine: message too large")
	// ErrMessageKind means that the Kind of a Message is none of the constants. The message was
	// dropped.
	ErrMessageKind = errors.New("engine: message of an unknown kind")

	// ErrDeclined is returned by an [Automaton] that has no payload to propose now. After any other
	// error the Automaton is asked again as well, and the error is logged and counted as a failure.
	ErrDeclined = core.ErrDeclined

	// ErrJournal means that writing or syncing the journal failed. The engine stopped, since it
	// could no longer record what it sends. The journal's error is wrapped too.
	ErrJournal = errors.New("engine: journal failed")
	// ErrRecord means that the journal's folder holds a record that no engine of this version
	// wrote. New returns it and changes nothing.
	ErrRecord = core.ErrRecord
	// ErrForeignJournal means that the journal belongs to another identity or another namespace.
	// New returns it and changes nothing.
	ErrForeignJournal = core.ErrForeign
	// ErrJournalInUse means that Journal.Create or Journal.Recover was set for a journal that holds
	// more than its first record, or that was begun with the other flag.
	ErrJournalInUse = errors.New("engine: there is a journal already")
	// ErrStaleJournal means that the journal lacks something that this identity has signed: it is a
	// copy, or was put back to an older state. Run stops with this error. The folder must not be
	// used again.
	ErrStaleJournal = core.ErrStaleJournal
	// ErrNoLocks means that a recovery was given no locks.
	ErrNoLocks = core.ErrNoLocks
	// ErrIndispensable means that a validator that recovers would have to abstain, and the others
	// have no quorum without it. Change the validator set, or accept the risk with
	// Config.RecoverUnsafe.
	ErrIndispensable = core.ErrIndispensable
	// ErrBehind: OwnChunk cannot answer, since messages of the identity have waited for a second.
	// It is to be asked again.
	ErrBehind = errors.New("engine: messages wait that the answer depends on")
	// ErrNotRecovering: Recover in a process that is not recovering from a lost journal, or has
	// recovered.
	ErrNotRecovering = core.ErrNotRecovering
	// ErrResume: Recovery.Resume is set, and the given knowledge is not enough to continue our own
	// lane. The error names the missing part.
	ErrResume = core.ErrResume
	// ErrNotDormant means that the lane cannot be forgotten, because its sequencer is in a known
	// epoch within bounds.
	ErrNotDormant = errors.New("engine: the lane is not dormant")
	// ErrPool means that Config.Pool was released while the engine ran, so nothing could be
	// verified any more.
	ErrPool = batch.ErrPool
	// ErrMonitor means that the Monitor returned an error.
	ErrMonitor = errors.New("engine: monitor failed")
	// ErrReporter means that the Reporter returned an error.
	ErrReporter = errors.New("engine: reporter failed")
	// ErrMetrics means that the metrics could not be registered, for example because the registry
	// has those of another engine.
	ErrMetrics = errors.New("engine: metrics registration failed")

	// ErrGoexit means that a collaborator ended its goroutine with runtime.Goexit, as
	// testing.T.FailNow does. A [*PanicError] wraps it.
	ErrGoexit = errors.New("runtime.Goexit was called")

	// ErrNotEvidence means that an activity proves nothing to others.
	ErrNotEvidence = errors.New("engine: not evidence")
)

// ConfigError is the error for a wrong field of a [Config]. errors.Is(err, ErrConfig) holds.
type ConfigError struct {
	Field string // name of the field, e.g. "Journal.Dir"
	Want  string // what is allowed, e.g. "0 (default) or 1 to 1024"
	Got   any    // the value; nil for an interface that is not set
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("%v: %s must be %s, got %v", ErrConfig, e.Field, e.Want, e.Got)
}

// Unwrap returns ErrConfig.
func (e *ConfigError) Unwrap() error { return ErrConfig }

// PanicError reports a panic or runtime.Goexit, usually in one of the embedder's collaborators. Run
// returns it. The engine stops as after any other failure; the process lives.
type PanicError struct {
	In    string // the part that was running: "verification worker", "Automaton.Verify", "loop", …
	Value any    // the argument of panic, or ErrGoexit
	Stack []byte // the stack as from runtime/debug.Stack; nil for verification workers, which do not report it
}

func (e *PanicError) Error() string { return fmt.Sprintf("engine: panic in %s: %v", e.In, e.Value) }

// Unwrap returns the value of the panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
