package cluster

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/bodies"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// replicas are the members of a cluster whose chunks have bodies, in this process. They are joined
// by TLS on loopback, so that their CPU time includes everything that members in separate processes
// would spend.
type replicas struct {
	members []*replicaMember
	lanes   []wire.PublicKey // ascending
	failed  chan error       // the first failure of a member

	mu        sync.Mutex
	addresses map[wire.PublicKey]string
}

// replicaMember is a member and the Recorder of its reports.
type replicaMember struct {
	*bodies.Member
	index     int
	identity  wire.PublicKey
	size      int // length of bodies
	sequences bool
	follower  bool
	run       *bodiesRun
	certified atomic.Int64 // highest height of its lane certified in this run, −1 for none
}

// newReplicas makes the members; nothing runs yet.
func newReplicas(ctx context.Context, cfg *Config, dirs *store, r *bodiesRun, log io.Writer) (*replicas, error) {
	f := &replicas{failed: make(chan error, 1), addresses: make(map[wire.PublicKey]string)}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	first, err := newSet(cfg)
	if err != nil {
		return nil, err
	}
	keys := slices.Clone(first.Identities)
	keys = append(keys, testkit.Identities(max(0, cfg.Sequencers-cfg.Validators), ^cfg.Seed)...)
	members := len(keys)
	keys = append(keys, testkit.Identities(cfg.Bodies.Follow, ^cfg.Seed^followerSeed)...)
	var followers []wire.PublicKey
	for i, k := range keys {
		switch id := testkit.Identity(k); {
		case i >= members:
			followers = append(followers, id)
		case i < cfg.Sequencers:
			f.lanes = append(f.lanes, id)
		}
	}
	slices.SortFunc(f.lanes, wire.PublicKey.Compare)
	room, err := cfg.room(dirs)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m := &replicaMember{index: i, identity: testkit.Identity(key), size: cfg.Bodies.Size, sequences: i < cfg.Sequencers && i < members, follower: i >= members, run: r}
		m.certified.Store(-1)
		if m.Member, err = f.member(cfg, dirs, m, key, followers, room, logger); err != nil {
			return nil, err
		}
		f.members = append(f.members, m)
	}
	return f, nil
}

// room returns the settings of the members' archives for the free room of the disk.
func (cfg *Config) room(dirs *store) (archive.Config, error) {
	room, err := bodies.Room(host.FreeSpace(dirs.dir), cfg.replicas(), cfg.Bodies.Size)
	if err != nil {
		return room, cli.Usagef("--payload-size: %v", err)
	}
	if kept := cfg.Bodies.Kept(cfg.Sequencers); kept > room.Quota {
		return room, cli.Usagef("--away %v at --rate %v has each member keep %d MB, and there is room for %d MB; lower one of the two",
			cfg.Bodies.Away, cfg.Bodies.Rate, kept/1e6, room.Quota/1e6)
	}
	return room, nil
}

// followerSeed makes the identities of followers differ from those of external sequencers.
const followerSeed = 0x666f6c6c6f77

// member makes a member.
func (f *replicas) member(cfg *Config, dirs *store, m *replicaMember, key ed25519.PrivateKey, followers []wire.PublicKey, room archive.Config, logger *slog.Logger) (*bodies.Member, error) {
	set, err := newSet(cfg) // members share no caches
	if err != nil {
		return nil, err
	}
	var signer verify.AckSigner
	if m.index < cfg.Validators {
		signer = set.Signers[m.index]
	}
	sets, err := engine.NewStaticEpochs(set.Scheme, signer, f.lanes)
	if err != nil {
		return nil, err
	}
	kept, all := dirs.journal(m.index), cfg.replicas()
	return bodies.New(bodies.Config{
		Name: fmt.Sprintf("member %d", m.index), Namespace: []byte(setup.Namespace), Key: key, Sets: sets, Lanes: f.lanes, Followers: followers,
		Dir: kept.Dir, Create: kept.Create,
		Size: cfg.Bodies.Size, Rate: cfg.Bodies.Rate, Seed: cfg.Seed, Run: m.run.number,
		Listen:    func() (net.Listener, error) { return f.listen(m.identity) },
		Addresses: f.known,
		Engine:    engine.Config{Workers: cfg.Workers, BatchSize: cfg.BatchSize, BatchDelay: cfg.BatchDelay, Acks: cfg.AcksTo()},
		Network: network.Config{
			MinBackoff: minBackoff, MaxBackoff: maxBackoff,
			MaxPeers: all, MaxFollowers: max(1, cfg.Bodies.Follow), MaxHandshakes: 2 * all, MaxHandshakesPerAddress: 2 * all,
		},
		Archive: room, Least: f.least, Recorder: m, Problems: &m.run.Problems,
		Metrics: prometheus.WrapRegistererWith(prometheus.Labels{"member": fmt.Sprint(m.index)}, m.run.registry),
		Logger:  logger.With("member", m.index),
	})
}

