package setup

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/verify"
)

// Values of --weights. Any other is the name of a file.
const (
	EqualWeights = "equal"
	ZipfWeights  = "zipf"
)

// weigh sets the validators' weights from --weights, unless a manifest has set them.
func (cfg *Config) weigh() error {
	switch {
	case cfg.Voting != nil || cfg.Weights == EqualWeights:
		return nil
	case cfg.Weights == ZipfWeights:
		cfg.Voting = zipf(cfg.Validators, cfg.Seed)
		return nil
	case cfg.Weights == "":
		return cli.Usagef("--weights must be equal, zipf or the name of a file")
	}
	f, err := os.Open(cfg.Weights)
	if err != nil {
		return cli.Usagef("--weights: %v; give equal, zipf or the name of a file", err)
	}
	defer f.Close()
	if cfg.Voting, err = readWeights(f, cfg.Validators); err != nil {
		return cli.Usagef("--weights: %s: %v", cfg.Weights, err)
	}
	return nil
}

// VotingWeights returns the validators' weights.
func (cfg *Config) VotingWeights() (verify.Weights, error) {
	if cfg.Voting == nil {
		return verify.EqualWeights(cfg.Validators), nil
	}
	return verify.NewWeights(cfg.Voting)
}

// ZipfScale is the weight of the first rank. It is so large that rounding changes no weight of a
// thousand by more than a twentieth of a percent.
const ZipfScale = 1_000_000

// zipf returns weights of n validators, by participant: that of rank k is in proportion to 1/k. The
// ranks are random.
func zipf(n int, seed uint64) []uint64 {
	weights := make([]uint64, n)
	for rank, i := range rand.New(rand.NewPCG(seed, 0x7a697066)).Perm(n) {
		weights[i] = uint64(math.Round(ZipfScale / float64(rank+1)))
	}
	return weights
}

// readWeights reads the weights of n validators, a whole number on each line, by participant.
func readWeights(r io.Reader, n int) ([]uint64, error) {
	var weights []uint64
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if len(weights) == n {
			return nil, fmt.Errorf("line %d is one too many: there are %d validators, hence lines", n+1, n)
		}
		w, err := strconv.ParseUint(strings.TrimSpace(lines.Text()), 10, 64)
		if err != nil || w == 0 || w > verify.MaxWeight {
			return nil, fmt.Errorf("line %d is %.40q; a weight is a whole number from 1 to 2^62", len(weights)+1, lines.Text())
		}
		weights = append(weights, w)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", len(weights)+1, err)
	}
	if len(weights) < n {
		return nil, fmt.Errorf("it ends after line %d; there are %d validators, hence lines", len(weights), n)
	}
	if _, err := verify.NewWeights(weights); err != nil {
		return nil, err
	}
	return weights, nil
}
