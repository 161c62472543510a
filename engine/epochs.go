package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Formats returns the bounds for certificates of each epoch, which decoding needs, from a lookup of
// schemes. With it a host decodes messages that it gets from elsewhere, such as a wire.Lock.
func Formats(schemes SchemeLookup) wire.Formats { return formats{schemes} }

type formats struct{ schemes SchemeLookup }

func (f formats) Format(epoch uint64) (wire.Format, bool) {
	if s, ok := f.schemes.Scheme(epoch); ok {
		return s.Format(), true
	}
	return wire.Format{}, false
}

// epochSets are the sets of one epoch. They never change.
type epochSets struct {
	scheme     verify.Scheme
	signer     verify.AckSigner // nil if this process signs nothing
	sequencers []wire.PublicKey
}

func newEpochSets(scheme verify.Scheme, signer verify.AckSigner, sequencers []wire.PublicKey) (*epochSets, error) {
	check := checker{}
	check.collaborator("Scheme", scheme, true)
	check.collaborator("Signer", signer, false)
	if len(sequencers) == 0 {
		check.fail("Sequencers", "one key or more", 0)
	}
	seen := make(map[wire.PublicKey]bool, len(sequencers))
	for _, key := range sequencers {
		if seen[key] {
			check.fail("Sequencers", "without repetition", key)
		}
		if verify.HasSmallOrder(key) {
			check.fail("Sequencers", "without keys of small order, in whose names anybody can sign", key)
		}
		seen[key] = true
	}
	return &epochSets{scheme, signer, slices.Clone(sequencers)}, check.err
}

// peers returns the number of identities that the sets name.
func (s *epochSets) peers() int {
	if s.scheme == nil {
		return 0
	}
	return peersOf(wire.PublicKey{}, s.scheme.Participants(), s.sequencers)
}

// StaticEpochs is for a network whose sets never change: its only epoch is 0. It serves as Schemes,
// Sequencers and Monitor of a [Config], and as wire.Formats. Engines that sign nothing may share
// one.
type StaticEpochs struct{ sets epochSets }

// NewStaticEpochs returns the epochs of a network with one scheme and one set of sequencers. signer
// signs our acks; nil for a process that signs none. The error is a [*ConfigError].
func NewStaticEpochs(scheme verify.Scheme, signer verify.AckSigner, sequencers []wire.PublicKey) (*StaticEpochs, error) {
	sets, err := newEpochSets(scheme, signer, sequencers)
	if err != nil {
		return nil, err
	}
	return &StaticEpochs{*sets}, nil
}

// Scheme implements [SchemeProvider].
func (s *StaticEpochs) Scheme(epoch uint64) (verify.Scheme, bool) {
	return s.sets.scheme, epoch == 0 && s.sets.scheme != nil
}

// AckSigner implements [SchemeProvider].
func (s *StaticEpochs) AckSigner(epoch uint64) verify.AckSigner {
	if epoch != 0 {
		return nil
	}
	return s.sets.signer
}

// Sequencers implements [SequencerProvider].
func (s *StaticEpochs) Sequencers(epoch uint64) ([]wire.PublicKey, bool) {
	return s.sets.sequencers, epoch == 0 && s.sets.scheme != nil
}

// Epochs implements [Monitor].
func (s *StaticEpochs) Epochs(context.Context) (uint64, <-chan uint64, error) { return 0, nil, nil }

// Format implements wire.Formats.
func (s *StaticEpochs) Format(epoch uint64) (wire.Format, bool) { return formats{s}.Format(epoch) }

func (s *StaticEpochs) peers() int { return s.sets.peers() }

// Epochs holds the sets of a network with changing epochs. The host adds the sets of each epoch
// once they are final, before the epoch begins, advances from epoch to epoch, and drops the sets
// that are no longer needed:
//
//	epochs := engine.NewEpochs(7)
//	err := epochs.Add(7, scheme, signer, sequencers)
//	…
//	err = epochs.Add(8, nextScheme, nextSigner, nextSequencers) // as soon as they are known
//	err = epochs.Advance(8)                                     // when epoch 8 begins
//	needed, err := e.EpochsNeeded(ctx)
//	epochs.Retain(needed)
//
// It serves as Schemes, Sequencers and Monitor of a [Config], and as wire.Formats. All methods may
// be called from any goroutine; none blocks, and lookups take no lock. Engines that sign nothing
// may share one; Retain then gets the epochs that any of them needs. After a restart the host adds,
// before Run, every epoch that it had kept: an old lane may need it.
type Epochs struct {
	// sets is replaced by writers, which hold mu, and read by any goroutine. A map is never changed
	// once it is stored.
	sets atomic.Pointer[map[uint64]*epochSets]

	mu       sync.Mutex
	current  uint64
	watchers []watcher
}

