package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/wire"
)

// Recovery holds the answers of other validators, for a process whose journal was lost:
// docs/protocol.md 5.10 and 7.5. The validators that answered must weigh a quorum without this
// process, in the current epoch and in every known one within bounds; with Resume, every validator
// of these epochs must have answered.
type Recovery struct {
	// Locks are at least the highest lock of each lane in the answers, of any known epoch. Of our
	// own lane they are all known locks, the parents of our nodes that validators showed among
	// them. Locks of epochs from EpochsBack below the current one on are adopted. Older ones only
	// say where we abstain: retired keys may have leaked.
	Locks []wire.Lock
	// Unknown are locks of epochs whose sets are not known, so that they cannot be verified. On
	// their lanes nothing is acked until a lock of an epoch within bounds is held, and then only
	// more than two heights above that lock. Unknown locks of a lane change nothing if Locks has a
	// lock of it within bounds. Of lanes of sequencers that are in no known epoch 4096 are kept. If
	// there are more, all such lanes count as named.
	Unknown []wire.Subject
	// Own are the chunks with our signature that validators showed. Those with an invalid signature
	// are dropped and counted.
	Own []wire.Proposal
	// Resume lets our own lane go on, above its highest lock, or with the highest chunk of Own,
	// which is sent again until it is certified. Without it the lane has ended. To end the lane is
	// always safe; Resume may not be: if every validator that has a higher chunk of ours hides it,
	// has lost it, or received it only after it had answered, we sign another chunk for its height.
	// A process that has both can prove that (see [VerifyEvidence]). The process stops with
	// [ErrStaleJournal] when a peer shows it the first one, and must then recover without Resume.
	Resume bool
}

// Recover ends the recovery of a process whose journal was lost. Once all of it is durable the
// process signs again: it acks on each lane only above the heights that it may have acked before,
// two heights above the lock of Locks, or above height 1 of a lane without one. After a crash
// before that, the process is either still recovering or has recovered completely.
//
// The locks are verified first. If one does not verify, or is of an unknown epoch, nothing happens
// and the error says why. The other errors are [ErrNoLocks], [ErrIndispensable],
// [ErrNotRecovering], and [ErrResume] when our own lane cannot go on: its text names the missing
// chunk or lock, and the host may call Recover again, with more or without Resume. Two payloads
// with our signature at one height are no error: the lane ends, a Conflict is reported and logged.
//
// After ctx's error r, of which Recover keeps a copy, may still be adopted.
func (e *Engine) Recover(ctx context.Context, r Recovery) error {
	given := core.Recovery{Locks: slices.Clone(r.Locks), Unknown: slices.Clone(r.Unknown), Resume: r.Resume}
	for i := range given.Locks {
		given.Locks[i].Certificate = slices.Clone(given.Locks[i].Certificate)
	}
	if err := e.verifyAll(ctx, given.Locks); err != nil {
		return err
	}
	for i := range r.Own {
		if p := &r.Own[i]; p.Chunk.Sequencer == e.cfg.Identity && e.chunks.Verify(p) {
			given.Own = append(given.Own, *p)
		}
	}
	if dropped := len(r.Own) - len(given.Own); dropped > 0 {
		e.drops.ownChunks.Add(uint64(dropped))
		e.log.Warn("peers showed chunks as ours that do not have our signature", "chunks", dropped)
	}
	recovered, err := ask(ctx, e, func() error { return e.endRecovery(&given) })
	if err != nil {
		return err
	}
	return recovered
}

// endRecovery runs on the loop.
func (e *Engine) endRecovery(r *core.Recovery) error {
	if err := e.core.EndRecovery(time.Since(e.began), r); err != nil {
		return fmt.Errorf("engine: recovering: %w", err)
	}
	e.log.Info("the recovery from the lost journal ends once its records are durable", "locks", len(r.Locks),
		"locks of unknown epochs", len(r.Unknown), "chunks of ours", len(r.Own), "resume", r.Resume)
	e.warnOfAbstaining()
	return nil
}

// ownChunkPatience bounds how long OwnChunk waits for messages that were delivered before.
const ownChunkPatience = time.Second

// OwnChunk returns the messages of another identity that this process can show, for the answer to
// an own chunk request: the highest node of its lane, and its highest ack on any lane among those
// that wait for a quorum. Each is nil without one. The node's signature is valid. Its parent's
// certificate may not be, and is nil above height 0 if it is not held. The ack may not have been
// verified. Node and ack are the caller's. Acks in certificates, which name their signers, are not
// searched.
//
// If this process later acks a chunk that the identity sent before the request, the answer must
// contain that chunk. So nodes that wait for their verification count, and OwnChunk waits until the
// engine has handled those that were delivered. If that takes more than a second, the error is
// ErrBehind, and the peer should ask again.
func (e *Engine) OwnChunk(ctx context.Context, identity wire.PublicKey) (node *wire.Node, ack *wire.Ack, err error) {
	type shown struct {
		nodes []wire.Node
		ack   *wire.Ack
		wait  bool
	}
	pause := time.NewTicker(ownChunkPatience / 100)
	defer pause.Stop()
	for waited := time.Duration(0); ; waited += ownChunkPatience / 100 {
		s, err := ask(ctx, e, func() (s shown) {
			if s.wait = e.nodesWait(identity); !s.wait {
				s.nodes, s.ack = e.core.Shown(identity)
			}
			return s
		})
		if err != nil {
			return nil, nil, err
		}
		if !s.wait {
			for i := range s.nodes {
				if proposal := s.nodes[i].Proposal(); e.chunks.Verify(&proposal) {
					return &s.nodes[i], s.ack, nil
				}
			}
			return nil, s.ack, nil
		}
		if waited >= ownChunkPatience {
			return nil, nil, fmt.Errorf("%w: of identity %s", ErrBehind, identity)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-e.silent:
			return nil, nil, ErrStopped
		}
	}
}

// nodesWait reports whether nodes or certificates of an identity still wait for the engine to
// handle them.
func (e *Engine) nodesWait(identity wire.PublicKey) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.peers[identity]; p != nil {
		return p.longBytes.Load() > 0
	}
	a := e.departed.find(identity)
	return a != nil && a.longBytes.Load() > 0
}