// The network dials a member again soon if it does not listen yet, or returns after an absence.
const (
	minBackoff = 10 * time.Millisecond
	maxBackoff = 500 * time.Millisecond
)

// listen returns a listener on loopback, and makes its address known to the others.
func (f *replicas) listen(id wire.PublicKey) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.addresses[id] = l.Addr().String()
	f.mu.Unlock()
	for _, m := range f.members {
		m.Recheck()
	}
	return l, nil
}

// known returns the addresses of the members that have been started.
func (f *replicas) known() map[wire.PublicKey]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.addresses)
}

// least returns the lowest height of a lane that some member lacks.
func (f *replicas) least(lane wire.PublicKey) uint64 {
	least := f.members[0].Next(lane)
	for _, m := range f.members {
		least = min(least, m.Next(lane))
	}
	return least
}

// connectTimeout bounds how long members may take to connect.
const connectTimeout = 30 * time.Second

// start starts all members and waits until they are connected. After an error, too, stop must be
// called.
func (f *replicas) start(ctx context.Context, dirs *store) error {
	for _, m := range f.members {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.Start(); err != nil {
			if !dirs.temporary {
				err = fmt.Errorf("%w (for a new cluster name another folder with --data)", err)
			}
			return err
		}
		go func() {
			select {
			case err := <-m.Failed():
				select {
				case f.failed <- err:
				default:
				}
			case <-m.run.over:
			}
		}()
	}
	if err := dirs.begun(); err != nil {
		return err
	}
	timeout := time.After(connectTimeout)
	for _, m := range f.members {
		for m.Peers() < len(f.members)-1 {
			select {
			case <-time.After(20 * time.Millisecond):
			case err := <-f.failed:
				return err
			case <-ctx.Done():
				return ctx.Err()
			case <-timeout:
				return fmt.Errorf("member %d was connected to %d of %d others after %v", m.index, m.Peers(), len(f.members)-1, connectTimeout)
			}
		}
	}
	return nil
}

// stop ends all members cleanly.
func (f *replicas) stop() error {
	var all []error
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, m := range f.members {
		group.Go(func() {
			err := m.Stop()
			mu.Lock()
			all = append(all, err)
			mu.Unlock()
		})
	}
	group.Wait()
	return errors.Join(all...)
}

// engines returns the running engines, by member.
func (f *replicas) engines() []*engine.Engine {
	var all []*engine.Engine
	for _, m := range f.members {
		if e := m.Engine(); e != nil {
			all = append(all, e)
		}
	}
	return all
}

// read returns the counts of members, and those of followers.
func (f *replicas) read(how func(*bodies.Member) measure.Bodies) (members, followers []measure.Bodies) {
	for _, m := range f.members {
		if b := how(m.Member); m.follower {
			followers = append(followers, b)
		} else {
			members = append(members, b)
		}
	}
	return members, followers
}

// Certified implements bodies.Recorder.
func (m *replicaMember) Certified(c bodies.Certification) {
	m.run.audit.Add(*c.Lock)
	if c.Own {
		m.certified.Store(int64(c.Lock.Chunk.Height))
		m.run.Certificates.Add(1)
		m.run.Latencies.Record(c.Took)
	}
}

// Delivered implements bodies.Recorder.
func (m *replicaMember) Delivered(d bodies.Delivery) {
	m.run.audit.Delivered(d.Chunk)
	m.run.compared.Add(1)
	switch {
	case !d.Timed || m.run.away.spans(d, time.Now()):
	case m.follower:
		m.run.followed.Record(d.Took)
	case m.index != m.run.away.member:
		m.run.delivered.Record(d.Took)
		m.run.away.others[m.run.away.phase.Load()].Record(d.Took)
	case m.run.away.phase.Load() == beforeAway:
		m.run.delivered.Record(d.Took)
	}
}
