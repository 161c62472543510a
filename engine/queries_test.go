package engine_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/lanecast/lanecast/engine"
)

func TestQueriesThatAreGivenUpBeforeRunLeaveNothing(t *testing.T) {
	e, err := engine.New(soundConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 100_000 {
		if _, err := e.Status(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d KiB are kept", grown>>10)
	}
}

func TestTheZeroProvidersKnowNoEpoch(t *testing.T) {
	for name, sets := range map[string]interface {
		engine.SchemeProvider
		engine.SequencerProvider
	}{"Epochs": new(engine.Epochs), "StaticEpochs": new(engine.StaticEpochs)} {
		_, scheme := sets.Scheme(0)
		if _, sequencers := sets.Sequencers(0); scheme || sequencers || sets.AckSigner(0) != nil {
			t.Errorf("the zero %s knows the sets of epoch 0", name)
		}
	}
}
