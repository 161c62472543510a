package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/config"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/link"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/member"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/output"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/record"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

// RecordName is the name of the record in a member's folder.
const RecordName = "record"

// Options are the settings of a member that come from its command line and not from its folder.
type Options struct {
	Start time.Time // zero: the time in the network's file
}

// Durations in a member's life.
const (
	// pingInterval is the interval at which the network measures the offsets of clocks.
	pingInterval = 500 * time.Millisecond
	// interval is the time between two moments.
	interval = 250 * time.Millisecond
	// leastLead is the least time between the naming of a run's begin and the begin.
	leastLead = 300 * time.Millisecond
	// lingerAtMost bounds how long a member that is done waits for the others.
	lingerAtMost      = 30 * time.Second
	lingerInterrupted = 2 * time.Second
	// bindAtMost bounds how long an address may still be in use by an earlier process.
	bindAtMost = 5 * time.Second
	// lately bounds the age of an ended run that a restarted process still concludes.
	lately = time.Minute
)

// process is one member while it runs.
type process struct {
	folder   *config.Folder
	first    bool // the member has never been started before
	member   *member.Member
	run      member.Run
	registry *measure.Registry
	record   *record.Writer
	links    *link.Links
	schedule *schedule
	clocks   *clocks
	net      *transport
	unit     unit
	noted    int // number of problems in the record
	// Of a replica.
	opened    atomic.Bool        // it may make bodies
	delivered *measure.Latencies // of deliveries here of bodies made after the unit was opened
	certified atomic.Int64       // highest height of its lane certified in this run, −1 for none

	cancel context.CancelFunc
	failed chan error // receives the error that stopped the unit
	ended  chan struct{}
}

// history is the content of the record of earlier processes.
type history struct {
	starts int
	run    *Agreed // the run without an end entry
}

// Run runs the member of a folder until its run is over, or until ctx ends, and returns its result.
func Run(ctx context.Context, f *config.Folder, o Options, out *output.Output) (*Result, error) {
	p, past, err := start(f, out)
	if err != nil {
		return nil, err
	}
	out.Show(p.registry)
	res, err := p.live(ctx, o, past, out)
	stopping := p.stop()
	if err != nil {
		return nil, errors.Join(cli.Interrupted(ctx, err), stopping)
	}
	if stopping != nil {
		p.run.Problems.Fault("stopping: %v", stopping)
	}
	res.conclude(&p.run)
	return res, nil
}

// readPast reads the record of earlier processes; first reports that no process of the member has
// started yet.
func readPast(name string) (past history, first bool, err error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return past, true, nil
	}
	if err != nil {
		return past, false, err
	}
	defer f.Close()
	for r := record.NewReader(f); ; {
		e, err := r.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			// A process that was killed before its first entry was complete counts as never
			// started.
			return past, past.starts == 0, nil
		}
		if err == nil {
			err = past.take(&e)
		}
		if err != nil {
			return past, false, fmt.Errorf("%s: %w", name, err)
		}
	}
}

func (h *history) take(e *record.Entry) error {
	switch e.Kind {
	case record.Start:
		h.starts++
	case record.Run:
		h.run = new(Agreed)
		return e.DecodeJSON(h.run)
	case record.End:
		h.run = nil
	}
	return nil
}

// start opens everything and begins to run the unit. Nothing is proposed yet.
func start(f *config.Folder, out *output.Output) (_ *process, past history, err error) {
	p := &process{
		folder: f, registry: measure.NewRegistry(), schedule: newSchedule(f.ID(), identities(f.Network)), clocks: newClocks(f.Network.Index),
		delivered: measure.NewLatencies(), failed: make(chan error, 1), ended: make(chan struct{}),
	}
	p.certified.Store(-1)
	name := filepath.Join(f.Dir, RecordName)
	if past, p.first, err = readPast(name); err != nil {
		return nil, past, err
	}
	logger := slog.New(slog.NewTextHandler(out.Log, &slog.HandlerOptions{Level: slog.LevelWarn})).With("member", f.Member.Number)
	if err := p.newMember(); err != nil {
		return nil, past, err
	}
	listener, err := listen(f.Member.Listen)
	if err != nil {
		return nil, past, err
	}
	if err := p.assemble(listener, logger); err != nil {
		return nil, past, errors.Join(err, listener.Close())
	}
	err = p.unit.Start(func() (err error) {
		// The journal is there and locked: no other process writes the record.
		if p.record, err = record.Open(name, nil); err != nil {
			return err
		}
		p.net.record = p.record
		p.record.JSON(record.Start, Started{PID: os.Getpid(), Version: host.Version(), Clock: host.Clock()})
		return nil
	})
	if err != nil {
		_ = listener.Close() // the unit may have closed it
		return nil, past, errors.Join(err, p.unit.Close())
	}
	var running context.Context
	// The unit ends when the run says so, not with ctx.
	running, p.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(p.ended)
		if err := p.unit.Run(running); err != nil {
			p.failed <- err
		}
	}()
	return p, past, nil
}

