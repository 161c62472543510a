package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/internal/inbox"
	"github.com/lanecast/lanecast/internal/shrink"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/verify/batch"
	"github.com/lanecast/lanecast/wire"
)

// Engine is one process's part in the protocol. The package comment describes its life.
type Engine struct {
	cfg       Config
	log       *slog.Logger
	journal   *journal.Journal
	chunks    *verify.ChunkVerifier
	inbox     *inbox.Inbox[message]
	setLimits *setLimits
	metrics   *metrics
	wake      chan struct{} // capacity 1: an event other than a message waits for the loop

	// Owned by the loop from the start of Run.
	core       *core.Core
	sets       *sets
	role       role
	began      time.Time // zero of the core's clock
	durable    journal.Position
	verdicts   []verify.Verdict
	statements []*verify.Statement // of the effects being executed
	paused     bool
	calls      map[uint64]context.CancelFunc // ends the contexts of the core's calls
	callsPeak  shrink.Peak
	ownLane    core.OwnLane   // as last logged
	ownChunk   wire.Signature // the last signature of Sequencer
	starvedAt  time.Duration  // when to check next whether Pool has a worker for this engine

	// ctx ends when the engine is told to stop or fails. Set by Run before any other goroutine
	// starts.
	ctx      context.Context
	cancel   context.CancelFunc
	tasks    sync.WaitGroup // every goroutine except the reporter's; added to by Run and the loop
	verifier *batch.Verifier

	events    *queue[func(now time.Duration)] // functions for the loop to call
	chunkSigs *queue[func()]
	ackSigs   *queue[func()]
	firstAck  firstAck // used by the goroutine that works on ackSigs
	limits    logLimits
	reports   *queue[wire.Activity]
	reported  atomic.Uint64 // reports for which the Reporter has returned; written by its goroutine
	outbox    chan core.Effect
	drops     drops

	// Used by the loop, about our chunks. untold: the relay was not told of the next node. again:
	// that node has been sent before. The numbers count nodes that were not sent, and those among
	// them that had been sent before.
	untold, again       bool
	unsent, unsentAgain uint64

	started chan struct{} // closed once verifier is set
	looping chan struct{} // closed once the loop answers queries
	silent  chan struct{} // closed when the loop has ended and queries get no answer
	stopped chan struct{} // closed when Run or Close is done

	mu       sync.Mutex
	phase    phase
	failure  error // the first failure
	peers    map[wire.PublicKey]*Peer
	departed departed
}

type phase uint8

const (
	fresh phase = iota
	running
	closing
)

// New checks the configuration and the environment ([verify.CheckEnvironment]), opens the journal's
// folder and replays it, and registers the metrics. The error is a [*ConfigError],
// journal.ErrNoJournal for a folder without one, journal.ErrLocked for a folder in use, a
// *journal.CorruptError, [ErrRecord], [ErrForeignJournal], [ErrJournalInUse], an error of the file
// system, or [ErrMetrics]. Nothing runs until Run is called, except the journal's own writer; an
// engine that is never run is closed with Close.
func New(given Config) (*Engine, error) {
	cfg, err := given.withDefaults()
	if err != nil {
		return nil, err
	}
	var wrong *verify.EnvironmentError
	if errors.As(verify.CheckEnvironment(), &wrong) {
		return nil, &ConfigError{Field: wrong.Variable, Want: wrong.Want, Got: wrong.Got}
	}
	e := &Engine{
		cfg:       cfg,
		log:       cfg.Logger,
		chunks:    verify.NewChunkVerifier(cfg.Namespace),
		wake:      make(chan struct{}, 1),
		events:    newQueue[func(time.Duration)](),
		chunkSigs: newQueue[func()](),
		ackSigs:   newQueue[func()](),
		reports:   newQueue[wire.Activity](),
		outbox:    make(chan core.Effect, cfg.MaxOutbox),
		started:   make(chan struct{}),
		looping:   make(chan struct{}),
		silent:    make(chan struct{}),
		stopped:   make(chan struct{}),
		calls:     make(map[uint64]context.CancelFunc),
		peers:     make(map[wire.PublicKey]*Peer),
		departed:  newDeparted(2 * cfg.MaxPeers),
		setLimits: newSetLimits(&cfg, &given),
		sets:      newSets(&cfg),
	}
	e.metrics = newMetrics(e)
	if e.inbox, err = inbox.New[message](cfg.MaxPeers * cfg.PeerQuota); err != nil {
		return nil, fmt.Errorf("engine: making the inbox: %w", err)
	}
	e.core = core.New(e.coreConfig())
	if err := e.openJournal(); err != nil {
		return nil, err
	}
	if err := e.metrics.register(); err != nil {
		return nil, errors.Join(err, e.journal.Close())
	}
	return e, nil
}

func (e *Engine) coreConfig() core.Config {
	return core.Config{
		Identity:           e.cfg.Identity,
		Namespace:          e.cfg.Namespace,
		RecoverUnsafe:      e.cfg.RecoverUnsafe,
		Sequencer:          e.cfg.Sequencer != nil,
		Sets:               e.sets,
		AcksToSequencer:    e.cfg.Acks == AcksToSequencer,
		SendCertificates:   e.cfg.SendCertificates,
		EpochsBack:         e.cfg.EpochsBack,
		EpochsAhead:        e.cfg.EpochsAhead,
		HeightBound:        e.cfg.HeightBound,
		MaxVoteBytes:       e.cfg.MaxVoteBytes,
		VotesInFlight:      e.cfg.Workers * e.cfg.BatchSize,
		RebroadcastTimeout: e.cfg.RebroadcastTimeout,
		AckInterval:        e.cfg.AckInterval,
		ProposeBackoff:     e.cfg.ProposeBackoff,
		SuspectDelay:       e.cfg.SuspectDelay,
		BadNodeInterval:    e.cfg.BadNodeInterval,
	}
}

