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

// unit is what a member runs over its transport: an engine, or a replica.
type unit interface {
	// Start begins. It calls begun once when the folder has a journal, before anything is sent.
	Start(begun func() error) error
	// Run goes on, until ctx ends or something fails, and ends the transport as well.
	Run(ctx context.Context) error
	Status(ctx context.Context) (engine.Status, error)
	// Epochs is for network.Settings.
	Epochs() []network.Epoch
	// Open lets the lane propose, and End has it propose no more.
	Open()
	End()
	// Bodies returns what was counted about bodies; nil without.
	Bodies() *measure.Bodies
	// Made returns the height above the last body that was made here, 0 if none was.
	Made() uint64
	// Settled reports whether all that is known to be certified was delivered here, and all below these
	// heights of lanes.
	Settled(ends map[wire.PublicKey]uint64) bool
	// Close closes what was not started.
	Close() error
}

// engineUnit is an engine without bodies.
type engineUnit struct {
	*engine.Engine
	bridge *bridge.Bridge
	open   chan struct{} // closed when the run begins
	shut   chan struct{} // closed when it ends
}

// newEngine makes a member's engine, over its journal, which is begun if the member starts for the
// first time.
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

// settleInterval is the time between two looks whether all is delivered.
const settleInterval = 20 * time.Millisecond
