package sim

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// World is who there is, and the sets of every epoch.
type World struct {
	settings *Config
	ids      []wire.PublicKey // by process
	epochs   map[uint64]*epochSets

	signChunk  func(process int, c wire.Chunk) wire.Signature
	chunkValid func(*wire.Proposal) bool
	keys       []ed25519.PrivateKey // by process; nil where chunks are signed by the model
	chunks     *verify.ChunkVerifier
	rotating   bool // sets differ from epoch to epoch
	err        error
}

// epochSets are the sets of an epoch.
type epochSets struct {
	scheme     verify.Scheme
	signers    []verify.AckSigner // by participant
	sequencers []wire.PublicKey
	witness    witness
}

var namespace = []byte("sim")

func newWorld(s *Config) (*World, error) {
	w := &World{settings: s, epochs: make(map[uint64]*epochSets)}
	if w.keyed() && !s.Batch {
		for i := range s.Processes {
			w.ids = append(w.ids, wire.PublicKey{byte(i >> 8), byte(i), 0xA5})
		}
		w.signChunk = func(_ int, c wire.Chunk) wire.Signature { return model.SignChunk(c) }
		w.chunkValid = model.ChunkValid
	} else {
		w.keys = testkit.Identities(s.Processes, 1)
		w.chunks = verify.NewChunkVerifier(namespace)
		w.chunkValid = w.chunks.Verify
		var signers []verify.ChunkSigner
		for _, k := range w.keys {
			w.ids = append(w.ids, testkit.Identity(k))
			signers = append(signers, verify.NewChunkSigner(namespace, k))
		}
		w.signChunk = func(process int, c wire.Chunk) wire.Signature {
			signature, err := signers[process].SignChunk(context.Background(), c)
			if err != nil {
				w.err = err
			}
			return signature
		}
	}
	validators, sequencers := span(0, s.Validators), span(s.Processes-s.Sequencers, s.Processes)
	for i := range s.Byzantine {
		if i < s.Processes-s.Sequencers {
			sequencers = append(sequencers, i)
		}
	}
	for e := uint64(firstEpoch - 1); e <= lastEpoch; e++ {
		w.Define(e, validators, sequencers)
	}
	return w, w.err
}

func span(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

func (w *World) keyed() bool { return slices.Contains(KeyedSchemes, w.settings.Scheme) }

// Define says which processes are validators and sequencers in an epoch. It must come before the network starts.
func (w *World) Define(epoch uint64, validators, sequencers []int) {
	e := &epochSets{}
	for _, i := range sequencers {
		e.sequencers = append(e.sequencers, w.ids[i])
	}
	if w.keyed() {
		kind := map[Scheme]model.Kind{KeyedList: model.List, KeyedSum: model.Sum, KeyedGroup: model.Group}[w.settings.Scheme]
		var ids []wire.PublicKey
		for _, i := range validators {
			ids = append(ids, w.ids[i])
		}
		s := w.keyedSet(kind, ids, epoch/2) // one may serve two epochs, as a real one may
		e.scheme, e.witness = s, &keyedWitness{s}
		for i := range ids {
			e.signers = append(e.signers, model.Signer{Scheme: s, Index: wire.Participant(i)})
		}
	} else {
		var keys []ed25519.PrivateKey
		for _, i := range validators {
			keys = append(keys, w.keys[i])
		}
		set, err := realSet(w.settings.Scheme, keys, epoch)
		if err != nil {
			w.err = err
			return
		}
		e.scheme, e.signers, e.witness = set.Scheme, set.Signers, newRealWitness(w.settings.Scheme, set)
	}
	w.epochs[epoch] = e
}

// keyedSet returns the scheme of a set, the one of another epoch if it has the same validators and seed.
func (w *World) keyedSet(kind model.Kind, ids []wire.PublicKey, seed uint64) *model.Scheme {
	s := model.New(kind, ids, seed)
	for _, e := range w.epochs {
		if same, ok := e.scheme.(*model.Scheme); ok && same.Same(s) {
			return same
		}
	}
	return s
}

// realSets remembers sets: dealing and checking them costs more than a small run.
var realSets sync.Map

func realSet(s Scheme, keys []ed25519.PrivateKey, epoch uint64) (*testkit.Set, error) {
	type name struct {
		scheme Scheme
		keys   string
		odd    uint64
	}
	kind, variant := testkit.Multisig, verify.MinSig
	switch s {
	case ThresholdMinSig, ThresholdMinPk:
		kind = testkit.Threshold
	case Ed25519:
		kind = testkit.Ed25519
	}
	if s == MultisigMinPk || s == ThresholdMinPk {
		variant = verify.MinPk
	}
	n := name{scheme: s, odd: epoch % 2} // keys of neighbouring epochs differ
	for _, k := range keys {
		n.keys += string(k[32:])
	}
	if set, ok := realSets.Load(n); ok {
		return set.(*testkit.Set), nil
	}
	set, err := testkit.NewFor(keys, kind, variant, verify.Compressed, namespace, n.odd)
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	realSets.Store(n, set)
	return set, nil
}

// signer returns what signs a process's acks in an epoch, nil if it is no validator there.
func (w *World) signer(id wire.PublicKey, epoch uint64) verify.AckSigner {
	e := w.epochs[epoch]
	if e == nil {
		return nil
	}
	i, ok := e.scheme.Index(id)
	if !ok {
		return nil
	}
	return e.signers[i]
}

// view is the world as one process sees it: it may learn of sets late.
type view struct {
	world   *World
	me      wire.PublicKey
	now     *time.Duration
	knownAt map[uint64]time.Duration
}

func (v *view) epoch(e uint64) (*epochSets, bool) {
	s := v.world.epochs[e]
	return s, s != nil && *v.now >= v.knownAt[e]
}

func (v *view) Scheme(e uint64) (verify.Scheme, bool) {
	if s, ok := v.epoch(e); ok {
		return s.scheme, true
	}
	return nil, false
}

func (v *view) AckSigner(e uint64) verify.AckSigner { return v.world.signer(v.me, e) }

func (v *view) Sequencers(e uint64) ([]wire.PublicKey, bool) {
	if s, ok := v.epoch(e); ok {
		return s.sequencers, true
	}
	return nil, false
}
