package core

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestABadConfigNamesTheFieldAndTheRange(t *testing.T) {
	for field, change := range map[string]func(*Config){
		"Sets":               func(c *Config) { c.Sets = nil },
		"EpochsBack":         func(c *Config) { c.EpochsBack = maxEpochBound + 1 },
		"EpochsAhead":        func(c *Config) { c.EpochsAhead = 1 << 63 },
		"HeightBound":        func(c *Config) { c.HeightBound = 1 << 31 },
		"MaxVoteBytes":       func(c *Config) { c.MaxVoteBytes = 1000 },
		"RebroadcastTimeout": func(c *Config) { c.RebroadcastTimeout = 0 },
		"AckInterval":        func(c *Config) { c.AckInterval = -time.Second },
		"ProposeBackoff":     func(c *Config) { c.ProposeBackoff = 0 },
		"SuspectDelay":       func(c *Config) { c.SuspectDelay = 0 },
		"BadNodeInterval":    func(c *Config) { c.BadNodeInterval = 0 },
	} {
		cfg := defaults(id(0))
		cfg.Sets = &view{}
		change(&cfg)
		_, err := New(cfg)
		var bad *ConfigError
		if !errors.As(err, &bad) || bad.Field != field || !strings.Contains(err.Error(), bad.Want) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

func TestNamesOfKindsOutcomesAndStatuses(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range Outcomes() {
		if s := o.String(); s == "" || s == "unknown" || seen[s] {
			t.Errorf("outcome %d is called %q", o, s)
		}
		seen[o.String()] = true
	}
	expect(t, "an outcome that is none", numOutcomes.String(), "unknown")
	expect(t, "a kind", AskVerify.String(), "ask-verify")
	expect(t, "a kind that is none", EffectKind(99).String(), "unknown")
	expect(t, "a status", Dropped.String(), "dropped")
	expect(t, "a peer", NewPeer(id(3)).ID(), id(3))
}
