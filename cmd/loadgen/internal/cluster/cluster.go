package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/member"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/simnet"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// cluster holds all members and the network between them.
type cluster struct {
	members []*simulated
	network *simnet.Network
	open    chan struct{} // closed when members may begin to propose

	cancel  context.CancelFunc
	running sync.WaitGroup
	failed  chan error // the first failure of an engine
}

// newCluster makes the members, with keys and validator sets but no engines yet.
func newCluster(ctx context.Context, cfg *Config, r *run) (*cluster, error) {
	c := &cluster{open: make(chan struct{}), failed: make(chan error, 1)}
	external := testkit.Identities(max(0, cfg.Sequencers-cfg.Validators), ^cfg.Seed)
	payloads := setup.Payloads{Seed: cfg.Seed, Run: uint64(time.Now().UnixNano())}
	var lanes []wire.PublicKey
	signers := make([]verify.AckSigner, cfg.Validators+len(external)) // nil: no validator
	schemes := make([]verify.Scheme, len(signers))
	for i := range signers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		set, err := newSet(cfg)
		if err != nil {
			return nil, err
		}
		m := &simulated{Member: member.New(i, &r.Run)}
		schemes[i] = set.Scheme
		m.Application = member.Application{Payloads: payloads, Open: c.open}
		var chunks verify.ChunkSigner
		if i < cfg.Validators {
			signers[i], chunks = set.Signers[i], set.ChunkSigners[i]
		} else {
			chunks = verify.NewChunkSigner([]byte(setup.Namespace), external[i-cfg.Validators])
		}
		m.Identity = chunks.PublicKey()
		if i < cfg.Sequencers {
			m.Sequencer = chunks
			lanes = append(lanes, m.Identity)
		}
		c.members = append(c.members, m)
	}
	for i, m := range c.members {
		sets, err := engine.NewStaticEpochs(schemes[i], signers[i], lanes)
		if err != nil {
			return nil, err
		}
		m.Lanes, m.Sets = lanes, sets
	}
	var err error
	c.network, err = simnet.New(simnet.Config{Seed: cfg.Seed, Default: simnet.Conditions{Latency: cfg.Latency, Loss: cfg.Loss}})
	return c, err
}

// newSet makes the validator set. The same configuration makes the same set, in new memory.
func newSet(cfg *Config) (*testkit.Set, error) {
	identities := testkit.Identities(cfg.Validators, cfg.Seed)
	return testkit.NewWeighted(identities, cfg.Voting, cfg.Kind(), cfg.BLSVariant(), cfg.AckEncoding(), []byte(setup.Namespace), cfg.Seed)
}

// start makes all engines and runs them. After an error, too, stop must be called.
func (c *cluster) start(ctx context.Context, cfg *Config, dirs *store, metrics *measure.Registry, log io.Writer) error {
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	for i, m := range c.members {
		if err := ctx.Err(); err != nil {
			return err
		}
		var peers []wire.PublicKey
		for j, p := range c.members {
			// External sequencers do not send to each other.
			if i != j && (i < cfg.Validators || j < cfg.Validators) {
				peers = append(peers, p.Identity)
			}
		}
		if err := m.start(cfg, dirs.journal(i), peers, c.network, metrics, logger); err != nil {
			if !dirs.temporary {
				err = fmt.Errorf("%w (for a new cluster name another folder with --data)", err)
			}
			return err
		}
	}
	if err := dirs.begun(); err != nil {
		return err
	}
	// The engines end when the cluster says so, not with ctx.
	ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, m := range c.members {
		c.running.Go(func() {
			if err := m.engine.Run(ctx); err != nil {
				select {
				case c.failed <- fmt.Errorf("member %d: %w", m.Index, err):
				default:
				}
			}
		})
	}
	return nil
}

// stop ends all engines cleanly, then the network. It returns the failure of an engine that nobody
// has received yet.
func (c *cluster) stop() error {
	if c.cancel != nil {
		c.cancel()
		c.running.Wait()
	}
	c.network.Close()
	var err error
	for _, m := range c.members {
		if m.engine != nil {
			// The error of an engine that never ran: the result does not depend on it.
			if closing := m.engine.Close(); closing != nil {
				err = errors.Join(err, fmt.Errorf("member %d: %w", m.Index, closing))
			}
		}
	}
	select {
	case failure := <-c.failed:
		err = errors.Join(failure, err)
	default:
	}
	return err
}

// engines returns the members' engines.
func (c *cluster) engines() (all []*engine.Engine) {
	for _, m := range c.members {
		all = append(all, m.engine)
	}
	return all
}

// reason returns the reason why engines gave no status: the first failure of an engine if there was
// one, otherwise err.
func (c *cluster) reason(err error) error {
	if failure := c.stop(); failure != nil {
		return failure
	}
	return err
}
