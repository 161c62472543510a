package replica

import (
	"context"
	"iter"
	"slices"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// monitor passes the epochs to the engine, and notes the current one for the replica.
type monitor struct{ *Replica }

// Epochs implements engine.Monitor.
func (m monitor) Epochs(ctx context.Context) (uint64, <-chan uint64, error) {
	r := m.Replica
	now, updates, err := r.cfg.Epochs.Epochs(ctx)
	if err != nil {
		return 0, nil, err
	}
	r.enter(now)
	out := make(chan uint64)
	r.work(func() {
		defer close(out)
		for {
			select {
			case epoch, more := <-updates:
				if !more {
					return
				}
				r.enter(epoch)
				select {
				case out <- epoch:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	return now, out, nil
}

// enter notes the current epoch.
func (r *Replica) enter(epoch uint64) {
	r.epoch.Store(max(epoch, r.epoch.Load()))
	r.transport.Recheck()
}

// epochs returns the epochs within bounds, newest first.
func (r *Replica) epochs() iter.Seq[uint64] {
	now := r.epoch.Load()
	back, ahead := r.cfg.epochsBack(), r.cfg.epochsAhead()
	return func(yield func(uint64) bool) {
		for epoch := now + min(ahead, ^uint64(0)-now); yield(epoch) && epoch != now-min(back, now); epoch-- {
		}
	}
}

// knownSets returns the epochs within bounds whose sets are known.
func (r *Replica) knownSets() (known []uint64) {
	for epoch := range r.epochs() {
		_, scheme := r.cfg.scheme(epoch)
		_, sequencers := r.cfg.Epochs.Sequencers(epoch)
		if scheme && sequencers {
			known = append(known, epoch)
		}
	}
	return known
}

// others returns the validators of the current epoch without us.
func (r *Replica) others() []wire.PublicKey {
	scheme, ok := r.cfg.scheme(r.epoch.Load())
	if !ok {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(scheme.Participants()), func(id wire.PublicKey) bool { return id == r.id })
}

// isSequencer reports whether an identity is a sequencer of the current epoch.
func (r *Replica) isSequencer(id wire.PublicKey) bool {
	sequencers, ok := r.cfg.Epochs.Sequencers(r.epoch.Load())
	return ok && slices.Contains(sequencers, id)
}

// isMember reports whether an identity is a validator or a sequencer of an epoch within bounds.
func (r *Replica) isMember(id wire.PublicKey) bool {
	for epoch := range r.epochs() {
		if scheme, ok := r.cfg.scheme(epoch); ok {
			if _, member := scheme.Index(id); member {
				return true
			}
		}
		if sequencers, ok := r.cfg.Epochs.Sequencers(epoch); ok && slices.Contains(sequencers, id) {
			return true
		}
	}
	return false
}

// rank returns the order in which peers are asked for data of a chunk: its sequencer, the signers
// of a certificate for it or for a chunk above it, other validators, others.
func (r *Replica) rank(p message.Place) func(id wire.PublicKey) int {
	l := r.laneOf(p.Sequencer)
	l.mu.Lock()
	lock, locked := l.lock, l.locked
	l.mu.Unlock()
	var signers wire.Signers
	var scheme verify.Scheme
	if locked && lock.Chunk.Height >= p.Height {
		if s, ok := r.cfg.scheme(lock.Epoch); ok {
			scheme = s
			// A threshold certificate names no signers.
			signers, _, _ = s.Format().SplitCertificate(lock.Certificate)
		}
	}
	if scheme == nil {
		scheme, _ = r.cfg.scheme(r.epoch.Load())
	}
	return func(id wire.PublicKey) int {
		if id == p.Sequencer {
			return 0
		}
		if scheme != nil {
			if i, ok := scheme.Index(id); ok && signers.Has(i) {
				return 1
			} else if ok {
				return 2
			}
		}
		if peer := r.peers.get(id); peer != nil && r.peers.roleOf(peer) == network.Member {
			return 3
		}
		return 4
	}
}

// prunedAt returns a function that gets the peers that have pruned the next chunk of a lane: if
// they weigh more than f of a known epoch, it tells the host.
func (r *Replica) prunedAt(p message.Place) func(by []wire.PublicKey) {
	return func(by []wire.PublicKey) {
		l := r.laneOf(p.Sequencer)
		l.mu.Lock()
		next := l.next
		tell := l.failure == nil && l.locked && p.Height >= next && l.behind <= next && r.outweighFaulty(by)
		if tell {
			l.behind = next + 1
		}
		l.mu.Unlock()
		if !tell {
			return
		}
		r.log.Warn("a lane cannot be handed over any more: its next chunk is pruned everywhere. "+
			"This host needs its state from elsewhere, and then calls Restore", "sequencer", p.Sequencer, "next", next)
		if r.cfg.Behind != nil {
			r.cfg.Behind(p.Sequencer, next)
		}
	}
}

// outweighFaulty reports whether validators weigh more than f in a known epoch.
func (r *Replica) outweighFaulty(ids []wire.PublicKey) bool {
	for epoch := range r.epochs() {
		scheme, ok := r.cfg.scheme(epoch)
		if !ok {
			continue
		}
		weights, sum := scheme.Weights(), uint64(0)
		for _, id := range ids {
			if i, ok := scheme.Index(id); ok {
				sum += weights.Of(i)
			}
		}
		if sum > weights.Tolerated() {
			return true
		}
	}
	return false
}

var _ engine.Monitor = monitor{}
