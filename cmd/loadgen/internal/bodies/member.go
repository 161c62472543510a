package bodies

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

// Member is a member of a network whose chunks have bodies: a replica and its host. One goroutine
// calls Start and Stop; any goroutine may call the other methods.
type Member struct {
	cfg         Config
	application *application
	failed      chan error

	mu     sync.Mutex
	past   measure.Bodies // counts of the replicas that were stopped
	run    *running       // nil while the member is stopped
	create bool
	pruned map[wire.PublicKey]uint64
}

// running is a member's replica while it runs.
type running struct {
	replica  *replica.Replica
	registry *prometheus.Registry // of this replica alone
	stop     context.CancelFunc
	ended    chan struct{} // closed when the replica and the host have ended
	err      error         // the error of the replica, valid once ended is closed
}

// New returns a member, which is not started yet.
func New(c Config) (*Member, error) {
	if c.Size < MinSize || c.Size > MaxSize {
		return nil, fmt.Errorf("bodies: Config.Size must be from %d to %d, got %d", MinSize, MaxSize, c.Size)
	}
	if !slices.IsSortedFunc(c.Lanes, wire.PublicKey.Compare) {
		return nil, errors.New("bodies: Config.Lanes must be ascending")
	}
	if c.Recorder == nil || c.Problems == nil {
		return nil, errors.New("bodies: Config.Recorder and Config.Problems must be set")
	}
	m := &Member{cfg: c, failed: make(chan error, 1), create: c.Create, pruned: make(map[wire.PublicKey]uint64)}
	if _, sequences := c.lane(); !sequences && c.Logger != nil {
		m.cfg.Logger = slog.New(withoutRole{c.Logger.Handler()})
	}
	m.application = newApplication(&m.cfg)
	if c.Metrics != nil {
		if err := c.Metrics.Register(collector{m}); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return m, nil
}

// Start makes the replica and runs it until Stop. A member that was stopped can be started again
// and goes on from its folder; so can a member of another process that used this folder.
func (m *Member) Start() error {
	m.mu.Lock()
	started := m.run != nil
	m.mu.Unlock()
	if started {
		return fmt.Errorf("%s: started twice", m.cfg.Name)
	}
	cursors, err := m.readCursors()
	if err != nil {
		return err
	}
	m.application.checker.resume(cursors)
	m.application.start()
	n := &running{registry: prometheus.NewRegistry(), ended: make(chan struct{})}
	if n.replica, err = m.replica(n.registry); err != nil {
		return fmt.Errorf("%s: %w", m.cfg.Name, err)
	}
	if m.cfg.Begun != nil {
		if err := m.cfg.Begun(); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", m.cfg.Name, err), n.replica.Close())
		}
	}
	m.create = false
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	m.mu.Lock()
	m.run = n
	m.mu.Unlock()
	go func() {
		defer close(n.ended)
		kept := make(chan struct{})
		go func() {
			defer close(kept)
			m.keep(ctx, n.replica)
		}()
		n.err = n.replica.Run(ctx)
		cancel()
		<-kept
		if n.err != nil {
			select {
			case m.failed <- fmt.Errorf("%s: %w", m.cfg.Name, n.err):
			default:
			}
		}
	}()
	return nil
}

// replica puts a replica together.
func (m *Member) replica(registry *prometheus.Registry) (*replica.Replica, error) {
	c := &m.cfg
	rc := replica.Config{
		Namespace: c.Namespace, Key: c.Key, Epochs: c.Sets, Application: m.application, Next: m.application.checker.next,
		Dir: c.Dir, Create: m.create, MaxPayload: max(c.Size, payload.DefaultMaxPayload),
		Addresses: c.Addresses, Admit: m.admit, Report: m.report, Behind: m.behind,
		Engine: c.Engine, Network: c.Network, Archive: c.Archive, Transport: c.Transport, Metrics: registry, Logger: c.Logger,
	}
	if c.Listen == nil {
		return replica.New(rc)
	}
	var err error
	if rc.Listener, err = c.Listen(); err != nil {
		return nil, err
	}
	r, err := replica.New(rc)
	if err != nil {
		_ = rc.Listener.Close() // the replica may have closed it
	}
	return r, err
}

