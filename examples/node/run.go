package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// options are the operator's settings.
type options struct {
	namespace, key, members, journal, listen, http, adopt, acks string
	first, lost, certificates                                   bool
	pace                                                        time.Duration

	log                    *slog.Logger
	listener, httpListener net.Listener // instead of listen and http, in tests
}

// app is the application: the payload of a place is its hash, and pace is the time between two.
type app struct {
	log  *slog.Logger
	pace time.Duration
}

func payload(at engine.Place) wire.Digest {
	return sha256.Sum256(fmt.Appendf(nil, "%v %d %v", at.Sequencer, at.Height, at.Parent))
}

func (a app) Propose(ctx context.Context, at engine.Place) (wire.Digest, error) {
	select {
	case <-time.After(a.pace):
		return payload(at), nil
	case <-ctx.Done():
		return wire.Digest{}, ctx.Err()
	}
}

func (app) Verify(_ context.Context, at engine.Place, d wire.Digest) (bool, error) {
	return d == payload(at), nil
}

func (app) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {}

// Report logs activities that are neither tips nor locks: evidence, and peers that send invalid
// messages.
func (a app) Report(_ context.Context, activity wire.Activity) error {
	switch activity.(type) {
	case *wire.Tip, *wire.Certified:
	default:
		a.log.Warn("fault of a peer", "what", fmt.Sprintf("%T", activity))
	}
	return nil
}

// run runs the process until ctx ends or a part of it fails.
func run(ctx context.Context, o *options, reload <-chan os.Signal) error {
	key, err := readKey(o.key)
	if err != nil {
		return err
	}
	me := wire.PublicKey(key.Public().(ed25519.PublicKey))
	members, err := readMembers(o.members)
	if err != nil {
		return err
	}
	sets, err := newSets([]byte(o.namespace), key, members)
	if err != nil {
		return err
	}
	locks, err := readLocks(o.adopt, sets)
	if err != nil {
		return err
	}
	listener := o.listener
	if listener == nil {
		if listener, err = net.Listen("tcp", o.listen); err != nil {
			return err
		}
	}
	defer listener.Close()
	registry := prometheus.NewRegistry()
	acks := engine.AcksToAll
	if o.acks == "sequencer" {
		acks = engine.AcksToSequencer
	}

	var b *bridge.Bridge
	transport, err := network.New(network.Config{
		Key: key, Types: bridge.Types(0), Listener: listener, Addresses: sets.addresses, Metrics: registry, Logger: o.log,
		Settings: network.Settings{
			Namespace: []byte(o.namespace), AcksToSequencer: acks == engine.AcksToSequencer,
			Epochs: func() []network.Epoch { return b.Epochs() },
		},
	})
	if err != nil {
		return err
	}
	b = bridge.New(transport, bridge.Config{Admit: sets.admit, Logger: o.log})
	a := app{o.log, o.pace}
	e, err := engine.New(engine.Config{
		Namespace: []byte(o.namespace), Identity: me, Sequencer: verify.NewChunkSigner([]byte(o.namespace), key),
		Schemes: sets, Sequencers: sets, Monitor: sets, Automaton: a, Relay: a, Reporter: a, Sender: b,
		Journal: engine.JournalConfig{Dir: o.journal, Create: o.first, Recover: o.lost}, Adopt: locks,
		Acks: acks, SendCertificates: o.certificates, Metrics: registry, Logger: o.log,
	})
	if err != nil {
		return err
	}
	stopServing, err := serve(o, e, registry)
	if err != nil {
		return errors.Join(err, e.Close())
	}
	defer stopServing()

	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	var networkErr error
	tasks.Go(func() {
		defer cancel()
		networkErr = b.Run(ctx, e)
	})
	tasks.Go(func() {
		for {
			select {
			case <-reload:
				sets.reload(o, transport)
			case <-ctx.Done():
				return
			}
		}
	})
	err = e.Run(ctx)
	cancel()
	tasks.Wait()
	return errors.Join(err, networkErr)
}
