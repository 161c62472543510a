package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

var (
	_ engine.SchemeProvider    = (*engine.StaticEpochs)(nil)
	_ engine.SequencerProvider = (*engine.StaticEpochs)(nil)
	_ engine.Monitor           = (*engine.StaticEpochs)(nil)
	_ wire.Formats             = (*engine.StaticEpochs)(nil)
	_ engine.SchemeProvider    = (*engine.Epochs)(nil)
	_ engine.SequencerProvider = (*engine.Epochs)(nil)
	_ engine.Monitor           = (*engine.Epochs)(nil)
	_ wire.Formats             = (*engine.Epochs)(nil)
)

func TestSetsThatCannotWorkAreRefusedByName(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	good := s.Scheme.Participants()
	for _, c := range []struct {
		field      string
		scheme     verify.Scheme
		signer     verify.AckSigner
		sequencers []wire.PublicKey
	}{
		{"Scheme", nil, nil, good},
		{"Scheme", (*trusting)(nil), nil, good},
		{"Signer", s.Scheme, (*slowSigner)(nil), good},
		{"Sequencers", s.Scheme, nil, nil},
		{"Sequencers", s.Scheme, nil, []wire.PublicKey{good[0], good[1], good[0]}},
		{"Sequencers", s.Scheme, nil, []wire.PublicKey{good[0], {1}}},
	} {
		var wrong *engine.ConfigError
		if _, err := engine.NewStaticEpochs(c.scheme, c.signer, c.sequencers); !errors.As(err, &wrong) || wrong.Field != c.field {
			t.Errorf("want %s refused, got %v", c.field, err)
		}
		epochs := engine.NewEpochs(0)
		if err := epochs.Add(0, c.scheme, c.signer, c.sequencers); !errors.As(err, &wrong) || wrong.Field != c.field {
			t.Errorf("want %s refused, got %v", c.field, err)
		}
		if _, ok := epochs.Scheme(0); ok {
			t.Error("they were added nevertheless")
		}
	}
}

func TestStaticEpochsKnowEpochZeroOnly(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	sequencers := slices.Clone(s.Scheme.Participants())
	epochs, err := engine.NewStaticEpochs(s.Scheme, s.Signers[0], sequencers)
	if err != nil {
		t.Fatal(err)
	}
	sequencers[0] = wire.PublicKey{} // it has a copy
	for epoch, known := range []bool{true, false} {
		e := uint64(epoch)
		scheme, ok := epochs.Scheme(e)
		list, listed := epochs.Sequencers(e)
		format, formatted := epochs.Format(e)
		if ok != known || listed != known || formatted != known || (epochs.AckSigner(e) != nil) != known {
			t.Errorf("epoch %d: known %v, %v, %v", e, ok, listed, formatted)
		}
		if known && (scheme != s.Scheme || format != s.Scheme.Format() || !slices.Equal(list, s.Scheme.Participants())) {
			t.Errorf("epoch %d has other sets", e)
		}
	}
}

func TestAnEpochIsAddedOnceAndEnteredInOrder(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	epochs := engine.NewEpochs(3)
	refused := func(what string, err error) {
		t.Helper()
		var wrong *engine.ConfigError
		if !errors.As(err, &wrong) || wrong.Field != "epoch" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := epochs.Epochs(t.Context()); err == nil {
		t.Error("it began in an epoch without sets")
	}
	for _, e := range []uint64{3, 2, 5} {
		if err := epochs.Add(e, s.Scheme, nil, s.Scheme.Participants()); err != nil {
			t.Fatal(err)
		}
	}
	refused("an epoch added twice", epochs.Add(3, s.Scheme, nil, s.Scheme.Participants()))
	refused("the current epoch", epochs.Advance(3))
	refused("an earlier epoch", epochs.Advance(2))
	refused("an epoch without sets", epochs.Advance(4))
	if err := epochs.Advance(5); err != nil {
		t.Error(err)
	}
	if got := epochs.Current(); got != 5 {
		t.Errorf("it is in epoch %d", got)
	}
}

func TestNoPastEpochIsDroppedThatAnEngineMayNeed(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	epochs := engine.NewEpochs(0)
	for e := range uint64(10) {
		if err := epochs.Add(e, s.Scheme, nil, s.Scheme.Participants()); err != nil {
			t.Fatal(err)
		}
	}
	if err := epochs.Advance(8); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ needed, dropped []uint64 }{
		{nil, nil},
		{[]uint64{1, 4, 5, 6}, []uint64{0, 2, 3}}, // the engine has yet to enter epoch 8
		{[]uint64{1, 7, 8, 9}, []uint64{4, 5, 6}},
		{[]uint64{100}, []uint64{1, 7}}, // the current epoch stays in any case
	} {
		if got := epochs.Retain(c.needed); !slices.Equal(got, c.dropped) {
			t.Errorf("needed %v: dropped %v, want %v", c.needed, got, c.dropped)
		}
	}
	for e := range uint64(10) {
		if _, ok := epochs.Scheme(e); ok != (e >= 8) {
			t.Errorf("epoch %d is known: %v", e, ok)
		}
	}
}