// watcher is an engine that gets later epochs. Its channel has a capacity of 1 and holds the newest
// epoch that the engine has not taken.
type watcher struct {
	ctx    context.Context
	epochs chan uint64
}

// NewEpochs returns an Epochs in the given epoch. The sets of that epoch must be added before Run.
func NewEpochs(current uint64) *Epochs {
	return &Epochs{current: current}
}

// Add adds the sets of a past, the current or a future epoch. signer signs our acks of it; nil for
// a process that signs none. The error is a [*ConfigError]: the sets are wrong, or the epoch was
// added before.
func (e *Epochs) Add(epoch uint64, scheme verify.Scheme, signer verify.AckSigner, sequencers []wire.PublicKey) error {
	sets, err := newEpochSets(scheme, signer, sequencers)
	if err != nil {
		return fmt.Errorf("epoch %d: %w", epoch, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.find(epoch) != nil {
		return &ConfigError{Field: "epoch", Want: "one that has not been added: its sets never change", Got: epoch}
	}
	all := make(map[uint64]*epochSets)
	maps.Copy(all, e.all())
	all[epoch] = sets
	e.sets.Store(&all)
	return nil
}

// Advance enters an epoch, and makes the engine enter it. If the engine has not taken an earlier
// one yet, it skips that. The error is a [*ConfigError] if the epoch is not above the current one,
// or has not been added.
func (e *Epochs) Advance(epoch uint64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if epoch <= e.current {
		return &ConfigError{Field: "epoch", Want: fmt.Sprintf("above the current one, %d", e.current), Got: epoch}
	}
	if e.find(epoch) == nil {
		return &ConfigError{Field: "epoch", Want: "one that has been added", Got: epoch}
	}
	e.current = epoch
	e.watchers = slices.DeleteFunc(e.watchers, func(w watcher) bool { return w.ctx.Err() != nil })
	for _, w := range e.watchers {
		select {
		case <-w.epochs: // the engine has not taken it: the newer one replaces it
		default:
		}
		w.epochs <- epoch // does not block: all senders hold mu
	}
	return nil
}

// Retain drops the sets of past epochs that are not among needed, and returns these epochs,
// ascending. Pass it the result of [Engine.EpochsNeeded]. Epochs from the highest of needed on are
// kept, as is the current epoch. A host that fetches locks of old epochs needs their schemes too,
// and must keep them.
func (e *Epochs) Retain(needed []uint64) (dropped []uint64) {
	if len(needed) == 0 {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	past := min(slices.Max(needed), e.current)
	all := maps.Clone(e.all())
	maps.DeleteFunc(all, func(epoch uint64, _ *epochSets) bool {
		drop := epoch < past && !slices.Contains(needed, epoch)
		if drop {
			dropped = append(dropped, epoch)
		}
		return drop
	})
	e.sets.Store(&all)
	slices.Sort(dropped)
	return dropped
}

// Current returns the epoch that was entered last.
func (e *Epochs) Current() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current
}

// find returns the sets of an epoch, nil if it has none.
func (e *Epochs) find(epoch uint64) *epochSets { return e.all()[epoch] }

// all returns the sets of all epochs, nil for the zero Epochs.
func (e *Epochs) all() map[uint64]*epochSets {
	if sets := e.sets.Load(); sets != nil {
		return *sets
	}
	return nil
}

// Scheme implements [SchemeProvider].
func (e *Epochs) Scheme(epoch uint64) (verify.Scheme, bool) {
	if s := e.find(epoch); s != nil {
		return s.scheme, true
	}
	return nil, false
}

// AckSigner implements [SchemeProvider].
func (e *Epochs) AckSigner(epoch uint64) verify.AckSigner {
	if s := e.find(epoch); s != nil {
		return s.signer
	}
	return nil
}

// Sequencers implements [SequencerProvider].
func (e *Epochs) Sequencers(epoch uint64) ([]wire.PublicKey, bool) {
	if s := e.find(epoch); s != nil {
		return s.sequencers, true
	}
	return nil, false
}

// Epochs implements [Monitor]. It fails if the sets of the current epoch have not been added.
func (e *Epochs) Epochs(ctx context.Context) (now uint64, updates <-chan uint64, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.find(e.current) == nil {
		return 0, nil, fmt.Errorf("the sets of the current epoch, %d, have not been added", e.current)
	}
	w := watcher{ctx, make(chan uint64, 1)}
	e.watchers = append(e.watchers, w)
	return e.current, w.epochs, nil
}

// peers returns the number of identities that the largest of the sets names.
func (e *Epochs) peers() (most int) {
	for _, s := range e.all() {
		most = max(most, s.peers())
	}
	return most
}

// Format implements wire.Formats.
func (e *Epochs) Format(epoch uint64) (wire.Format, bool) { return formats{e}.Format(epoch) }
