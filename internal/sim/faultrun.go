package sim

import (
	"math/rand/v2"
	"time"
)

// draws is the random source of a run's configuration. The run itself uses another one.
type draws struct{ *rand.Rand }

func newDraws(seed uint64) draws { return draws{rand.New(rand.NewPCG(seed, 0xD1CE))} }

func (d draws) upTo(n int) int {
	if n <= 0 {
		return 0
	}
	return d.IntN(n)
}

// FaultRun returns a configuration drawn from a seed: a network of 1 to 10 processes, of which up
// to f are hostile, with faults of all kinds at random rates. [Network.FaultPhases] is its
// scenario.
func FaultRun(seed uint64) Config {
	c := Config{Seed: seed, Processes: 4}
	d := newDraws(seed)
	c.Scheme = KeyedSchemes[d.upTo(len(KeyedSchemes))]
	if d.upTo(3) == 0 {
		c.Processes = 1 + d.upTo(10)
	}
	c.Validators = c.Processes
	if c.Processes > 4 && d.upTo(3) == 0 {
		c.Validators -= d.upTo(c.Processes - 3)
	}
	if d.upTo(2) == 0 {
		c.Byzantine = d.upTo((c.Validators-1)/3 + 1)
	}
	c.Acks, c.Weights = Acks(d.upTo(int(numAcks))), EqualWeights
	c.Connections = d.upTo(2) == 0
	if d.upTo(2) == 0 {
		c.Weights = Weights(d.upTo(int(numWeights)))
	}
	if c.Processes > 7 {
		c.Sequencers = 3 + c.Byzantine
	}
	if d.upTo(4) == 0 { // in addition to all others
		c.Strangers = 1
		c.Processes, c.Validators, c.Byzantine = c.Processes+1, c.Validators+1, c.Byzantine+1
	}
	c.Link.Latency = time.Duration(1+d.upTo(20)) * time.Millisecond
	c.Link.Jitter = time.Duration(d.upTo(int(c.Link.Latency)))
	c.Pace = Pace{
		time.Duration(1+d.upTo(5)) * time.Millisecond, time.Duration(1+d.upTo(5)) * time.Millisecond,
		time.Duration(1+d.upTo(10)) * time.Millisecond, time.Duration(1+d.upTo(10)) * time.Millisecond,
		time.Millisecond,
	}
	some := func(most int) int {
		if d.upTo(2) == 0 {
			return 0
		}
		return d.upTo(most + 1)
	}
	c.Faults = Faults{
		Loss: some(30), Duplicate: some(20), Late: some(10),
		CrashOneIn: 100 * some(10), FailOneIn: 50 * some(10), SlowSync: some(10), Compact: 50,
		Refuse: some(20), Doubt: some(10), Decline: some(30), SlowAnswer: some(10), SignFailure: some(10), CutShort: some(10),
	}
	c.Batch, c.Defer, c.VotesInFlight = d.upTo(4) == 0, d.upTo(101), d.upTo(4)
	c.Bounds = &EpochBounds{uint64(d.upTo(3)), uint64(d.upTo(3))}
	c.MaxPending = 12 + d.upTo(50)
	f := &c.Faults
	f.SlowVerify, f.LosePayload, f.HangPropose, f.HangSigner = some(5), some(10), some(10), some(10)
	f.SlowReport, f.LoseDisk, f.AdoptLocks = some(30), 50*d.upTo(2), some(20)
	return c
}

// FaultPhases runs four phases. Each may partition the network, enter an epoch or crash every
// process. Then the faults end, and every honest lane must grow by heights within limit.
func (n *Network) FaultPhases(phase time.Duration, heights int64, limit time.Duration) error {
	honest := n.honest()
	for range 4 {
		p := honest[n.random.IntN(len(honest))]
		if n.chance(n.Faults.LoseDisk) && n.mayLose(p) {
			n.LoseDisk(p.index, n.upTo(50*time.Millisecond), false)
		}
		if o := honest[n.random.IntN(len(honest))]; n.chance(n.Faults.AdoptLocks) && o.c != nil && !o.down {
			p.adoptFrom(o)
		}
		switch n.random.IntN(6) {
		case 0:
			cut := make([]int, len(n.processes))
			for i := range cut {
				cut[i] = n.random.IntN(2)
			}
			n.Partition(func(p int) int { return cut[p] })
		case 1:
			n.Enter(min(lastEpoch, n.epoch+1+uint64(n.random.IntN(2+n.Leap))), 100*time.Millisecond, 0)
		case 2:
			n.Enter(min(lastEpoch, n.epoch+1), 50*time.Millisecond, 150*time.Millisecond)
		case 3:
			for _, p := range n.honest() {
				p.crash(n.upTo(50 * time.Millisecond))
			}
		}
		if err := n.Run(phase/2 + n.upTo(phase)); err != nil {
			return err
		}
		if n.chance(50) {
			n.Partition(nil)
		}
	}
	n.EndFaults()
	if err := n.Run(phase); err != nil { // all processes are up again
		return err
	}
	if err := n.Grow(heights, limit); err != nil {
		return err
	}
	return n.restart(honest[n.random.IntN(len(honest))])
}

// restart crashes a process in a network without faults. It fails the run if the process repeats
// more reports of locks than it must. It must repeat those that have not returned, those since its
// last record of the reported position, and the top ones of its lanes.
func (n *Network) restart(p *process) error {
	if p.down || p.halted != nil {
		return n.err
	}
	const written = 64 // core.reportedEvery
	most := len(p.observed.unreturned) + 2*written
	p.crash(0)
	n.RunUntil(time.Second, func() bool { return !p.down })
	most += len(p.c.Lanes()) * 4 * int(n.Bounds.Back+n.Bounds.Ahead+2)
	if n.err == nil && p.observed.atStart > most {
		n.fail("4.4: %s: reports %d locks again, at most %d are due", p.name, p.observed.atStart, most)
	}
	return n.err
}

// Leave removes each honest sequencer except the last from the sets for four of twelve epochs, each
// at another time.
func Leave(r *Roster) {
	c := r.config
	for e := uint64(firstEpoch - 1); e <= lastEpoch; e++ {
		var sequencers []int
		for i := c.Strangers; i < c.Processes; i++ {
			if i < c.Byzantine || i == c.Processes-1 || (int(e)+4*i)/4%3 != 0 {
				sequencers = append(sequencers, i)
			}
		}
		r.Define(e, span(c.Strangers, c.Validators), sequencers)
	}
}

// Rotate gives every epoch another set. Its validators are all hostile processes and some of the
// honest ones; the selection moves by one with each epoch. In each epoch all processes except one
// are sequencers.
func Rotate(validators int) func(*Roster) {
	return func(r *Roster) {
		c := r.config
		honest := c.Processes - c.Byzantine
		for e := uint64(firstEpoch - 1); e <= lastEpoch; e++ {
			set := span(c.Strangers, c.Byzantine)
			for i := range validators - len(set) {
				set = append(set, c.Byzantine+(int(e)+i)%honest)
			}
			var sequencers []int
			for i := c.Strangers; i < c.Processes; i++ {
				if honest == 1 || i != c.Byzantine+int(e)%honest {
					sequencers = append(sequencers, i)
				}
			}
			r.rotating = true
			r.Define(e, set, sequencers)
		}
	}
}
