package node

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// self is the participant number of the engine under test; the generator plays all others.
const self wire.Participant = 0

// population is the behavior of each validator that the generator plays. It is fixed before the
// run.
type population struct {
	weights verify.Weights
	onTime  []wire.Participant // ack a chunk while it is new: honest or with invalid acks
	late    []wire.Participant // honest validators whose acks come a chunk late
	place   []int              // index of the vote of presign.Lane that a participant sends, by participant
	faulty  []bool             // by participant: its acks are invalid
	bad     []wire.Participant // those that are faulty
}

// newPopulation draws the roles from the seed. Fractions are of all n validators, the engine's
// among them. It is a cli.usageError if too few are left to certify in time, or if the others
// cannot certify without the engine.
func newPopulation(cfg *Config) (*population, error) {
	n := cfg.Validators
	count := func(fraction float64) int { return int(math.Round(fraction * float64(n))) }
	invalid, silent, late := count(cfg.invalid), count(cfg.silent), count(cfg.late)
	weights, err := cfg.VotingWeights()
	if err != nil {
		return nil, cli.Usagef("--weights: %v", err)
	}
	if own := weights.Of(self); own > weights.Tolerated() {
		return nil, cli.Usagef("--weights: the first validator, the engine under test, weighs %d of %d, more than a third, and others can certify nothing without it",
			own, weights.Total())
	}
	random := rand.New(rand.NewPCG(cfg.Seed, 0x726f6c6573))
	others := random.Perm(n - 1)
	for i := range others {
		others[i]++ // 0 is the engine's
	}
	left := weights.Total()
	for _, v := range others[:min(invalid+silent+late, len(others))] {
		left -= weights.Of(wire.Participant(v))
	}
	if left < weights.Quorum() {
		of := "validators"
		if !weights.Equal() {
			of = "of the weight"
		}
		return nil, cli.Usagef("--invalid %v, --silent %v and --late %v leave %d of %d %s to ack well and in time; certifying takes %d",
			cfg.invalid, cfg.silent, cfg.late, left, weights.Total(), of, weights.Quorum())
	}
	if cfg.colluding && invalid < 2 {
		return nil, cli.Usagef("--colluding needs at least two validators with invalid acks; --invalid %v of %d are %d", cfg.invalid, n, invalid)
	}
	p := &population{weights: weights, place: make([]int, n), faulty: make([]bool, n)}
	for i := range p.place {
		p.place[i] = i
	}
	bad := others[:invalid]
	for i, v := range bad {
		p.faulty[v] = true
		p.onTime = append(p.onTime, wire.Participant(v))
		p.bad = append(p.bad, wire.Participant(v))
		switch {
		case !cfg.colluding || i == invalid-1 && invalid%2 == 1:
			p.place[v] = n // the wrong one
		case i%2 == 0: // each sends the other's vote: wrong alone, right in a sum that has both
			p.place[v], p.place[bad[i+1]] = bad[i+1], v
		}
	}
	for _, v := range others[invalid+silent : invalid+silent+late] {
		p.late = append(p.late, wire.Participant(v))
	}
	for _, v := range others[invalid+silent+late:] {
		p.onTime = append(p.onTime, wire.Participant(v))
	}
	return p, nil
}

// acksPerRound returns the number of acks for each chunk that the generator sends, or would send if
// acks went to all.
func (p *population) acksPerRound() int { return len(p.onTime) + len(p.late) }

// sending is one ack to send; none if its height is −1.
type sending struct {
	from   wire.Participant
	height int
}

// round returns, in dst, the acks to send while the chunk at a height is new, in random order,
// followed by the late ones for the chunk below. completing is the index of the ack that completes
// a quorum: the good ones up to it and the engine's own are one.
func (p *population) round(dst []sending, random *rand.Rand, height int) (acks []sending, completing int) {
	acks = dst[:0]
	for _, v := range p.onTime {
		acks = append(acks, sending{v, height})
	}
	random.Shuffle(len(acks), func(i, j int) { acks[i], acks[j] = acks[j], acks[i] })
	weight := p.weights.Of(self)
	for i := 0; i < len(acks) && weight < p.weights.Quorum(); i++ {
		if v := acks[i].from; !p.faulty[v] {
			weight += p.weights.Of(v)
			completing = i
		}
	}
	for _, v := range p.late {
		acks = append(acks, sending{v, height - 1})
	}
	return acks, completing
}

// carriers returns, by lane, the peer that sends the certificates: the sequencer, or another,
// honest validator if the sequencer plays an attacker.
func (p *population) carriers(validators, sequencers []*engine.Peer) []*engine.Peer {
	var honest []*engine.Peer
	for i, peer := range validators {
		if wire.Participant(i) != self && !p.faulty[i] {
			honest = append(honest, peer)
		}
	}
	carriers := slices.Clone(sequencers)
	for l := range carriers { // the first validators are the sequencers of the first lanes
		if l < len(p.faulty) && p.faulty[l] {
			carriers[l] = honest[l%len(honest)]
		}
	}
	return carriers
}
