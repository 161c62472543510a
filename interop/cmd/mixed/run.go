package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/lanecast/lanecast/interop/internal/agreement"
	"github.com/lanecast/lanecast/interop/internal/keys"
	"github.com/lanecast/lanecast/interop/internal/plan"
	"github.com/lanecast/lanecast/interop/internal/record"
	"github.com/lanecast/lanecast/interop/internal/upstream"
)

// grace is the time that processes have to end after the run.
const grace = 30 * time.Second

// network is a running mixed network.
type network struct {
	options
	goes    plan.Plan
	program upstream.Program
	set     *keys.Set
	begun   time.Time
	all     [][]*process // by validator, one after the other
}

// process is one process of a validator. Each has its own files: those of a killed process may end
// in the middle of a line.
type process struct {
	*exec.Cmd
	library                plan.Library
	locks, output, log     string
	adopts                 []string
	killed                 bool
	outputFile, stderrFile *os.File
}

// plan returns the plan for a network of this mix.
func (o *options) plan(mix string) (plan.Plan, error) {
	p, err := plan.New(mix, o.kill, o.late, o.move)
	if err == nil && p.Settled() >= o.duration {
		err = fmt.Errorf("the last event is at %v, but the run ends after %v: lanes must have time to grow", p.Settled(), o.duration)
	}
	return p, err
}

// run runs one network from its beginning to the result.
func run(ctx context.Context, mix string, o options) (*result, error) {
	p, err := o.plan(mix)
	if err != nil {
		return nil, err
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "mixed"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(o.dir)
	} else if err := os.Mkdir(o.dir, 0o755); err != nil {
		return nil, err
	}
	n := &network{options: o, goes: p, all: make([][]*process, len(p.Mix))}
	n.program = upstream.Program{Path: o.upstream, Scheme: o.scheme, Seed: o.seed, Validators: len(p.Mix)}
	if err := n.program.Deal(ctx, n.file("keys.json")); err != nil {
		return nil, err
	}
	if n.set, err = keys.Load(n.file("keys.json")); err != nil {
		return nil, err
	}
	if err := n.live(ctx); err != nil {
		return nil, err
	}
	return n.check(ctx)
}

func (n *network) file(name string) string { return filepath.Join(n.dir, name) }

// live starts the processes, performs the plan's events, and waits for their end.
func (n *network) live(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, n.duration+grace)
	defer func() {
		cancel() // kills the remaining ones
		for _, ps := range n.all {
			for _, p := range ps {
				_ = p.Wait()
				_ = p.outputFile.Close()
				_ = p.stderrFile.Close()
			}
		}
	}()
	n.begun = time.Now()
	for _, e := range n.goes.Events {
		select {
		case <-time.After(time.Until(n.begun.Add(e.At))):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := n.happen(ctx, e); err != nil {
			return fmt.Errorf("validator %d: %v at %v: %w", e.Validator, e.Action, e.At, err)
		}
	}
	for i, ps := range n.all {
		last := ps[len(ps)-1]
		if last.killed {
			continue
		}
		if err := last.Wait(); err != nil {
			return fmt.Errorf("validator %d: %w; end of its output: %s", i, err, end(last.log))
		}
	}
	return ctx.Err()
}

func (n *network) happen(ctx context.Context, e plan.Event) error {
	if e.Action != plan.Start {
		ps := n.all[e.Validator]
		last := ps[len(ps)-1]
		last.killed = true
		if err := last.Process.Kill(); err != nil {
			return fmt.Errorf("%w; end of its output: %s", err, end(last.log))
		}
		_ = last.Wait() // the error only reports the kill
	}
	switch e.Action {
	case plan.Start:
		return n.start(ctx, e.Validator, nil)
	case plan.Move:
		var others []string
		for i, ps := range n.all {
			for _, p := range ps {
				if i != e.Validator {
					others = append(others, p.locks)
				}
			}
		}
		return n.start(ctx, e.Validator, others)
	}
	return nil
}

