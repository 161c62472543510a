package engine

import (
	"crypto/ed25519"
	"encoding/binary"
	"log/slog"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

type oneList []wire.PublicKey

func (l oneList) Sequencers(uint64) ([]wire.PublicKey, bool) { return l, true }

// 3.1: Sets of validators and of sequencers refuse keys of small order: anybody could make their
// votes, or sign their chunks.
//
// Each key is checked once, not once per epoch in which the sequencer takes part.
func TestRule3_1_AKeyIsCheckedOnceForAllEpochs(t *testing.T) {
	list := oneList{{1}} // the neutral element
	for i := range byte(3) {
		seed := make([]byte, ed25519.SeedSize)
		seed[0] = i
		list = append(list, wire.PublicKey(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)))
	}
	s := &sets{sequencers: list, log: slog.New(slog.DiscardHandler), checked: make(map[wire.PublicKey]bool)}
	demand := func(what string, want ...wire.PublicKey) {
		t.Helper()
		if got, ok := s.Sequencers(1); !ok || !slices.Equal(got, want) {
			t.Fatalf("%s: got %v, %v", what, got, ok)
		}
	}
	demand("first", list[1:]...)
	if len(s.checked) != len(list) {
		t.Errorf("%d keys are remembered", len(s.checked))
	}
	// A remembered result is used.
	s.checked[list[0]], s.checked[list[2]] = false, true
	demand("changed in memory", list[0], list[1], list[3])
	// Keys are remembered up to the bound.
	clear(s.checked)
	for i := range uint64(maxChecked) {
		var key wire.PublicKey
		binary.BigEndian.PutUint64(key[8:], i)
		s.checked[key] = true
	}
	demand("once the memory was full", list[1:]...)
	if len(s.checked) > maxChecked {
		t.Errorf("%d keys are remembered", len(s.checked))
	}
}
