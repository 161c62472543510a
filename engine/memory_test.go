package engine_test

import (
	"log/slog"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

func TestAnEpochThatNeedsMoreThanMaxVoteBytesIsWarnedOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		bytes int
		warns bool
	}{{1 << 20, true}, {0, false}} {
		set := newSet(t, testkit.Ed25519, 100, 1) // 2·100·100·64 bytes: 1.28 MB
		net := &network{handles: map[[2]wire.PublicKey]*engine.Peer{}}
		m := newMember(t, net, oneEpoch(set), set, 0)
		out := new(logged)
		m.config.MaxVoteBytes, m.config.Logger = c.bytes, slog.New(slog.NewTextHandler(out, nil))
		m.open(t, net)
		m.start()
		eventually(t, "the engine has started", func() bool { return out.has("engine started") })
		if _, err := m.engine.Status(t.Context()); err != nil { // answered by the loop, after its beginning
			t.Fatal(err)
		}
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		if out.has("MaxVoteBytes is too small") != c.warns {
			t.Errorf("MaxVoteBytes %d: warned %v, want %v", c.bytes, !c.warns, c.warns)
		}
	}
}
