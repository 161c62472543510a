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

// Roster holds the identities of all processes, and the validator and sequencer sets of every
// epoch.
type Roster struct {
	config *Config
	ids    []wire.PublicKey // by process
	epochs map[uint64]*epochSets

	signChunk  func(process int, c wire.Chunk) wire.Signature
	chunkValid func(*wire.Proposal) bool
	keys       []ed25519.PrivateKey // by process; nil if the model signs chunks
	chunks     *verify.ChunkVerifier
	rotating   bool // sets differ from epoch to epoch
	err        error
}

// epochSets holds the sets of one epoch.
type epochSets struct {
	scheme      verify.Scheme
	weights     []uint64           // by participant; nil if all weights are 1
	signers     []verify.AckSigner // by participant
	sequencers  []wire.PublicKey
	independent independent
}

var namespace = []byte("sim")

func newRoster(s *Config) (*Roster, error) {
	r := &Roster{config: s, epochs: make(map[uint64]*epochSets)}
	if r.keyed() && !s.Batch {
		for i := range s.Processes {
			r.ids = append(r.ids, wire.PublicKey{byte(i >> 8), byte(i), 0xA5})
		}
		r.signChunk = func(_ int, c wire.Chunk) wire.Signature { return model.SignChunk(c) }
		r.chunkValid = model.ChunkValid
	} else {
		r.keys = testkit.Identities(s.Processes, 1)
		r.chunks = verify.NewChunkVerifier(namespace)
		r.chunkValid = r.chunks.Verify
		var signers []verify.ChunkSigner
		for _, k := range r.keys {
			r.ids = append(r.ids, testkit.Identity(k))
			signers = append(signers, verify.NewChunkSigner(namespace, k))
		}
		r.signChunk = func(process int, c wire.Chunk) wire.Signature {
			signature, err := signers[process].SignChunk(context.Background(), c)
			if err != nil {
				r.err = err
			}
			return signature
		}
	}
	validators, sequencers := span(s.Strangers, s.Validators), span(max(s.Processes-s.Sequencers, s.Strangers), s.Processes)
	for i := s.Strangers; i < s.Byzantine; i++ {
		if i < s.Processes-s.Sequencers {
			sequencers = append(sequencers, i)
		}
	}
	r.rotating = s.Weights == ChangingWeights
	for e := uint64(firstEpoch - 1); e <= lastEpoch; e++ {
		r.Define(e, validators, sequencers)
	}
	return r, r.err
}

func span(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

func (r *Roster) keyed() bool { return slices.Contains(KeyedSchemes, r.config.Scheme) }

// Define sets the validators and sequencers of an epoch. It must be called before the network
// starts.
func (r *Roster) Define(epoch uint64, validators, sequencers []int) {
	e := &epochSets{weights: r.weigh(epoch, validators)}
	for _, i := range sequencers {
		e.sequencers = append(e.sequencers, r.ids[i])
	}
	if r.keyed() {
		kind := map[Scheme]model.Kind{KeyedList: model.List, KeyedSum: model.Sum, KeyedGroup: model.Group}[r.config.Scheme]
		var ids []wire.PublicKey
		for _, i := range validators {
			ids = append(ids, r.ids[i])
		}
		s := r.keyedSet(kind, ids, epoch/2, e.weights) // one scheme may serve two epochs
		e.scheme, e.independent = s, &keyedIndependent{s, e.weights}
		for i := range ids {
			e.signers = append(e.signers, model.Signer{Scheme: s, Index: wire.Participant(i)})
		}
	} else {
		var keys []ed25519.PrivateKey
		for _, i := range validators {
			keys = append(keys, r.keys[i])
		}
		set, err := realSet(r.config.Scheme, keys, epoch, e.weights)
		if err != nil {
			r.err = err
			return
		}
		e.scheme, e.signers, e.independent = set.Scheme, set.Signers, newRealIndependent(r.config.Scheme, set, e.weights)
	}
	r.epochs[epoch] = e
}

// keyedSet returns the scheme of a set. Epochs with the same validators and seed share one scheme.
func (r *Roster) keyedSet(kind model.Kind, ids []wire.PublicKey, seed uint64, weights []uint64) *model.Scheme {
	s := model.New(kind, ids, seed)
	if weights != nil {
		w, err := verify.NewWeights(weights)
		if err != nil {
			r.err = err
		}
		s = model.NewWeighted(kind, ids, seed, w)
	}
	for _, e := range r.epochs {
		if same, ok := e.scheme.(*model.Scheme); ok && same.Same(s) {
			return same
		}
	}
	return s
}

// realSets caches sets: dealing and checking a set costs more than a small run.
var realSets sync.Map

func realSet(s Scheme, keys []ed25519.PrivateKey, epoch uint64, weights []uint64) (*testkit.Set, error) {
	type name struct {
		scheme  Scheme
		keys    string
		odd     uint64
		weights string
	}
	kind, variant := testkit.Multisig, verify.MinSig
	switch s {
	case ThresholdMinSig, ThresholdMinPk:
		kind = testkit.Threshold
	case Ed25519:
		kind = testkit.Ed25519
	case Secp256r1:
		kind = testkit.Secp256r1
	}
	if s == MultisigMinPk || s == ThresholdMinPk {
		variant = verify.MinPk
	}
	n := name{scheme: s, odd: epoch % 2, weights: fmt.Sprint(weights)} // neighbouring epochs differ
	for _, k := range keys {
		n.keys += string(k[32:])
	}
	if set, ok := realSets.Load(n); ok {
		return set.(*testkit.Set), nil
	}
	set, err := testkit.NewWeighted(keys, weights, kind, variant, verify.Compressed, namespace, n.odd)
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	realSets.Store(n, set)
	return set, nil
}

// signer returns the signer of a process's acks in an epoch, nil if the process is no validator
// there.
func (r *Roster) signer(id wire.PublicKey, epoch uint64) verify.AckSigner {
	e := r.epochs[epoch]
	if e == nil {
		return nil
	}
	i, ok := e.scheme.Index(id)
	if !ok {
		return nil
	}
	return e.signers[i]
}

// view is the part of the roster that one process knows: a process may learn sets late.
type view struct {
	roster  *Roster
	me      wire.PublicKey
	now     *time.Duration
	knownAt map[uint64]time.Duration
}

func (v *view) epoch(e uint64) (*epochSets, bool) {
	s := v.roster.epochs[e]
	return s, s != nil && *v.now >= v.knownAt[e]
}

func (v *view) Scheme(e uint64) (verify.Scheme, bool) {
	if s, ok := v.epoch(e); ok {
		return s.scheme, true
	}
	return nil, false
}

func (v *view) AckSigner(e uint64) verify.AckSigner { return v.roster.signer(v.me, e) }

func (v *view) Sequencers(e uint64) ([]wire.PublicKey, bool) {
	if s, ok := v.epoch(e); ok {
		return s.sequencers, true
	}
	return nil, false
}