// start starts a process of validator i. With adopts it runs Lanecast from now on, and adopts the
// locks that others know.
func (n *network) start(ctx context.Context, i int, adopts []string) error {
	generation := len(n.all[i])
	name := func(what string) string { return n.file(fmt.Sprintf("%s%d.%d", what, i, generation)) }
	p := &process{library: n.goes.Mix[i], locks: name("locks"), output: name("output"), log: name("log"), adopts: adopts}
	if generation > 0 {
		p.library = n.all[i][generation-1].library
	}
	if len(adopts) > 0 {
		p.library = plan.Lanecast
	}
	left := max(time.Second, (n.duration - time.Since(n.begun)).Round(time.Second))
	args := []string{
		"--index", strconv.Itoa(i), "--port", strconv.Itoa(n.port), "--locks", p.locks,
		"--dir", n.file(fmt.Sprintf("%c%d", p.library, i)), "--loss", fmt.Sprint(n.loss),
	}
	if p.library == plan.Upstream {
		p.Cmd = n.program.Command(ctx, "node", append(args, "--seconds", fmt.Sprint(int(left.Seconds())),
			"--pace-ms", fmt.Sprint(n.pace.Milliseconds()), "--rebroadcast-ms", fmt.Sprint(n.rebroadcast.Milliseconds()))...)
	} else {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		args = append(args, "--keys", n.file("keys.json"), "--duration", left.String(),
			"--pace", n.pace.String(), "--rebroadcast", n.rebroadcast.String())
		for _, name := range adopts {
			args = append(args, "--adopt", name)
		}
		p.Cmd = exec.CommandContext(ctx, self, append([]string{nodeCommand}, args...)...)
	}
	var err error
	if p.outputFile, err = os.Create(p.output); err != nil {
		return err
	}
	if p.stderrFile, err = os.Create(p.log); err != nil {
		return err
	}
	p.Stdout, p.Stderr = p.outputFile, p.stderrFile
	if err := p.Start(); err != nil {
		return err
	}
	n.all[i] = append(n.all[i], p)
	return nil
}

// end returns the end of a process's output.
func end(log string) string {
	text, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// result is the result of a run, with the data to print it.
type result struct {
	agreement.Result
	network *network
	checked upstream.Checked
	last    []record.Report // of each validator
}

// check checks the files of the processes.
func (n *network) check(ctx context.Context) (*result, error) {
	// A lane that stops growing may grow at first: the last third of the run counts.
	c := agreement.New(n.set.Scheme, n.begun.Add(max(n.goes.Settled(), 2*n.duration/3)))
	r := &result{network: n}
	var logs []string
	for i, ps := range n.all {
		for _, p := range ps {
			if err := read(p.locks, func(f io.Reader) error { return c.Locks(i, f) }); err != nil {
				return nil, err
			}
			logs = append(logs, p.locks)
			err := read(p.output, func(f io.Reader) error {
				last, ok, err := record.LastReport(f)
				if ok {
					c.Report(&last)
				}
				if p == ps[len(ps)-1] {
					r.last = append(r.last, last)
				}
				return err
			})
			if err != nil {
				return nil, err
			}
		}
	}
	growing := func(lane int) bool { return !n.goes.Moved(lane) }
	running := func(i int) bool { return !n.all[i][len(n.all[i])-1].killed }
	r.Result = c.Result(growing, running)
	var err error
	if r.checked, err = n.program.Check(ctx, logs); err != nil {
		return nil, err
	}
	if r.checked.Invalid > 0 || r.checked.Valid != r.Certificates {
		r.Problems = append(r.Problems, fmt.Sprintf("upstream finds %d certificates valid and %d not; Lanecast finds %d valid",
			r.checked.Valid, r.checked.Invalid, r.Certificates))
	}
	slices.Sort(r.Problems)
	return r, nil
}

func read(name string, how func(r io.Reader) error) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := how(file); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
