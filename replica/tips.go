package replica

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// progress is the state of asking a peer for its locks. While busy is set, the other fields belong
// to the goroutine that asks the peer, else to exchangeTips.
type progress struct {
	busy   atomic.Bool
	shown  bool              // it knows nothing of us that our journal lacks
	since  *message.Revision // nil before it has sent all of them
	named  []uint64          // the epochs whose locks it has all sent
	faults int               // rounds in a row with a message that no honest peer sends
	pause  time.Time
}

// maxPages bounds the number of pages of one exchange.
const maxPages = 256

// exchangeTips asks peers for their tips (docs/protocol.md 7.4): each peer when it is connected,
// and one peer drawn at random every TipInterval.
func (r *Replica) exchangeTips() {
	known := make(map[*peer]*progress)
	feeds := make(map[*peer]bool)
	ticker := time.NewTicker(r.cfg.TipInterval)
	defer ticker.Stop()
	for {
		peers, changed := r.peers.list()
		r.vouched.meet(r, peers)
		present := make(map[*peer]bool, len(peers))
		for _, p := range peers {
			present[p] = true
			if known[p] == nil {
				known[p] = new(progress)
				r.askTips(p, known[p], feeds)
			}
		}
		for p := range known {
			if !present[p] {
				delete(known, p)
				delete(feeds, p)
			}
		}
		select {
		case <-r.working.Done():
			return
		case <-changed:
		case <-ticker.C:
			if len(peers) > 0 {
				if p := peers[rand.IntN(len(peers))]; known[p] != nil {
					r.askTips(p, known[p], feeds)
				}
			}
		}
	}
}

// askTips asks a peer for its locks, or for those that have changed since the last time. It does
// not wait for the answer: a slow or silent peer does not delay the others.
func (r *Replica) askTips(p *peer, k *progress, feeds map[*peer]bool) {
	if k.busy.Load() || r.peers.roleOf(p) != network.Member || time.Now().Before(k.pause) {
		return
	}
	follow := r.follows(feeds, p) && !p.misfed.Load()
	p.feeds.Store(follow)
	k.busy.Store(true)
	r.work(func() {
		defer k.busy.Store(false)
		if err := r.tipsOf(p, k, follow); err != nil {
			r.limited.log(p.id, func() { r.log.Debug("a peer told no tips", "peer", p.id, "why", err) })
		}
		if !k.shown && !r.recovering.Load() && r.isMember(r.id) {
			nothing, err := r.showOwnChunk(r.working, p)
			if k.shown = nothing; err != nil {
				r.limited.log(p.id, func() { r.log.Debug("a peer told nothing of our own chunk", "peer", p.id, "why", err) })
			}
		}
	})
}

func (r *Replica) tipsOf(p *peer, k *progress, follow bool) error {
	request := message.TipsRequest{Follow: follow, Since: k.since, Epochs: r.epochsToName()}
	if slices.ContainsFunc(request.Epochs, func(epoch uint64) bool { return !slices.Contains(k.named, epoch) }) {
		request.Since = nil // of a new epoch the peer has sent nothing yet
	}
	var first *message.Revision
	for range maxPages {
		ctx, cancel := context.WithTimeout(r.working, r.cfg.RequestTimeout)
		answer, err := r.transport.Request(ctx, p.id, message.TipsRequestType, request.AppendTo(nil))
		cancel()
		if err != nil {
			return err
		}
		var page message.Tips
		err = r.readTips(&page, answer, request.After)
		if err == nil {
			err = r.offerAll(page.Locks)
		}
		after := request.After
		if n := len(page.Locks); n > 0 {
			after = &page.Locks[n-1].Chunk.Sequencer
		}
		answer.Buffer.Release()
		if err != nil {
			if r.working.Err() != nil {
				return r.working.Err()
			}
			k.since, k.faults = nil, k.faults+1
			k.pause = time.Now().Add(min(time.Second<<min(k.faults, 10), 10*time.Minute))
			r.counts.wrongAnswers.Add(1)
			return fmt.Errorf("%w: %w", errWrong, err)
		}
		if first == nil {
			first = &page.Revision
		}
		if !page.More {
			k.since, k.named, k.faults = first, request.Epochs, 0
			return nil
		}
		request.After = after
	}
	return nil // the rest is asked for in the next round
}