// Open lets bodies be made from a moment on, now or in the past. It is called once.
func (m *Member) Open(at time.Time) { m.application.open(at) }

// End stops the making of bodies: none is made after it returns. Bodies made before are still
// certified and delivered.
func (m *Member) End() { m.application.end() }

// Stop ends the replica cleanly, and returns its error if it has failed. It does nothing while the
// member is not started.
func (m *Member) Stop() error {
	m.mu.Lock()
	n := m.run
	m.mu.Unlock()
	if n == nil {
		return nil
	}
	m.mu.Lock()
	m.past, m.run = m.read(n), nil // read before the metrics go away with the replica
	m.mu.Unlock()
	n.stop()
	<-n.ended
	m.application.stop()
	err := n.err
	if err == nil {
		_, err = m.writeCursors(nil)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", m.cfg.Name, err)
	}
	return nil
}

// Failed receives the error of a replica that ended without Stop.
func (m *Member) Failed() <-chan error { return m.failed }

// Engine returns the engine, for its queries; nil while the member is stopped.
func (m *Member) Engine() *engine.Engine {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run == nil {
		return nil
	}
	return m.run.replica.Engine()
}

// Heads returns the highest known lock of each lane; none while the member is stopped.
func (m *Member) Heads() []wire.Lock {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run == nil {
		return nil
	}
	return m.run.replica.Heads()
}

// Next returns the lowest height of a lane that was not delivered to the member yet.
func (m *Member) Next(lane wire.PublicKey) uint64 { return m.application.checker.next(lane) }

// Recheck tells the replica that Config.Addresses may return other addresses now.
func (m *Member) Recheck() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run != nil {
		m.run.replica.Recheck()
	}
}

// admit implements replica.Config.Admit.
func (m *Member) admit(id wire.PublicKey) network.Role {
	if slices.Contains(m.cfg.Followers, id) {
		return network.Follower
	}
	return network.Refused
}

// report implements replica.Config.Report.
func (m *Member) report(_ context.Context, a wire.Activity) error {
	if c, ok := a.(*wire.Certified); ok {
		m.application.locked(&c.Lock)
		return nil
	}
	m.cfg.Problems.Activity(m.cfg.Name, a)
	return nil
}

// behind implements replica.Config.Behind.
func (m *Member) behind(lane wire.PublicKey, next uint64) {
	m.cfg.Problems.Fault("%s cannot go on with lane %v at height %d: all others have pruned it. The member was behind for longer than they keep bodies",
		m.cfg.Name, lane, next)
}

// cursorName is the name of the file with the delivered height of each lane.
const cursorName = "cursor.json"

func (m *Member) readCursors() (map[wire.PublicKey]cursor, error) {
	name := filepath.Join(m.cfg.Dir, cursorName)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.cfg.Name, err)
	}
	var cursors map[wire.PublicKey]cursor
	if err := json.Unmarshal(b, &cursors); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", m.cfg.Name, name, err)
	}
	return cursors, nil
}

// writeCursors writes the delivered height of each lane, unless it is written already.
func (m *Member) writeCursors(written map[wire.PublicKey]cursor) (map[wire.PublicKey]cursor, error) {
	now := m.application.checker.all()
	if written != nil && maps.Equal(now, written) {
		return written, nil
	}
	b, err := json.Marshal(now)
	if err != nil {
		return written, err
	}
	return now, host.WriteDurably(filepath.Join(m.cfg.Dir, cursorName), b, 0o644)
}

// withoutRole drops the engine's log message about its role. A replica always gives the engine a
// signer of chunks, and the engine warns if it has no use for one.
type withoutRole struct{ slog.Handler }

// Handle implements slog.Handler.
func (h withoutRole) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "engine started" {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h withoutRole) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withoutRole{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h withoutRole) WithGroup(name string) slog.Handler {
	return withoutRole{h.Handler.WithGroup(name)}
}
