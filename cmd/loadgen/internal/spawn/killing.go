package spawn

import (
	"math/rand/v2"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/config"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/merge"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/proc"
	"github.com/lanecast/lanecast/wire"
)

// killing kills members at random, one at a time.
type killing struct {
	merge.Kills
	every    time.Duration
	random   *rand.Rand
	killable []int // members whose absence leaves a quorum
	next     time.Time
	last     time.Time // no kill is later; zero before the run
	down     *child    // nil: all are running
}

func newKilling(cfg *cluster.Config, n *config.Network) (*killing, error) {
	k := &killing{every: cfg.KillEvery, random: rand.New(rand.NewPCG(cfg.Seed, 0x6b696c6c))}
	k.Restarts = measure.NewLatencies()
	if k.every == 0 {
		return k, nil
	}
	setup := n.Setup()
	weights, err := setup.VotingWeights()
	if err != nil {
		return nil, err
	}
	for i := range n.Members {
		if !n.Members[i].Validator || weights.Total()-weights.Of(wire.Participant(i)) >= weights.Quorum() {
			k.killable = append(k.killable, i)
		}
	}
	if len(k.killable) == 0 {
		return nil, cli.Usagef("--kill-every needs a member without which there is a quorum: with equal weights, 4 validators")
	}
	return k, nil
}

// end stops the kills.
func (k *killing) end() { k.every = 0 }

// due returns a channel that delivers when a kill is due; nil, which never delivers, if no kill is
// left.
func (k *killing) due() <-chan time.Time {
	if k.every == 0 || k.last.IsZero() || k.down != nil || k.next.After(k.last) {
		return nil
	}
	return time.After(time.Until(k.next))
}

// kill kills a member and starts it again.
func (k *killing) kill(all children) error {
	c := all[k.killable[k.random.IntN(len(k.killable))]]
	now := time.Now()
	k.next = k.next.Add(k.every)
	if k.next.Before(now) {
		k.next = now
	}
	select {
	case err := <-c.ended: // the process has ended by itself: reap reports it
		c.ended <- err
		return nil
	default:
	}
	c.killed = now
	c.kill()
	k.Count++
	k.down = c
	return c.start()
}

// see notes the return of a killed member, and the begin of the run.
func (k *killing) see(s *merge.State, agreed proc.Agreed) {
	if k.last.IsZero() {
		k.next = time.Unix(0, agreed.Begin).Add(k.every)
		k.last = time.Unix(0, agreed.End).Add(-cluster.KillTail)
	}
	if k.down == nil {
		return
	}
	if back := s.Ready(k.down.index); back > k.down.killed.UnixNano() {
		k.Restarts.Record(time.Unix(0, back).Sub(k.down.killed))
		k.Last = back
		k.down = nil
	}
}