// Run works until ctx ends or something fails, and then shuts everything down: calls to the
// application and the signers are cancelled, waiting messages released, waiting reports handed over
// for up to DrainTimeout, the journal synced and closed, and every goroutine waited for. It returns
// nil if ctx ended and all that went well, else the first failure: an error that wraps ErrJournal,
// ErrStaleJournal, ErrMonitor, ErrReporter or ErrPool, or a [*PanicError]. It can be called once;
// another call returns ErrRunning or ErrStopped.
func (e *Engine) Run(ctx context.Context) error {
	if err := e.enter(running); err != nil {
		return err
	}
	e.began = time.Now()
	e.ctx, e.cancel = context.WithCancel(ctx)
	verifier, err := batch.New(batch.Config{
		Workers:    e.cfg.Workers,
		BatchSize:  e.cfg.BatchSize,
		BatchDelay: e.cfg.BatchDelay,
		Chunks:     e.chunks,
		Pool:       e.cfg.Pool,
		Notify:     e.signal,
		OnPanic:    e.workerPanicked,
		Observe:    e.metrics.observeBatch,
	})
	if err != nil {
		e.fail(fmt.Errorf("engine: starting verification: %w", err))
		e.shutdown(nil)
		return e.failed()
	}
	e.verifier = verifier
	close(e.started)

	reportCtx, stopReports := context.WithCancel(context.WithoutCancel(ctx))
	reporter := e.startReporting(reportCtx)
	e.goGuarded("AckSigner", func() { e.sign(e.ackSigs) })
	e.goGuarded("Sequencer", func() { e.sign(e.chunkSigs) })
	e.goGuarded("Sender or Relay", e.send)
	loop := make(chan struct{}) // not in the caller's goroutine, which must not end before the shutdown
	go func() {
		defer close(loop)
		e.guard("loop", e.loop)
	}()
	<-loop

	e.shutdown(func() { reporter.drain(stopReports) })
	return e.failed()
}

// shutdown stops all parts, in the order of their dependencies, and notes failures meanwhile.
func (e *Engine) shutdown(drainReports func()) {
	e.mu.Lock()
	e.phase = closing
	e.mu.Unlock()
	close(e.silent)
	e.cancel()
	e.inbox.Close()
	e.tasks.Wait()
	if e.verifier != nil {
		e.verifier.Close()
	}
	e.emptyInbox()
	if drainReports != nil {
		drainReports()
		e.noteReported()
	}
	e.closeJournal()
	e.metrics.unregister()
	close(e.stopped)
}

// Close closes the journal's folder of an engine that was never run, and unregisters its metrics.
// It does not stop an engine that runs: end the context of Run for that. While Run is running,
// Close changes nothing and returns ErrRunning; after Run, and when called again, it does nothing
// and returns nil.
func (e *Engine) Close() error {
	switch err := e.enter(closing); err {
	case nil:
	case ErrStopped:
		<-e.stopped
		return nil
	default:
		return fmt.Errorf("%w: to stop it, end the context of Run", err)
	}
	close(e.silent)
	e.inbox.Close()
	e.emptyInbox()
	e.closeJournal()
	e.metrics.unregister()
	close(e.stopped)
	return e.failed()
}

// enter moves an engine that was never run to the next phase of its life.
func (e *Engine) enter(next phase) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch e.phase {
	case running:
		return ErrRunning
	case closing:
		return ErrStopped
	}
	e.phase = next
	return nil
}

// fail records the first failure and stops the engine.
func (e *Engine) fail(err error) {
	e.mu.Lock()
	first := e.failure == nil
	if first {
		e.failure = err
	}
	e.mu.Unlock()
	if first && e.cancel != nil {
		e.cancel()
	}
}

func (e *Engine) failed() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failure
}

// guard calls f, which calls an embedder's code, and turns a panic into a failure; likewise
// runtime.Goexit, after which f does not return either. Every goroutine of the engine does all its
// work within guard, so nothing waits for a goroutine that has ended.
func (e *Engine) guard(in string, f func()) {
	returned := false
	defer func() {
		v := recover()
		if v == nil && !returned {
			v = ErrGoexit
		}
		if v != nil {
			e.fail(&PanicError{In: in, Value: v, Stack: debug.Stack()})
		}
	}()
	f()
	returned = true
}

// goGuarded starts a goroutine that shutdown waits for.
func (e *Engine) goGuarded(in string, f func()) { e.tasks.Go(func() { e.guard(in, f) }) }

func (e *Engine) workerPanicked(v any) {
	failure := &PanicError{In: "verification worker", Value: v}
	if p, ok := v.(*batch.Panic); ok {
		failure.Value, failure.Stack = p.Value, p.Stack
	}
	if failure.Value == nil {
		failure.Value = ErrGoexit
	}
	e.fail(failure)
}

// signal wakes the loop for an event other than a message.
func (e *Engine) signal() { signal(e.wake) }
