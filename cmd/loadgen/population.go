package main

import (
	"math"
	"math/rand/v2"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// self is the participant number of the engine under test; the generator plays all others.
const self wire.Participant = 0

// population is the behavior of each validator that the generator plays. It is fixed before the
// run.
type population struct {
	n      int
	onTime []wire.Participant // those that ack a chunk while it is new: honest ones and those whose acks are invalid
	late   []wire.Participant // honest ones whose acks come a chunk late
	place  []int              // index of the vote of presign.Lane that a participant sends, by participant
	faulty []bool             // by participant: its acks are invalid
}

// newPopulation draws the roles from the seed. Fractions are of all n validators, the engine's
// among them. It is a usageError if too few are left to certify in time.
func newPopulation(cfg *nodeConfig) (*population, error) {
	n := cfg.validators
	count := func(fraction float64) int { return int(math.Round(fraction * float64(n))) }
	invalid, silent, late := count(cfg.invalid), count(cfg.silent), count(cfg.late)
	if left, quorum := n-invalid-silent-late, verify.Quorum(n); left < quorum {
		return nil, usagef("--invalid %v, --silent %v and --late %v leave %d of %d validators that ack well and in time; certifying takes %d",
			cfg.invalid, cfg.silent, cfg.late, left, n, quorum)
	}
	if cfg.colluding && invalid < 2 {
		return nil, usagef("--colluding needs at least two validators with invalid acks; --invalid %v of %d are %d", cfg.invalid, n, invalid)
	}
	p := &population{n: n, place: make([]int, n), faulty: make([]bool, n)}
	random := rand.New(rand.NewPCG(cfg.seed, 0x726f6c6573))
	others := random.Perm(n - 1)
	for i := range others {
		others[i]++ // 0 is the engine's
	}
	for i := range p.place {
		p.place[i] = i
	}
	bad := others[:invalid]
	for i, v := range bad {
		p.faulty[v] = true
		p.onTime = append(p.onTime, wire.Participant(v))
		switch {
		case !cfg.colluding || i == invalid-1 && invalid%2 == 1:
			p.place[v] = n // the wrong one
		case i%2 == 0: // each sends what the other should: wrong alone, right in a sum that has both
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

// acksPerRound returns the number of acks that the generator sends for each chunk.
func (p *population) acksPerRound() int { return len(p.onTime) + len(p.late) }

// sending is one ack to send; none if its height is −1.
type sending struct {
	from   wire.Participant
	height int
}

// round returns, in dst, the acks to send while the chunk at a height is new, in random order and
// then those that are late for the chunk below. completing is the index of the ack after which a
// quorum is possible: one less than a quorum of good ones, with the engine's own.
func (p *population) round(dst []sending, random *rand.Rand, height int) (acks []sending, completing int) {
	acks = dst[:0]
	for _, v := range p.onTime {
		acks = append(acks, sending{v, height})
	}
	random.Shuffle(len(acks), func(i, j int) { acks[i], acks[j] = acks[j], acks[i] })
	for i, missing := 0, verify.Quorum(p.n)-1; i < len(acks) && missing > 0; i++ {
		if !p.faulty[acks[i].from] {
			missing--
			completing = i
		}
	}
	for _, v := range p.late {
		acks = append(acks, sending{v, height - 1})
	}
	return acks, completing
}
