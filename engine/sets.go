package engine

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// sets passes the providers' answers to the core.
type sets struct {
	SchemeProvider
	sequencers SequencerProvider
	log        *slog.Logger
	namespace  []byte
	checked    map[wire.PublicKey]bool // keys, and whether they are of small order
	learned    []uint64                // epochs whose sets the core has received since the loop last looked

	mu     sync.Mutex
	usable map[uint64]bool // by epoch, of schemes that are not sound by construction: whether they can be used
}

func newSets(cfg *Config) *sets {
	return &sets{
		SchemeProvider: cfg.Schemes, sequencers: cfg.Sequencers, log: cfg.Logger, namespace: cfg.Namespace,
		checked: make(map[wire.PublicKey]bool), usable: make(map[uint64]bool),
	}
}

// maxChecked is the highest number of keys that sets remembers.
const maxChecked = 1 << 16

// maxUsable is the highest number of epochs for which sets remembers whether their schemes can be
// used.
const maxUsable = 1 << 10

// Scheme implements core.Sets. A scheme that contradicts itself, or is of another namespace, counts
// as unknown: no vote could be counted with it. Any goroutine may call it.
func (s *sets) Scheme(epoch uint64) (verify.Scheme, bool) {
	scheme, ok := s.SchemeProvider.Scheme(epoch)
	if !ok || scheme == nil {
		return nil, false
	}
	switch scheme.(type) {
	case *verify.Multisig, *verify.Threshold, *verify.Ed25519, *verify.Secp256r1: // sound by construction
		if !s.foreign(scheme) {
			return scheme, true
		}
	}
	// By epoch: an embedder's scheme need not be comparable, and must not be kept.
	s.mu.Lock()
	usable, known := s.usable[epoch]
	s.mu.Unlock()
	if !known {
		fault := schemeFault(scheme)
		if s.foreign(scheme) {
			fault = "its votes are of another namespace than Config.Namespace"
		}
		if fault != "" {
			s.log.Error("the scheme of an epoch cannot be used, and counts as unknown: "+fault, "epoch", epoch)
		}
		usable = fault == ""
		s.mu.Lock()
		if len(s.usable) >= maxUsable {
			clear(s.usable)
		}
		s.usable[epoch] = usable
		s.mu.Unlock()
	}
	if !usable {
		return nil, false
	}
	return scheme, true
}

// foreign reports whether a scheme is for another namespace, if it has a method for that. An
// embedder's own scheme need not have it.
func (s *sets) foreign(scheme verify.Scheme) bool {
	known, ok := scheme.(interface{ InNamespace([]byte) bool })
	return ok && !known.InNamespace(s.namespace)
}

// schemeFault returns the fault of a scheme that an embedder has made, or "".
func schemeFault(scheme verify.Scheme) string {
	participants := scheme.Participants()
	switch n := len(participants); {
	case n == 0 || n != scheme.Format().Participants || n != scheme.Weights().Len():
		return fmt.Sprintf("it has %d participants, a format for %d and weights of %d; these are the same, and at least 1",
			n, scheme.Format().Participants, scheme.Weights().Len())
	case slices.ContainsFunc(participants, verify.HasSmallOrder):
		return "the key of a participant is a point of small order, in whose name anybody can sign"
	}
	return ""
}

// Sequencers implements core.Sets.
func (s *sets) Sequencers(epoch uint64) ([]wire.PublicKey, bool) {
	list, ok := s.usableSequencers(epoch)
	if ok {
		s.learned = append(s.learned, epoch)
	}
	return list, ok
}

// usableSequencers returns the sequencers of an epoch without keys of small order, in whose names
// anybody could sign chunks: docs/protocol.md 3.1. The rest of the set is used.
func (s *sets) usableSequencers(epoch uint64) ([]wire.PublicKey, bool) {
	list, ok := s.sequencers.Sequencers(epoch)
	if !slices.ContainsFunc(list, s.hasSmallOrder) {
		return list, ok
	}
	return slices.DeleteFunc(slices.Clone(list), s.hasSmallOrder), ok
}

// hasSmallOrder checks a key once, and logs it if it is of small order.
func (s *sets) hasSmallOrder(key wire.PublicKey) bool {
	small, known := s.checked[key]
	if !known {
		if len(s.checked) == maxChecked {
			clear(s.checked)
		}
		if small = verify.HasSmallOrder(key); small {
			s.log.Error("a sequencer's key is a point of small order: anybody could sign its chunks, so they are refused",
				"sequencer", key)
		}
		s.checked[key] = small
	}
	return small
}

// takeLearned returns and clears the epochs that have become known, ascending.
func (s *sets) takeLearned() []uint64 {
	slices.Sort(s.learned)
	learned := slices.Compact(s.learned)
	s.learned = nil
	return learned
}
