package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/lanecast/lanecast/wire"
)

// Acks determines the receivers of acks in a network, and whether certificates are sent.
type Acks int

// The settings.
const (
	// AcksToAll is upstream's setting: no certificates are sent.
	AcksToAll Acks = iota
	// AcksAndCertificatesToAll sends certificates too.
	AcksAndCertificatesToAll
	// AcksToSequencer sends acks only to the sequencer of their chunk.
	AcksToSequencer
	// AcksMoving is a network that changes from the second setting to the third: some processes
	// start with the third, others have it after a restart.
	AcksMoving
	numAcks
)

// setAcks sets Acks for a process that is about to start.
func (p *process) setAcks() {
	n := p.net
	p.cfg.SendCertificates = n.Acks != AcksToAll
	p.cfg.AcksToSequencer = n.Acks == AcksToSequencer || n.Acks == AcksMoving && (p.cfg.AcksToSequencer || n.chance(50))
}

// Weights determines the weights of the validators of each epoch. Threshold sets have no weights.
type Weights int

// The kinds of weights. The total weight of hostile validators is at most f, and often exactly f.
const (
	// EqualWeights sets no weights.
	EqualWeights Weights = iota
	// RandomWeights sets small random weights, the same in every epoch.
	RandomWeights
	// SkewedWeights gives one honest validator the largest weight with which the others still make
	// a quorum.
	SkewedWeights
	// ChangingWeights sets new random weights in each epoch.
	ChangingWeights
	numWeights
)

// weigh returns the weights of the validators of an epoch, ascending by identity; nil for none.
func (r *Roster) weigh(epoch uint64, validators []int) []uint64 {
	c := r.config
	if c.Weights == EqualWeights || c.Scheme == KeyedGroup || c.Scheme == ThresholdMinSig || c.Scheme == ThresholdMinPk {
		return nil
	}
	seed := c.Seed
	if c.Weights == ChangingWeights {
		seed += 1000 * epoch
	}
	random := rand.New(rand.NewPCG(seed, 0x3E1647))
	weight := make(map[int]uint64, len(validators))
	var hostile []int
	honest := uint64(0)
	for _, i := range validators {
		weight[i] = 1 + random.Uint64N(9)
		if i < c.Byzantine {
			hostile = append(hostile, i)
			weight[i] = 1
		} else {
			honest += weight[i]
		}
	}
	if c.Weights == SkewedWeights && len(hostile) == 0 {
		// If W is the total weight, f = ⌊(W−1)/3⌋ may be missing: at most (others − 1)/2.
		big := validators[random.IntN(len(validators))]
		if others := honest - weight[big]; others > 2 {
			weight[big] = (others - 1) / 2
		}
	} else if len(hostile) > 0 {
		most := (honest - 1) / 2 // the same for all hostile validators together
		if most < uint64(len(hostile)) {
			for _, i := range validators {
				if i >= c.Byzantine {
					weight[i] += uint64(2 * len(hostile))
					honest += uint64(2 * len(hostile))
				}
			}
			most = (honest - 1) / 2
		}
		for left := most - uint64(len(hostile)); left > 0; {
			more := 1 + random.Uint64N(left)
			weight[hostile[random.IntN(len(hostile))]] += more
			left -= more
		}
	}
	sorted := slices.Clone(validators)
	slices.SortFunc(sorted, func(a, b int) int { return r.ids[a].Compare(r.ids[b]) })
	all := make([]uint64, len(sorted))
	for k, i := range sorted {
		all[k] = weight[i]
	}
	return all
}

// weightOf returns the weight of a process in an epoch, 0 if it is no validator.
func (r *Roster) weightOf(process int, epoch uint64) uint64 {
	e := r.epochs[epoch]
	i, ok := e.scheme.Index(r.ids[process])
	if !ok {
		return 0
	}
	return e.weight(int(i))
}

// weight returns the weight of participant i.
func (e *epochSets) weight(i int) uint64 {
	if e.weights == nil {
		return 1
	}
	return e.weights[i]
}

// certifies reports whether some participants are a quorum, by the definition of docs/protocol.md
// 1.
func (e *epochSets) certifies(signs func(wire.Participant) bool) bool {
	var all, signed uint64
	for i := range e.scheme.Participants() {
		all += e.weight(i)
		if signs(wire.Participant(i)) {
			signed += e.weight(i)
		}
	}
	return signed >= all-(all-1)/3
}

// canSpare reports whether, in the current epoch and every later one, validators make a quorum
// without the given ones, the hostile ones, those that abstain since they have lost a disk, and those
// that are gone.
func (n *Network) canSpare(these ...*process) bool {
	missing := slices.Clone(these)
	for _, p := range n.honest() {
		if p.gone || !p.passed() {
			missing = append(missing, p)
		}
	}
	for epoch := n.epoch; epoch <= lastEpoch; epoch++ {
		e := n.roster.epochs[epoch]
		left := func(i wire.Participant) bool {
			index := n.index[e.scheme.Participants()[i]]
			return index >= n.Byzantine && !slices.ContainsFunc(missing, func(m *process) bool { return m.index == index })
		}
		if !e.certifies(left) {
			return false
		}
	}
	return true
}

// isValidator reports whether a process is a validator of the current epoch or a later one.
func (n *Network) isValidator(p *process) bool {
	for epoch := n.epoch; epoch <= lastEpoch; epoch++ {
		if n.roster.weightOf(p.index, epoch) > 0 {
			return true
		}
	}
	return false
}

// connect informs processes that one of them is connected to the others, as after a restart, or all
// to all, as after a partition.
func (n *Network) connect(these ...*process) {
	if !n.Connections {
		return
	}
	for _, p := range these {
		for _, other := range n.processes {
			if other == p {
				continue
			}
			n.connected(p, other)
			if len(these) == 1 {
				n.connected(other, p)
			}
		}
	}
}

// connected informs a process, after a delay, that it is connected to a peer.
func (n *Network) connected(p, peer *process) {
	if p.index < n.Byzantine {
		return
	}
	n.after(n.upTo(n.Link.Latency), func() {
		if p.c != nil && !p.down && p.halted == nil {
			n.Stats.Faults[Connected]++
			p.tell(func() { p.c.PeerConnected(n.now, p.peer(peer.id)) })
		}
	})
}

func (a Acks) String() string {
	return [...]string{"to all", "and certificates to all", "to the sequencer", "moving"}[a]
}

func (w Weights) String() string {
	return [...]string{"equal", "random", "skewed", "changing"}[w]
}