// readTips decodes an answer. The locks remain views into the answer's buffer.
func (r *Replica) readTips(page *message.Tips, answer network.Message, after *wire.PublicKey) error {
	if answer.Type != message.TipsType {
		return fmt.Errorf("an answer of type 0x%02x to a request for tips", uint8(answer.Type))
	}
	if err := page.Decode(answer.Buffer.Bytes(), withinBounds{r}); err != nil {
		return err
	}
	if after != nil && len(page.Locks) > 0 && page.Locks[0].Chunk.Sequencer.Compare(*after) <= 0 {
		return fmt.Errorf("lanes not in ascending order from page to page")
	}
	return nil
}

// withinBounds has the formats of the epochs within bounds: docs/protocol.md 7.4, which locks
// count.
type withinBounds struct{ *Replica }

// Format implements wire.Formats.
func (b withinBounds) Format(epoch uint64) (wire.Format, bool) {
	for e := range b.epochs() {
		if e == epoch {
			if scheme, ok := b.cfg.scheme(epoch); ok {
				return scheme.Format(), true
			}
		}
	}
	return wire.Format{}, false
}

// epochsToName returns the newest epochs within bounds whose sets are known, ascending.
func (r *Replica) epochsToName() []uint64 {
	epochs := r.knownSets()
	epochs = epochs[:min(len(epochs), message.MaxEpochs)]
	slices.Reverse(epochs)
	return epochs
}

// offerAll verifies the locks that are news, and takes the valid ones. It returns an error if one
// is invalid. It waits until the locks of the peer before are verified: most are the same, and need
// no second verification then.
func (r *Replica) offerAll(locks []wire.Lock) error {
	r.offering.Lock()
	defer r.offering.Unlock()
	var fresh []wire.Lock
	for i := range locks {
		k := &locks[i]
		sequencers, ok := r.cfg.Epochs.Sequencers(k.Epoch)
		if !ok || !slices.Contains(sequencers, k.Chunk.Sequencer) {
			continue // its sets are unknown, or have no such sequencer
		}
		l := r.laneOf(k.Chunk.Sequencer)
		l.mu.Lock()
		known := l.locked && (l.lock.Chunk.Height > k.Chunk.Height && !r.mayContradict(l, &k.Chunk) ||
			l.lock.Chunk == k.Chunk && l.lock.Epoch >= k.Epoch)
		l.mu.Unlock()
		if known {
			continue
		}
		fresh = append(fresh, *k)
	}
	return r.takeLocks(r.working, fresh)
}

// takeLocks verifies locks and takes the valid ones. The error names an invalid one.
func (r *Replica) takeLocks(ctx context.Context, locks []wire.Lock) error {
	if len(locks) == 0 {
		return nil
	}
	verdicts, err := r.engine.VerifyLocks(ctx, locks)
	if err != nil {
		return err
	}
	var valid []wire.Lock
	for i, verdict := range verdicts {
		k := locks[i]
		if verdict != nil {
			err = fmt.Errorf("replica: the lock of height %d of lane %v: %w", k.Chunk.Height, k.Chunk.Sequencer, verdict)
			continue
		}
		k.Certificate = slices.Clone(k.Certificate)
		valid = append(valid, k)
		r.learn(&k)
	}
	r.adopt(ctx, valid)
	return err
}

