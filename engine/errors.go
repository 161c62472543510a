package engine

import (
	"errors"
	"fmt"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/verify/batch"
)

// Errors of engines. Those that say more wrap one of these, or are a [*ConfigError] or a
// [*PanicError].
var (
	// ErrConfig: a configuration that cannot work. The error is a [*ConfigError], which names the
	// field.
	ErrConfig = errors.New("engine: bad configuration")
	// ErrRunning: Run was called a second time, or Close while Run is at work.
	ErrRunning = errors.New("engine: already running")
	// ErrStopped: the engine has stopped, or was closed.
	ErrStopped = errors.New("engine: stopped")

	// ErrTooManyPeers: there are MaxPeers handles.
	ErrTooManyPeers = errors.New("engine: too many peers")
	// ErrPeerClosed: the handle was closed.
	ErrPeerClosed = errors.New("engine: peer handle is closed")
	// ErrPeerFull: PeerQuota messages of this peer wait already, or as many bytes of nodes and
	// certificates as may; the message was dropped and counted.
	ErrPeerFull = errors.New("engine: peer has its quota of messages waiting")
	// ErrMessageTooLarge: a message longer than MaxMessage, or an ack longer than 512 bytes and those
	// of the sets; dropped and counted.
	ErrMessageTooLarge = errors.New("engine: message too large")
	// ErrMessageKind: a Message whose Kind is none of the constants, dropped.
	ErrMessageKind = errors.New("engine: message of an unknown kind")

	// ErrDeclined: an [Automaton] returns it when it has no payload to propose now. After any other
	// error it is asked again as well, and the error is logged and counted as a failure.
	ErrDeclined = core.ErrDeclined

	// ErrJournal: writing or syncing the journal failed, so the engine could no longer remember
	// what it says, and stopped. The journal's error is wrapped too.
	ErrJournal = errors.New("engine: journal failed")
	// ErrRecord: the journal's folder holds a record that no engine of this version wrote. New
	// returns it and changes nothing.
	ErrRecord = core.ErrRecord
	// ErrForeignJournal: the journal belongs to another identity or another namespace. New returns
	// it and changes nothing.
	ErrForeignJournal = core.ErrForeign
	// ErrJournalInUse: Journal.Create or Journal.Recover for a journal that holds more than its
	// first record, or that was begun otherwise.
	ErrJournalInUse = errors.New("engine: there is a journal already")
	// ErrStaleJournal: the journal lacks something that this identity has signed: it is a copy, or
	// was put back to an older state. Run stops with it. The folder must not be used again.
	ErrStaleJournal = core.ErrStaleJournal
	// ErrNoLocks: a recovery without any locks.
	ErrNoLocks = core.ErrNoLocks
	// ErrIndispensable: a validator that recovers would have to abstain, and the others have no
	// quorum without it. Change the validator set, or accept the risk with Config.RecoverUnsafe.
	ErrIndispensable = core.ErrIndispensable
	// ErrBehind: OwnChunk cannot answer, since messages of the identity have waited for a second. It is
	// to be asked again.
	ErrBehind = errors.New("engine: messages wait that the answer depends on")
	// ErrNotRecovering: Recover in a process that is not recovering from a lost journal, or has
	// recovered.
	ErrNotRecovering = core.ErrNotRecovering
	// ErrResume: Recovery.Resume, and our own lane cannot go on from what was given. The error says
	// what is missing.
	ErrResume = core.ErrResume
	// ErrNotDormant: only a lane whose sequencer is in no known epoch within bounds can be
	// forgotten.
	ErrNotDormant = errors.New("engine: the lane is not dormant")
	// ErrPool: Config.Pool was released while the engine ran, so nothing could be verified any more.
	ErrPool = batch.ErrPool
	// ErrMonitor: the Monitor could not tell the epoch.
	ErrMonitor = errors.New("engine: monitor failed")
	// ErrReporter: the Reporter returned an error.
	ErrReporter = errors.New("engine: reporter failed")
	// ErrMetrics: the metrics could not be registered, because the registry has those of another
	// engine, say.
	ErrMetrics = errors.New("engine: metrics registration failed")

	// ErrGoexit: a collaborator ended its goroutine with runtime.Goexit, as testing.T.FailNow does.
	// A [*PanicError] wraps it.
	ErrGoexit = errors.New("runtime.Goexit was called")

	// ErrNotEvidence: an activity that proves nothing to others.
	ErrNotEvidence = errors.New("engine: not evidence")
)

// ConfigError names the field of a [Config] that is wrong. errors.Is(err, ErrConfig) holds.
type ConfigError struct {
	Field string // name of the field, e.g. "Journal.Dir"
	Want  string // what is allowed, e.g. "0 (default) or 1 to 1024"
	Got   any    // what was there; nil for an interface that is not set
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("%v: %s must be %s, got %v", ErrConfig, e.Field, e.Want, e.Got)
}

// Unwrap returns ErrConfig.
func (e *ConfigError) Unwrap() error { return ErrConfig }

// PanicError reports a panic or runtime.Goexit, in one of the embedder's collaborators as a rule. Run
// returns it. The engine stops as after any other failure; the process lives.
type PanicError struct {
	In    string // what was running: "verification worker", "Automaton.Verify", "loop", …
	Value any    // what panic was called with, or ErrGoexit
	Stack []byte // where, as runtime/debug.Stack gives it; nil for verification workers that do not tell
}

func (e *PanicError) Error() string { return fmt.Sprintf("engine: panic in %s: %v", e.In, e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