// live runs a member from its start to its stop.
func (p *process) live(ctx context.Context, o Options, past history, out *output.Output) (*Result, error) {
	disk, err := host.MeasureDisk(p.folder.Dir)
	if err != nil {
		return nil, err
	}
	a, err := p.agree(ctx, o, past, out)
	if err != nil {
		return nil, err
	}
	return p.measure(ctx, a, past.starts+1, disk, out)
}

// agree waits for the others and returns the time of the run.
func (p *process) agree(ctx context.Context, o Options, past history, out *output.Output) (*Agreed, error) {
	if a := past.run; a != nil && time.Since(time.Unix(0, a.End)) < lately {
		p.schedule.set(*a)
	}
	if err := p.awaitPeers(ctx, out); err != nil {
		return nil, err
	}
	p.record.JSON(record.Ready, struct{}{})
	at := o.Start
	if at.IsZero() {
		var err error
		if at, err = p.folder.Network.StartTime(); err != nil {
			return nil, err
		}
	}
	duration := time.Duration(p.folder.Network.Run.Duration)
	if !at.IsZero() && p.schedule.agreed() == nil {
		if time.Since(at) > duration {
			return nil, fmt.Errorf("the run was to begin at %v and is over: give another time with --start", at.Format(time.RFC3339))
		}
		p.schedule.set(Agreed{ID: uint64(at.UnixNano()), Begin: at.UnixNano(), End: at.Add(duration).UnixNano()})
	}
	p.schedule.ready()
	lead := leastLead + 3*time.Duration(p.folder.Network.Link.Latency+p.folder.Network.Link.Jitter)
	for {
		p.schedule.name(lead, duration)
		_, news := p.schedule.peers()
		if a := p.schedule.agreed(); a != nil {
			if past.run == nil || past.run.ID != a.ID {
				p.record.JSON(record.Run, a)
			}
			return a, nil
		}
		if err := p.wait(ctx, news, 0); err != nil {
			return nil, err
		}
	}
}

// wait waits for news, at most so long; 0 means no limit. It fails if the unit fails or ctx ends.
func (p *process) wait(ctx context.Context, news <-chan struct{}, most time.Duration) error {
	var late <-chan time.Time
	if most > 0 {
		timer := time.NewTimer(most)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-news:
	case <-late:
	case err := <-p.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// awaitPeers waits until all others are connected; after a while, or in a run that goes on already,
// a quorum is enough.
func (p *process) awaitPeers(ctx context.Context, out *output.Output) error {
	n := p.folder.Network
	patience := time.Duration(n.Run.Wait)
	began, said := time.Now(), -1
	for {
		there, news := p.schedule.peers()
		missing := 0
		for i := range n.Members {
			if p.needs(i) {
				missing++
			}
		}
		missing -= len(there)
		left := patience - time.Since(began)
		enough := p.isQuorum(there) && (left <= 0 || p.schedule.agreed() != nil)
		if a := p.schedule.agreed(); a != nil { // when the run is over, the others may be gone
			toEnd := time.Until(time.Unix(0, a.End))
			enough, left = enough || toEnd <= 0, min(left, toEnd)
		}
		if missing == 0 || enough {
			return nil
		}
		if missing != said {
			out.Screen.Note("waiting for %s", cli.Counted(missing, "member"))
			said = missing
		}
		// Connections may change without news when nothing else changes; the quorum may be enough
		// only when patience is over.
		if err := p.wait(ctx, news, max(left, 50*time.Millisecond)); err != nil {
			return err
		}
	}
}

// isQuorum reports whether the connected members and this one can certify together.
func (p *process) isQuorum(there []wire.PublicKey) bool {
	scheme, ok := p.member.Sets.Scheme(0)
	if !ok {
		return false
	}
	weights := scheme.Weights()
	signers := wire.NewSigners(len(scheme.Participants()))
	for _, id := range append(there, p.folder.ID()) {
		if i, ok := scheme.Index(id); ok {
			signers.Add(i)
		}
	}
	return weights.Sum(signers) >= weights.Quorum()
}

// stop ends the unit and the network, and closes the record.
func (p *process) stop() error {
	p.cancel()
	<-p.ended
	p.links.Wait()
	var err error
	select {
	case err = <-p.failed:
	default:
	}
	p.noteProblems()
	return errors.Join(err, p.record.Close())
}

// noteProblems writes the problems found since the last call to the record.
func (p *process) noteProblems() {
	conflicts, faults, texts := p.run.Problems.All()
	if n := int(conflicts) + faults; n > p.noted {
		p.noted = n
		p.record.JSON(record.Fault, Problem{conflicts, faults, texts})
	}
}

// status asks the unit for its status; the unit may be busy.
func (p *process) status() (engine.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), measure.StatusTimeout)
	defer cancel()
	return p.unit.Status(ctx)
}
