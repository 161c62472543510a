package testkit

import (
	"context"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// EpochSet holds the sets of one epoch.
type EpochSet struct {
	Scheme     verify.Scheme
	Signer     verify.AckSigner // nil if the engine is no validator
	Sequencers []wire.PublicKey
}

// Epochs provides the sets of epochs to one engine, and the epoch that it is in. It implements
// engine.SchemeProvider, engine.SequencerProvider and engine.Monitor. It must not be changed while
// the engine runs.
type Epochs struct {
	Sets    map[uint64]EpochSet
	Current uint64        // the epoch in which the engine starts
	Updates <-chan uint64 // later epochs; nil if there are none
}

// OneEpoch returns an epoch that never ends.
func OneEpoch(epoch uint64, set EpochSet) *Epochs {
	return &Epochs{Sets: map[uint64]EpochSet{epoch: set}, Current: epoch}
}

// Scheme implements engine.SchemeProvider.
func (e *Epochs) Scheme(epoch uint64) (verify.Scheme, bool) {
	s, ok := e.Sets[epoch]
	return s.Scheme, ok
}

// AckSigner implements engine.SchemeProvider.
func (e *Epochs) AckSigner(epoch uint64) verify.AckSigner { return e.Sets[epoch].Signer }

// Sequencers implements engine.SequencerProvider.
func (e *Epochs) Sequencers(epoch uint64) ([]wire.PublicKey, bool) {
	s, ok := e.Sets[epoch]
	return s.Sequencers, ok
}

// Epochs implements engine.Monitor.
func (e *Epochs) Epochs(context.Context) (now uint64, updates <-chan uint64, err error) {
	return e.Current, e.Updates, nil
}
