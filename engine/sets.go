package engine

import (
	"fmt"
	"log/slog"
	"reflect"
	"slices"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// sets gives the core the providers.
type sets struct {
	SchemeProvider
	sequencers SequencerProvider
	log        *slog.Logger
	checked    map[wire.PublicKey]bool // keys, and whether they are of small order
	schemes    map[any]bool            // and whether they can be used; see schemeKey
	learned    []uint64                // epochs whose sets the core has got since the loop looked last
}

func newSets(cfg *Config) *sets {
	return &sets{
		SchemeProvider: cfg.Schemes, sequencers: cfg.Sequencers, log: cfg.Logger,
		checked: make(map[wire.PublicKey]bool), schemes: make(map[any]bool),
	}
}

// maxChecked bounds how many keys sets remembers.
const maxChecked = 1 << 16

// maxSchemes bounds how many schemes sets remembers.
const maxSchemes = 1 << 10

// Scheme implements core.Sets. A scheme that contradicts itself is as good as unknown: nothing could
// be counted with it.
func (s *sets) Scheme(epoch uint64) (verify.Scheme, bool) {
	scheme, ok := s.SchemeProvider.Scheme(epoch)
	if !ok || scheme == nil {
		return nil, false
	}
	key := schemeKey(epoch, scheme)
	usable, known := s.schemes[key]
	if !known {
		if len(s.schemes) == maxSchemes {
			clear(s.schemes)
		}
		fault := schemeFault(scheme)
		if fault != "" {
			s.log.Error("the scheme of an epoch cannot be used, and counts as unknown: "+fault, "epoch", epoch)
		}
		usable = fault == ""
		s.schemes[key] = usable
	}
	return scheme, usable
}

// schemeKey returns by what a scheme is remembered: itself, or its epoch if it cannot be compared. An
// embedder's may be a struct with a slice in it.
func schemeKey(epoch uint64, scheme verify.Scheme) any {
	if reflect.ValueOf(scheme).Comparable() {
		return scheme
	}
	return epoch
}

// schemeFault names what is wrong with a scheme, which an embedder may have made. It is empty if
// nothing is.
func schemeFault(scheme verify.Scheme) string {
	switch scheme.(type) {
	case *verify.Multisig, *verify.Threshold, *verify.Ed25519:
		return "" // by construction
	}
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
	list, ok := s.usable(epoch)
	if ok {
		s.learned = append(s.learned, epoch)
	}
	return list, ok
}

// usable returns the sequencers of an epoch without keys of small order, in whose names anybody
// could sign chunks: docs/protocol.md 3.1. The rest of the set is used.
func (s *sets) usable(epoch uint64) ([]wire.PublicKey, bool) {
	list, ok := s.sequencers.Sequencers(epoch)
	if !slices.ContainsFunc(list, s.hasSmallOrder) {
		return list, ok
	}
	return slices.DeleteFunc(slices.Clone(list), s.hasSmallOrder), ok
}

// hasSmallOrder checks a key once, and logs what is wrong with it.
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

// takeLearned returns the epochs that have become known, ascending, and forgets them.
func (s *sets) takeLearned() []uint64 {
	slices.Sort(s.learned)
	learned := slices.Compact(s.learned)
	s.learned = nil
	return learned
}
