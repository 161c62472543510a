package proc

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/config"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/member"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/wire"
)

// unit is what a member runs over its transport.
type unit interface {
	// Run runs it, and the transport, until ctx ends or something fails.
	Run(ctx context.Context) error
	Status(ctx context.Context) (engine.Status, error)
	// Epochs is for network.Settings.
	Epochs() []network.Epoch
	// Close closes what was never run.
	Close() error
}

// engineUnit is an engine without bodies.
type engineUnit struct {
	*engine.Engine
	bridge *bridge.Bridge
}

// newEngine makes a member's engine, over its journal, which is begun if the member starts for the
// first time.
func newEngine(f *config.Folder, m *member.Member, t network.Transport, admit func(wire.PublicKey) network.Role, first bool, metrics prometheus.Registerer, log *slog.Logger) (unit, error) {
	b := bridge.New(t, bridge.Config{Admit: admit, Logger: log})
	cfg := f.Network.Setup()
	cfg.Workers = f.Member.Workers
	c := m.Config(&cfg, f.Network.Namespace, engine.JournalConfig{Dir: f.JournalDir(), Create: first}, b, len(f.Network.Members)-1)
	c.Metrics, c.Logger = metrics, log
	e, err := engine.New(c)
	if err != nil {
		return nil, err
	}
	return &engineUnit{e, b}, nil
}

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
