package engine

import (
	"log/slog"
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
	learned    []uint64                // epochs whose sets the core has got since the loop looked last
}

// maxChecked bounds how many keys sets remembers.
const maxChecked = 1 << 16

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