// adopt hands the engine the locks above its tips. Then a validator that joins acks nothing below
// them (docs/protocol.md 4.8), and an engine with a stale journal detects that (5.9). adopt leaves
// out locks of epochs below bounds, whose keys may have leaked, and those of lanes that have
// stopped.
func (r *Replica) adopt(ctx context.Context, locks []wire.Lock) {
	if r.recovering.Load() || !r.isMember(r.id) {
		return
	}
	known := r.knownSets()
	locks = slices.DeleteFunc(locks, func(k wire.Lock) bool {
		if !slices.Contains(known, k.Epoch) {
			return true
		}
		l := r.laneOf(k.Chunk.Sequencer)
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.failure != nil || l.hasTip && k.Chunk.Height <= l.tip.Chunk.Height
	})
	if len(locks) == 0 {
		return
	}
	if err := r.engine.Adopt(ctx, locks...); err != nil && ctx.Err() == nil {
		r.log.Debug("locks that peers know are not adopted", "why", err)
	}
}

// serveTips answers with the locks that have changed since its last answer to the asker. A process
// that lost its own journal knows too little to help others to recover.
func (r *Replica) serveTips(from *peer, q *message.TipsRequest, reply func(network.Type, []byte) error) {
	if len(q.Epochs) == 0 {
		if r.recovering.Load() || q.After == nil && (!r.peers.mayAskAgain(&from.allTips, time.Now()) || r.learnFromEngine() != nil) {
			return
		}
	}
	page := message.Tips{Revision: message.Revision{Instance: r.instance, Number: r.revision.Load()}}
	since := uint64(0)
	if q.Since != nil && q.Since.Instance == r.instance {
		since = q.Since.Number
	}
	for _, l := range r.allLanes() {
		if q.After != nil && l.id.Compare(*q.After) <= 0 {
			continue
		}
		l.mu.Lock()
		fresh := l.locked && l.revision > since
		l.mu.Unlock()
		if !fresh {
			continue
		}
		k := r.tipOf(l, q.Epochs)
		if k == nil {
			continue
		}
		if page.Add(k) {
			continue
		}
		if page.More = len(page.Locks) > 0; page.More {
			break
		}
		// It fits no page. Without it, a peer that asks for tips still gets the other lanes, but a
		// peer that recovers would get too little.
		if len(q.Epochs) == 0 {
			r.limited.log(l.id, func() {
				r.log.Warn("a lock is too long to be told to a peer that recovers", "sequencer", l.id, "bytes", k.Size())
			})
			return
		}
	}
	answer := wire.NewBuffer()
	defer answer.Release()
	answer.Set(page.AppendTo)
	_ = reply(message.TipsType, answer.Bytes()) // the asker is gone if it fails
}

// learnFromEngine takes the locks that the engine holds and has not reported yet. A peer that
// recovers acks again above the locks that we send it. So we must send all those that we acted
// upon: docs/protocol.md 5.10.
func (r *Replica) learnFromEngine() error {
	status, err := r.engine.Status(r.working)
	if err != nil {
		return err
	}
	for i := range status.Lanes {
		lane := &status.Lanes[i]
		if !lane.HasCertified {
			continue
		}
		l := r.laneOf(lane.Sequencer)
		l.mu.Lock()
		known := l.locked && l.lock.Chunk.Height >= lane.Certified
		l.mu.Unlock()
		if known {
			continue
		}
		k, ok, err := r.engine.Certificate(r.working, lane.Sequencer, lane.Certified)
		if err != nil {
			return err
		}
		if ok {
			r.learn(&k)
		}
	}
	return nil
}

// tipOf returns the highest lock of a lane of the newest of the named epochs, or of any epoch if
// none is named. nil: there is none.
func (r *Replica) tipOf(l *lane, epochs []uint64) *wire.Lock {
	locks := r.locksOf(l.id)
	var best *wire.Lock
	if len(epochs) > 0 {
		for i := range locks { // by ascending epoch
			if k := &locks[i]; slices.Contains(epochs, k.Epoch) {
				best = k
			}
		}
		return best
	}
	l.mu.Lock()
	if l.locked {
		k := l.lock // the archive may not have had room for it
		best = &k
	}
	l.mu.Unlock()
	for i := range locks {
		if k := &locks[i]; best == nil || higher(k.Subject(), best.Subject()) {
			best = k
		}
	}
	return best
}
