package node

import (
	"testing"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/wire"
)

func TestZipfNeverMakesTheEngineUnderTestIndispensable(t *testing.T) {
	for seed := range uint64(200) {
		cfg := DefaultConfig()
		cfg.Validators, cfg.Weights, cfg.Seed = 4, setup.ZipfWeights, seed
		cfg.Explicit = func(flag string) bool { return flag == "seed" }
		if err := cfg.Check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		weights, err := cfg.VotingWeights()
		if err != nil {
			t.Fatal(err)
		}
		others := wire.NewSigners(4)
		for i := wire.Participant(1); i < 4; i++ {
			others.Add(i)
		}
		if weights.Sum(others) < weights.Quorum() {
			t.Errorf("seed %d: %v", seed, cfg.Voting)
		}
	}
}