func TestAnEngineThatDoesNotReadItsEpochsHoldsUpNobodyAndGetsTheNewest(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	epochs := engine.NewEpochs(0)
	add := func(e uint64) {
		if err := epochs.Add(e, s.Scheme, nil, s.Scheme.Participants()); err != nil {
			t.Error(err)
		}
	}
	add(0)
	ended, end := context.WithCancel(t.Context())
	if _, _, err := epochs.Epochs(ended); err != nil {
		t.Fatal(err)
	}
	end()
	now, updates, err := epochs.Epochs(t.Context())
	if now != 0 || err != nil {
		t.Fatalf("it begins in epoch %d, %v", now, err)
	}
	const last = 500
	var wg sync.WaitGroup
	for range 2 { // lookups meanwhile
		wg.Go(func() {
			for known := false; !known; {
				_, known = epochs.Scheme(last)
				_, _ = epochs.Sequencers(last / 2)
			}
		})
	}
	wg.Go(func() {
		for e := uint64(1); e <= last; e++ {
			add(e)
			if err := epochs.Advance(e); err != nil {
				t.Error(err)
			}
			epochs.Retain([]uint64{e})
		}
	})
	seen := uint64(0)
	for seen < last { // does not end unless the last one comes
		e := <-updates
		if e <= seen {
			t.Fatalf("epoch %d came after %d", e, seen)
		}
		seen = e
	}
	wg.Wait()
}

// The same with a host's calls: sets are added, epochs entered, and sets no longer needed are
// dropped while the engines run.
func TestEpochsPassUnderRunningEngines(t *testing.T) {
	t.Parallel()
	identities := testkit.Identities(4, 1)
	var sets []*testkit.Set
	schemes := map[uint64]verify.Scheme{}
	for e := range uint64(4) {
		s, err := testkit.NewFor(identities, testkit.Multisig, verify.MinSig, verify.Compressed, namespace, e)
		if err != nil {
			t.Fatal(err)
		}
		sets, schemes[e] = append(sets, s), s.Scheme
	}
	net, _, members := newCluster(t, sets[0])
	hosts := make([]*engine.Epochs, len(members))
	for i, m := range members {
		hosts[i] = engine.NewEpochs(0)
		m.config.Schemes, m.config.Sequencers, m.config.Monitor = hosts[i], hosts[i], hosts[i]
	}
	add := func(e uint64) {
		for i, h := range hosts {
			if err := h.Add(e, schemes[e], sets[e].Signers[i], sets[e].Scheme.Participants()); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(0)
	add(1)
	startAll(t, net, members)
	for e := uint64(1); e < 4; e++ {
		if e+1 < 4 {
			add(e + 1)
		}
		for _, h := range hosts {
			if err := h.Advance(e); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "every lane has a lock of the epoch", func() bool {
			lanes := map[wire.PublicKey]bool{}
			for _, l := range members[0].recorder.Locks() {
				if l.Epoch == e {
					lanes[l.Chunk.Sequencer] = true
				}
			}
			return len(lanes) == len(members)
		})
	}
	eventually(t, "epoch 0 is needed no more", func() bool {
		needed, err := members[0].engine.EpochsNeeded(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hosts[0].Retain(needed)
		_, known := hosts[0].Scheme(0)
		return !known
	})
	before := members[0].recorder.Height(members[1].id)
	eventually(t, "lanes go on", func() bool { return members[0].recorder.Height(members[1].id) > before+3 })
	haltAll(t, members)
	demandSound(t, schemes, members)
}

func TestLocksAreDecodedWithTheFormatsOfTheSchemes(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Multisig, 4, 1)
	_, w, members := newCluster(t, s)
	lock := certify(t, s, wire.Chunk{Sequencer: members[0].id, Height: 3}, 2)
	delete(w.schemes, 5)
	formats := engine.Formats(w)
	var decoded wire.Lock
	if err := decoded.Decode(lock.AppendTo(nil), formats); err != nil || decoded.Subject() != lock.Subject() {
		t.Errorf("decoded %+v, %v", decoded, err)
	}
	lock.Epoch = 5
	if err := decoded.Decode(lock.AppendTo(nil), formats); !errors.Is(err, wire.ErrUnknownEpoch) {
		t.Errorf("a lock of an unknown epoch: %v", err)
	}
}
