package proc

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/member"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/wire"
)

// unit is the part of a member above its transport: an engine or a replica.
type unit interface {
	// Start starts the unit. It calls begun once when the folder has a journal, before anything is
	// sent.
	Start(begun func() error) error
	// Run runs the unit until ctx ends or something fails, and then ends the transport as well.
	Run(ctx context.Context) error
	Status(ctx context.Context) (engine.Status, error)
	// Epochs is for network.Settings.
	Epochs() []network.Epoch
	// Open lets the lane propose; End stops its proposals.
	Open()
	End()
	// Bodies returns the counts about bodies; nil if there are none.
	Bodies() *measure.Bodies
	// Made returns one more than the height of the last body made here, 0 if none was made.
	Made() uint64
	// Settled reports whether everything known to be certified, and everything below these heights
	// of the lanes, was delivered here.
	Settled(ends map[wire.PublicKey]uint64) bool
	// Close closes a unit that was not started.
	Close() error
}

// engineUnit runs an engine without bodies.
type engineUnit struct {
	*engine.Engine
	bridge *bridge.Bridge
	open   chan struct{} // closed when the run begins
	shut   chan struct{} // closed when it ends
}

// newEngine makes a member's engine over its journal; the journal is created if the member starts
// for the first time.
func (p *process) newEngine(admit admission, log *slog.Logger) (unit, error) {
	f, m := p.folder, p.member
	u := &engineUnit{bridge: bridge.New(p.net, bridge.Config{Admit: admit, Logger: log}), open: make(chan struct{}), shut: make(chan struct{})}
	m.Application = member.Application{Open: u.open, Shut: u.shut, Dated: true}
	m.Application.Payloads.Seed = f.Network.Seed
	cfg := f.Network.Setup()
	cfg.Workers = f.Member.Workers
	c := m.Config(&cfg, f.Network.Namespace, engine.JournalConfig{Dir: f.JournalDir(), Create: p.first}, u.bridge, len(f.Network.Members)-1)
	c.Metrics, c.Logger = p.registry, log
	var err error
	u.Engine, err = engine.New(c)
	return u, err
}

// Start implements unit.
func (u *engineUnit) Start(begun func() error) error { return begun() }

// Run implements unit.
func (u *engineUnit) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		defer cancel()
		ended <- u.bridge.Run(ctx, u.Engine)
	}()
	err := u.Engine.Run(ctx)
	cancel()
	return errors.Join(err, <-ended)
}

// Epochs implements unit.
func (u *engineUnit) Epochs() []network.Epoch { return u.bridge.Epochs() }

// Open implements unit.
func (u *engineUnit) Open() { close(u.open) }

// End implements unit.
func (u *engineUnit) End() { close(u.shut) }

// Bodies implements unit.
func (u *engineUnit) Bodies() *measure.Bodies { return nil }

// Made implements unit.
func (u *engineUnit) Made() uint64 { return 0 }

// Settled implements unit.
func (u *engineUnit) Settled(map[wire.PublicKey]uint64) bool { return true }

// settleInterval is the interval of checks whether everything is delivered.
const settleInterval = 20 * time.Millisecond
