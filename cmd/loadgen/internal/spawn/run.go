package spawn

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/config"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/merge"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/output"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/proc"
)

// untilFlag makes a member end with its standard input.
const untilFlag = proc.UntilFlag

// NewClusterCommand returns the command that runs a cluster, in this process or in several.
func NewClusterCommand() *cobra.Command {
	cfg := cluster.DefaultConfig()
	cfg.Processes = Run
	return cluster.NewCommandFor(cfg)
}

// Durations in a run.
const (
	// beginAtMost bounds how long members may take to find each other, even on a busy machine.
	beginAtMost = 2 * time.Minute
	// endAtMost bounds how long members may take to end after the end of the run: see package proc.
	endAtMost = 2 * time.Minute
	// look is the interval at which the records are read.
	look = 50 * time.Millisecond
)

// run is one run of members in processes.
type run struct {
	cfg      *cluster.Config
	network  *config.Network
	state    *merge.State
	children children
	out      *output.Output
	killing  *killing
	absence  *absence
	began    time.Time
	shown    time.Time // time of the last view
	stopping bool      // the members were asked to end
}

// Run implements cluster.Runner.
func Run(ctx context.Context, cfg *cluster.Config, dir string, out *output.Output) (*cluster.Result, error) {
	r := &run{cfg: cfg, out: out, began: time.Now()}
	var err error
	if r.network, err = r.init(dir); err != nil {
		return nil, err
	}
	var records []string
	for i := range r.network.Members {
		records = append(records, filepath.Join(dir, config.MemberFolder(i+1), proc.RecordName))
	}
	if r.state, err = merge.New(r.network, records, nil); err != nil {
		return nil, err
	}
	defer r.state.Close()
	if r.killing, err = newKilling(cfg, r.network); err != nil {
		return nil, err
	}
	if r.absence, err = newAbsence(cfg, r.network); err != nil {
		return nil, err
	}
	r.children, err = startAll(dir, len(r.network.Members))
	defer func() { r.children.end() }()
	if err != nil {
		return nil, err
	}
	out.BeginSeries("run")
	if err := r.watch(ctx); err != nil {
		return nil, cli.Interrupted(ctx, err)
	}
	return r.result(dir)
}

// init makes the folders of the members.
func (r *run) init(dir string) (*config.Network, error) {
	cfg := r.cfg
	plan := &config.Plan{
		Config: cfg.Config, Own: cfg.Workers, Bodies: cfg.Bodies, Keep: max(config.DefaultKeep, 2*cfg.Bodies.Away),
		Link: config.Link{Latency: config.Duration(cfg.Latency), Jitter: config.Duration(cfg.Jitter), Bandwidth: cfg.Bandwidth, Loss: cfg.Loss},
		Run:  config.Run{Duration: config.Duration(cfg.Duration), Wait: config.Duration(beginAtMost)},
	}
	plan.PerDisk = plan.Members()
	if err := enoughRoom(cfg, dir, plan.PerDisk); err != nil {
		return nil, err
	}
	var err error
	if plan.Addresses, err = FreeAddresses(plan.Members()); err != nil {
		return nil, err
	}
	if err := config.Init(dir, plan); err != nil {
		return nil, err
	}
	n, _, err := config.ReadNetwork(filepath.Join(dir, config.NetworkName))
	return n, err
}

// watch shows the run's progress, kills members, and returns when all have ended.
func (r *run) watch(ctx context.Context) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	done := ctx.Done()
	for {
		select {
		case now := <-ticker.C:
			if err := r.tick(now); err != nil {
				return err
			}
		case <-r.killing.due():
			if err := r.killing.kill(r.children); err != nil {
				return err
			}
		case <-done:
			done = nil
			r.stopping = true
			r.killing.end()
			r.absence.end(r.children, r.state)
			for _, c := range r.children {
				c.stop()
			}
		}
		over, err := r.reap()
		if err != nil || over {
			return err
		}
	}
}

// tick takes in the new entries of the records, and shows them.
func (r *run) tick(now time.Time) error {
	if err := r.state.AdvanceTo(now.UnixNano()); err != nil {
		return err
	}
	agreed := r.state.Run()
	if agreed.ID == 0 {
		if now.Sub(r.began) > beginAtMost {
			return fmt.Errorf("the members did not begin within %v; the first says: %s", beginAtMost, r.children[0].said())
		}
		return nil
	}
	r.killing.see(r.state, agreed)
	if err := r.absence.step(now, agreed, r.children, r.state); err != nil {
		return err
	}
	if over := time.Unix(0, agreed.End).Add(endAtMost); now.After(over) {
		return fmt.Errorf("the members did not end within %v of the end of the run", endAtMost)
	}
	if now.Sub(r.shown) < merge.Interval {
		return nil
	}
	r.shown = now
	if point, at, inRun, err := r.state.Tick(now.UnixNano()); err != nil {
		return err
	} else if inRun {
		f := output.NewFrame(point, r.cfg.Duration, at)
		f.Conflicts, f.Errors = r.state.Problems.Counts()
		r.out.Update(f)
	}
	return nil
}

// reap takes in the ended processes; over reports that all have ended.
func (r *run) reap() (over bool, err error) {
	over = true
	for _, c := range r.children {
		if c.over {
			over = over && !c.away
			continue
		}
		select {
		case err := <-c.ended:
			c.over = true
			_ = c.input.Close()
			if err != nil && r.state.Run().ID == 0 && !r.stopping {
				return false, fmt.Errorf("member %d: %w: %s", c.index+1, err, c.said())
			}
			if err != nil && !r.stopping {
				r.state.Problems.Fault("member %d: %v: %s", c.index+1, err, c.said())
			}
		default:
			over = false
		}
	}
	return over, nil
}

// result merges the results and records of the members.
func (r *run) result(dir string) (*cluster.Result, error) {
	if r.state.Run().ID == 0 && r.stopping {
		return nil, context.Canceled
	}
	if err := r.state.AdvanceTo(time.Now().UnixNano()); err != nil {
		return nil, err
	}
	members := make([]*proc.Result, len(r.children))
	for i := range members {
		m, err := proc.Read(filepath.Join(dir, config.MemberFolder(i+1), proc.ResultName))
		if err != nil && r.state.Excused(i) {
			continue
		}
		if err != nil {
			r.state.Problems.Fault("member %d left no result: %v", i+1, err)
			continue
		}
		members[i] = m
	}
	res := r.state.Result(members, &r.killing.Kills)
	r.absence.conclude(res, r.state)
	return res, nil
}
