package proc

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/config"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/link"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/member"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

func identities(n *config.Network) (ids []wire.PublicKey) {
	for i := range n.Members {
		ids = append(ids, n.Members[i].Identity)
	}
	return ids
}

func (p *process) newMember() error {
	f := p.folder
	scheme, err := f.Network.NewScheme()
	if err != nil {
		return err
	}
	signer, err := f.AckSigner(scheme)
	if err != nil {
		return err
	}
	p.run.Latencies = measure.NewLatencies()
	p.run.Locked = func(l *wire.Lock) { p.record.Lock(l) }
	p.member = member.New(f.Member.Number, &p.run)
	p.member.Identity, p.member.Lanes = f.ID(), f.Network.Lanes()
	if p.member.Sets, err = f.Network.StaticEpochs(scheme, signer); err != nil {
		return err
	}
	if f.Self().Sequencer {
		p.member.Sequencer = verify.NewChunkSigner([]byte(f.Network.Namespace), f.Identity)
	}
	return nil
}

// needs reports whether the member and another have anything to send each other. Two sequencers
// that do not validate have nothing, unless there are bodies; two followers never have.
func (p *process) needs(i int) bool {
	a, b := p.folder.Self(), &p.folder.Network.Members[i]
	switch {
	case a == b:
		return false
	case p.folder.Network.Payload != nil:
		return !(a.Follower && b.Follower)
	}
	return a.Validator || b.Validator
}

// admission returns the role that an identity is admitted with.
type admission = func(wire.PublicKey) network.Role

func (p *process) assemble(listener net.Listener, log *slog.Logger) error {
	n := p.folder.Network
	p.links = link.New(link.Conditions{
		Latency: time.Duration(n.Link.Latency), Jitter: time.Duration(n.Link.Jitter), Bandwidth: n.Link.Bandwidth * 1e6 / 8,
	}, n.Seed^uint64(p.folder.Member.Number))
	addresses := make(map[wire.PublicKey]string)
	for i := range n.Members {
		if p.needs(i) {
			addresses[n.Members[i].Identity] = n.Members[i].Address
		}
	}
	admit := func(id wire.PublicKey) network.Role {
		if _, ok := addresses[id]; ok {
			return network.Member
		}
		return network.Refused
	}
	followers := len(n.Followers())
	cfg := n.Setup()
	slow := 2 * time.Duration(n.Link.Latency+n.Link.Jitter) // added to a round trip
	settings := network.Settings{
		Namespace: []byte(n.Namespace), AcksToSequencer: cfg.AcksToSequencer(), UncompressedAcks: cfg.AckEncoding() == verify.Uncompressed,
		Epochs: func() []network.Epoch { return p.unit.Epochs() },
	}
	types, queue := append(bridge.Types(0), statusMessage), 0
	if n.Payload != nil {
		settings.PayloadFormat, settings.MaxPayload = 1, uint64(max(n.Payload.Size, payload.DefaultMaxPayload))
		types = append(replica.Types(0), statusMessage)
		queue = 4 * int(settings.MaxPayload+settings.MaxPayload/64) // four bodies with overhead
		for _, t := range types {
			queue = max(queue, t.Limit)
		}
	}
	tcp, err := network.New(network.Config{
		Key: p.folder.Identity, Types: types, QueueBytes: queue, MaxFollowers: max(1, min(followers, len(addresses))), Listener: p.links.Listener(listener), Dial: p.links.Dial,
		Addresses: func() map[wire.PublicKey]string { return addresses },
		Settings:  settings,
		// Many members may share one address.
		MaxPeers: max(1, len(addresses)), MaxHandshakes: 1024, MaxHandshakesPerAddress: 1024,
		MinBackoff: 20 * time.Millisecond, MaxBackoff: time.Second,
		PingInterval: pingInterval, IdleTimeout: 15*time.Second + slow, HandshakeTimeout: 5*time.Second + 4*slow, WriteTimeout: 10*time.Second + slow,
		Metrics: p.registry, Logger: log,
	})
	if err != nil {
		return err
	}
	p.net = &transport{
		Network: tcp, run: &p.run, loss: n.Link.Loss, schedule: p.schedule, acks: make(map[wire.PublicKey]wire.Chunk),
		random: rand.New(rand.NewPCG(n.Seed, uint64(p.folder.Member.Number))),
	}
	p.schedule.send = func(to []wire.PublicKey, message []byte) { tcp.Send(to, statusType, message) }
	if n.Payload != nil {
		p.unit, err = p.newReplica(admit, log)
	} else {
		p.unit, err = p.newEngine(admit, log)
	}
	return err
}

// listen listens at an address, which a process that has just ended may hold for a moment.
func listen(address string) (net.Listener, error) {
	for began := time.Now(); ; {
		l, err := net.Listen("tcp", address)
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) || time.Since(began) > bindAtMost {
			return l, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
