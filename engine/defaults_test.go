package engine

import (
	"log/slog"
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// whole is a configuration that withDefaults accepts; none of its collaborators is ever called.
func whole() Config {
	return Config{
		Namespace: []byte("n"), Schemes: struct{ SchemeProvider }{}, Sequencers: struct{ SequencerProvider }{},
		Monitor: struct{ Monitor }{}, Automaton: struct{ Automaton }{}, Reporter: struct{ Reporter }{},
		Sender: struct{ Sender }{}, Journal: JournalConfig{Dir: "d"}, Logger: slog.New(slog.DiscardHandler),
	}
}

// A node repeated before AckInterval is over gets no answer.
func TestTheDefaultOfAckIntervalAnswersEveryRebroadcast(t *testing.T) {
	for rebroadcast, want := range map[time.Duration]time.Duration{
		0: 200 * time.Millisecond, time.Second: 200 * time.Millisecond, 400 * time.Millisecond: 200 * time.Millisecond,
		300 * time.Millisecond: 150 * time.Millisecond, 10 * time.Millisecond: 5 * time.Millisecond, 1: 1,
	} {
		c := whole()
		c.RebroadcastTimeout = rebroadcast
		got, err := c.withDefaults()
		if err != nil || got.AckInterval != want {
			t.Errorf("RebroadcastTimeout %v: AckInterval %v, %v; want %v", rebroadcast, got.AckInterval, err, want)
		}
	}
}

// counted is a provider that knows how many peers its sets need.
type counted struct {
	SchemeProvider
	n int
}

func (c counted) peers() int { return c.n }

func TestTheDefaultsOfHandlesAndQuotasFollowTheSets(t *testing.T) {
	for _, c := range []struct{ needed, peers, quota, wantPeers, wantQuota int }{
		{needed: 0, wantPeers: 128, wantQuota: 1024},
		{needed: 64, wantPeers: 128, wantQuota: 1024},
		{needed: 192, wantPeers: 256, wantQuota: 512},
		{needed: 1600, wantPeers: 1664, wantQuota: 128},
		{needed: 65535, wantPeers: 65536, wantQuota: 128},
		{needed: 1600, peers: 50, wantPeers: 50, wantQuota: 1024},
		{needed: 192, quota: 7, wantPeers: 256, wantQuota: 7},
		{needed: 1600, quota: 1 << 18, wantPeers: 256, wantQuota: 1 << 18}, // 2^26 messages
	} {
		config := whole()
		config.Schemes, config.MaxPeers, config.PeerQuota = counted{n: c.needed}, c.peers, c.quota
		got, err := config.withDefaults()
		if err != nil || got.MaxPeers != c.wantPeers || got.PeerQuota != c.wantQuota {
			t.Errorf("%+v: MaxPeers %d, PeerQuota %d, %v", c, got.MaxPeers, got.PeerQuota, err)
		}
	}
	sets := &StaticEpochs{}
	if sets.peers() != 0 || (&Epochs{}).peers() != 0 {
		t.Error("empty providers need peers")
	}
	sets.sets.sequencers = []wire.PublicKey{{1}}
	if sets.peers() != 0 {
		t.Error("sets that are not known need peers")
	}
}
