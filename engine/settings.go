package engine

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Acks is the recipients of a network's acks: docs/protocol.md 4.5.
type Acks uint8

const (
	// AcksToAll is the default, with upstream's bytes and messages: a validator sends its acks to
	// all validators, and every process assembles every certificate.
	AcksToAll Acks = iota
	// AcksToSequencer means that acks are sent only to the sequencer of their chunk. The sequencer
	// assembles the certificate and sends it to the validators; acks on lanes of others are dropped
	// unread. Each certificate then costs one process, instead of every process, the verification
	// of a quorum, and 3·n messages instead of n².
	AcksToSequencer
)

// String returns "all" or "sequencer".
func (a Acks) String() string {
	if a == AcksToSequencer {
		return "sequencer"
	}
	return "all"
}

// Settings are the settings that the processes of a network should have in common. A transport
// compares them when two processes connect: docs/protocol.md 1.
type Settings struct {
	// Namespace is the SHA-256 of Config.Namespace. Processes that differ in it cannot verify each
	// other's messages.
	Namespace [32]byte
	// Acks and SendCertificates are those of the Config. Processes that differ in Acks work
	// together as long as all sequencers send certificates.
	Acks             Acks
	SendCertificates bool
	// Sets are the settings of the epochs within bounds whose validators are known, ascending. A
	// set that only one of two processes knows is not compared.
	Sets []SetSettings
}

// SetSettings are the settings that come with the validators of one epoch.
type SetSettings struct {
	Epoch uint64
	// AckEncoding is the encoding of acks. Processes that differ in it cannot read each other's.
	AckEncoding verify.AckEncoding
	// Digest identifies the validators, their keys and weights, if HasDigest is set: an embedder's
	// own scheme has a digest if it has a method Digest() [32]byte. Processes whose digests of an
	// epoch differ verify each other's acks against different sets.
	Digest    [32]byte
	HasDigest bool
}

// Settings returns the engine's settings. The loop answers it, as all queries.
func (e *Engine) Settings(ctx context.Context) (Settings, error) { return ask(ctx, e, e.settings) }

func (e *Engine) settings() Settings {
	s := Settings{
		Namespace: sha256.Sum256(e.cfg.Namespace), Acks: e.cfg.Acks, SendCertificates: e.cfg.SendCertificates,
	}
	for epoch, scheme := range e.core.Schemes() {
		set := SetSettings{Epoch: epoch}
		if f := scheme.Format(); f.AckSignature != f.Signature {
			set.AckEncoding = verify.Uncompressed
		}
		if d, ok := scheme.(interface{ Digest() [32]byte }); ok {
			set.Digest, set.HasDigest = d.Digest(), true
		}
		s.Sets = append(s.Sets, set)
	}
	return s
}

// PeerConnected tells the engine that a peer is connected, or connected again. The engine sends to
// this peer alone what it may have missed: our own tip if that is uncertified, our ack for the
// peer's tip if that is uncertified, and the last certificate of our lane where certificates are
// sent; once per peer and AckInterval (docs/protocol.md 4.10). The error is that of [Engine.Peer].
// Any goroutine may call it, before or while the engine runs.
func (e *Engine) PeerConnected(identity wire.PublicKey) error {
	p, err := e.Peer(identity)
	if err != nil {
		return err
	}
	if !p.connected.CompareAndSwap(false, true) {
		return nil // the loop will be told of it
	}
	select {
	case <-e.looping:
		e.onLoop(func(now time.Duration) { e.greet(now, p.account) })
	default: // greetAll follows
	}
	return nil
}

// greet tells the core of a peer that is connected.
func (e *Engine) greet(now time.Duration, a *account) {
	if a.connected.CompareAndSwap(true, false) {
		e.core.PeerConnected(now, a.state)
	}
}

// greetAll tells the core of the peers that were connected before the loop began.
func (e *Engine) greetAll(now time.Duration) {
	e.mu.Lock()
	peers := slices.Collect(maps.Values(e.peers))
	e.mu.Unlock()
	for _, p := range peers {
		e.greet(now, p.account)
	}
}
