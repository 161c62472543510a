package testkit_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

var (
	_ engine.SchemeProvider    = (*testkit.Epochs)(nil)
	_ engine.SequencerProvider = (*testkit.Epochs)(nil)
	_ engine.Monitor           = (*testkit.Epochs)(nil)
	_ engine.Reporter          = (*testkit.Recorder)(nil)
	_ engine.Sender            = testkit.Discard{}
	_ verify.AckSigner         = testkit.AckSignerFunc(nil)
)

func TestOneEpochKnowsNoOther(t *testing.T) {
	lane := wire.PublicKey{1}
	e := testkit.OneEpoch(7, testkit.EpochSet{Sequencers: []wire.PublicKey{lane}})
	if now, updates, err := e.Epochs(t.Context()); now != 7 || updates != nil || err != nil {
		t.Errorf("epoch %d, %v", now, err)
	}
	if lanes, ok := e.Sequencers(7); !ok || len(lanes) != 1 || lanes[0] != lane {
		t.Errorf("sequencers %v, %v", lanes, ok)
	}
	_, scheme := e.Scheme(8)
	if _, ok := e.Sequencers(8); ok || scheme || e.AckSigner(8) != nil {
		t.Error("it knows the sets of epoch 8")
	}
}

func TestARecorderKeepsActivitiesByKindUnlessItsHookFails(t *testing.T) {
	refused := errors.New("refused")
	r := testkit.Recorder{Hook: func(_ context.Context, a wire.Activity) error {
		if _, ok := a.(*wire.InvalidNode); ok {
			return refused
		}
		return nil
	}}
	lane := wire.PublicKey{1}
	lock := wire.Lock{Chunk: wire.Chunk{Sequencer: lane, Height: 4}}
	for _, a := range []wire.Activity{&wire.Tip{}, &wire.Certified{Lock: lock}, &wire.InvalidAck{}} {
		if err := r.Report(t.Context(), a); err != nil {
			t.Error(err)
		}
	}
	if err := r.Report(t.Context(), &wire.InvalidNode{}); !errors.Is(err, refused) {
		t.Error(err)
	}
	if len(r.Tips()) != 1 || len(r.Locks()) != 1 || len(r.Faults()) != 1 {
		t.Errorf("%d tips, %d locks, %d faults", len(r.Tips()), len(r.Locks()), len(r.Faults()))
	}
	if r.Height(lane) != 5 || r.Height(wire.PublicKey{2}) != 0 {
		t.Errorf("heights %d and %d", r.Height(lane), r.Height(wire.PublicKey{2}))
	}
}

func TestEventuallyReturnsOnceTheConditionHolds(t *testing.T) {
	calls := 0
	testkit.Eventually(t, "it has been called three times", func() bool { calls++; return calls == 3 })
	if calls != 3 {
		t.Errorf("%d calls", calls)
	}
}
