package sim

import (
	"math/rand/v2"
	"time"
)

// dice draw a run's settings, apart from the run's own randomness.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 0xD1CE))} }

func (d dice) upTo(n int) int {
	if n <= 0 {
		return 0
	}
	return d.IntN(n)
}

// Storm returns settings drawn from a seed: a network of 1 to 10 processes with up to f hostile ones, and faults of all
// kinds at random rates. [Network.Weather] goes with it.
func Storm(seed uint64) Config {
	s := Config{Seed: seed, Processes: 4}
	r := newDice(seed)
	s.Scheme = KeyedSchemes[r.upTo(len(KeyedSchemes))]
	if r.upTo(3) == 0 {
		s.Processes = 1 + r.upTo(10)
	}
	s.Validators = s.Processes
	if s.Processes > 4 && r.upTo(3) == 0 {
		s.Validators -= r.upTo(s.Processes - 3)
	}
	if r.upTo(2) == 0 {
		s.Byzantine = r.upTo((s.Validators-1)/3 + 1)
	}
	if s.Processes > 7 {
		s.Sequencers = 3 + s.Byzantine
	}
	s.Link = Link{time.Duration(1+r.upTo(20)) * time.Millisecond, 0}
	s.Link.Jitter = time.Duration(r.upTo(int(s.Link.Latency)))
	s.Pace = Pace{
		time.Duration(1+r.upTo(5)) * time.Millisecond, time.Duration(1+r.upTo(5)) * time.Millisecond,
		time.Duration(1+r.upTo(10)) * time.Millisecond, time.Duration(1+r.upTo(10)) * time.Millisecond,
		time.Millisecond,
	}
	some := func(most int) int {
		if r.upTo(2) == 0 {
			return 0
		}
		return r.upTo(most + 1)
	}
	s.Faults = Faults{
		Loss: some(30), Duplicate: some(20), Late: some(10),
		CrashOneIn: 100 * some(10), FailOneIn: 50 * some(10), SlowSync: some(10), Compact: 50,
		Refuse: some(20), Doubt: some(10), Decline: some(30), SlowAnswer: some(10), SignFailure: some(10), CutShort: some(10),
	}
	s.Batch, s.Defer, s.VotesInFlight = r.upTo(4) == 0, r.upTo(101), r.upTo(4)
	s.Bounds = &EpochBounds{uint64(r.upTo(3)), uint64(r.upTo(3))}
	s.MaxPending = 12 + r.upTo(50)
	f := &s.Faults
	f.SlowVerify, f.LosePayload, f.HangPropose, f.HangSigner = some(5), some(10), some(10), some(10)
	f.SlowReport, f.LoseDisk, f.AdoptLocks = some(30), 50*r.upTo(2), some(20)
	return s
}

// Weather lets a storm pass of four spells, each with a partition, a new epoch or a crash of everybody, or none of it;
// then calms down, and demands that every honest lane grows by heights within limit.
func (n *Network) Weather(spell time.Duration, heights int64, limit time.Duration) error {
	honest := n.honest()
	for range 4 {
		p := honest[n.random.IntN(len(honest))]
		if n.chance(n.Faults.LoseDisk) && n.mayLose(p) {
			n.LoseDisk(p.index, n.upTo(50*time.Millisecond))
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
		if err := n.Run(spell/2 + n.upTo(spell)); err != nil {
			return err
		}
		if n.chance(50) {
			n.Partition(nil)
		}
	}
	n.Calm()
	if err := n.Run(spell); err != nil { // everybody is up again
		return err
	}
	if err := n.Grow(heights, limit); err != nil {
		return err
	}
	return n.restart(honest[n.random.IntN(len(honest))])
}

// restart has a process crash in a network without faults, and demands that it reports no more locks again than it must:
// those whose reports have not returned, those since it last wrote down how far it has reported, and the top ones of its
// lanes.
func (n *Network) restart(p *process) error {
	if p.down || p.halted != nil {
		return n.err
	}
	const written = 64 // core.reportedEvery
	most := len(p.watch.unreturned) + 2*written
	p.crash(0)
	n.RunUntil(time.Second, func() bool { return !p.down })
	most += len(p.c.Lanes()) * 4 * int(n.Bounds.Back+n.Bounds.Ahead+2)
	if n.err == nil && p.watch.atStart > most {
		n.fail("4.4: %s: reports %d locks again, at most %d are due", p.name, p.watch.atStart, most)
	}
	return n.err
}

// Leave has honest sequencers but the last leave the sets for four epochs of twelve, each at another time.
func Leave(w *World) {
	s := w.settings
	for e := uint64(firstEpoch - 1); e <= lastEpoch; e++ {
		var sequencers []int
		for i := range s.Processes {
			if i < s.Byzantine || i == s.Processes-1 || (int(e)+4*i)/4%3 != 0 {
				sequencers = append(sequencers, i)
			}
		}
		w.Define(e, span(0, s.Validators), sequencers)
	}
}

// Rotate gives every epoch another set: the validators are all hostile processes that fit and a part of the honest
// ones, which moves by one with each epoch; all processes are sequencers, but one in each epoch that takes a rest.
func Rotate(validators int) func(*World) {
	return func(w *World) {
		s := w.settings
		honest := s.Processes - s.Byzantine
		for e := uint64(firstEpoch - 1); e <= lastEpoch; e++ {
			set := span(0, s.Byzantine)
			for i := range validators - s.Byzantine {
				set = append(set, s.Byzantine+(int(e)+i)%honest)
			}
			var sequencers []int
			for i := range s.Processes {
				if honest == 1 || i != s.Byzantine+int(e)%honest {
					sequencers = append(sequencers, i)
				}
			}
			w.rotating = true
			w.Define(e, set, sequencers)
		}
	}
}
