package spawn

import (
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/bodies"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/config"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/merge"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/proc"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
	"github.com/lanecast/lanecast/wire"
)

// enoughRoom returns an error if the disk has too little room for the bodies.
func enoughRoom(cfg *cluster.Config, dir string, members int) error {
	if !cfg.Bodies.On() {
		return nil
	}
	room, err := bodies.Room(host.FreeSpace(dir), members, cfg.Bodies.Size)
	if err != nil {
		return cli.Usagef("--payload-size: %v", err)
	}
	if kept := cfg.Bodies.Kept(cfg.Sequencers); kept > room.Quota {
		return cli.Usagef("--away %v at --rate %v has each member keep %d MB, and there is room for %d MB; lower one of the two",
			cfg.Bodies.Away, cfg.Bodies.Rate, kept/1e6, room.Quota/1e6)
	}
	return nil
}

// absence kills one validator, and starts it again after a while.
type absence struct {
	member        int // −1: nobody leaves
	after, length time.Duration
	phase         int
	left, back    time.Time
	fetched       uint64 // number of bodies at its return
	size          int
	ended         bool
	became        report.Away
}

func newAbsence(cfg *cluster.Config, n *config.Network) (*absence, error) {
	a := &absence{member: -1, after: cfg.Bodies.Warmup(cfg.Duration), length: cfg.Bodies.Away, size: cfg.Bodies.Size}
	if a.length == 0 {
		return a, nil
	}
	setup := n.Setup()
	weights, err := setup.VotingWeights()
	if err != nil {
		return nil, err
	}
	for i := range n.Validators() {
		if a.member < 0 || weights.Of(wire.Participant(i)) <= weights.Of(wire.Participant(a.member)) {
			a.member = i
		}
	}
	if weights.Of(wire.Participant(a.member)) > weights.Tolerated() {
		return nil, cli.Usagef("--away: without any one of the validators the others are no quorum")
	}
	a.became = report.Away{Member: a.member + 1, Left: a.after.Seconds(), Killed: true}
	return a, nil
}

// step does the steps that are due.
func (a *absence) step(now time.Time, run proc.Agreed, all children, s *merge.State) error {
	if a.member < 0 || a.ended {
		return nil
	}
	c := all[a.member]
	switch {
	case a.phase == merge.BeforeAway && now.After(time.Unix(0, run.Begin).Add(a.after)) && !c.over:
		c.kill()
		a.phase, a.left = merge.DuringAway, time.Now()
		c.over = true // ended until it is started again
		c.away = true
		s.Away(a.member, a.phase)
	case a.phase == merge.DuringAway && now.After(a.left.Add(a.length)):
		c.over, c.away = false, false
		a.phase, a.back = merge.AfterAway, time.Now()
		a.became.Seconds = a.back.Sub(a.left).Seconds()
		own, others := s.Progress(a.member)
		a.fetched, a.became.Missed = own.Fetched, own.Behind(others)
		s.Away(a.member, a.phase)
		return c.start()
	case a.phase == merge.AfterAway && a.became.Level == 0 && s.Ready(a.member) > a.back.UnixNano():
		own, others := s.Progress(a.member)
		a.became.Returned = true
		if s.Counted(a.member) > s.Ready(a.member) && own.Level(others) {
			a.became.Level = now.Sub(a.back).Seconds()
			a.became.FetchedMB = float64(own.Fetched-a.fetched) * float64(a.size) / 1e6 / a.became.Level
			a.became.HeapPeak = own.HeapPeak
		}
	}
	return nil
}

// end cancels the steps that are left: the member stays, or stays away.
func (a *absence) end(all children, s *merge.State) {
	a.ended = true
	if a.member >= 0 && all[a.member].away {
		all[a.member].away = false
		a.became.Seconds = time.Since(a.left).Seconds()
		s.Excuse(a.member)
	}
}

// conclude adds the absence of the member to the result.
func (a *absence) conclude(res *cluster.Result, s *merge.State) {
	if a.member < 0 || res.Bodies == nil {
		return
	}
	s.AddPhases(&a.became)
	res.Bodies.Away = &a.became
}
