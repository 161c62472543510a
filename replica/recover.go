package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// A process whose journal was lost asks the other validators for their knowledge, and signs nothing
// until enough of them have answered: docs/protocol.md 7.5.

const (
	// recoveryInterval is the interval at which a recovery looks for peers to ask, and repeats
	// failed attempts.
	recoveryInterval = time.Second
	// recoveryRetry is the interval between attempts to end a recovery, unless another validator
	// answers: each attempt verifies all locks.
	recoveryRetry = 10 * time.Second
	// recoveryTell is the interval at which a recovery logs its missing answers.
	recoveryTell = 30 * time.Second
	// maxUnknown is the number of lanes with locks of unknown epochs that are kept besides those of
	// members: one more than the engine distinguishes.
	maxUnknown = 4097
	// resumeSettle is the time for which a validator has been connected before it is asked, if our
	// lane is to be resumed: a node that we sent it before may still be on its way to its engine.
	resumeSettle = 5 * time.Second
	// resumeBodySearch is the time for which validators are asked for the body of our highest
	// chunk. If none of them has sent it by then, our lane ends.
	resumeBodySearch = time.Minute
)

// recovery holds the answers of validators to a process whose journal was lost.
type recovery struct {
	wake chan struct{} // capacity 1: an answer came

	mu       sync.Mutex
	met      map[*peer]time.Time             // since when it has been connected
	asking   map[wire.PublicKey]bool         // validators with an open request
	pause    map[wire.PublicKey]time.Time    // validators that failed; not asked before this time
	answered map[wire.PublicKey]bool         // validators whose whole answer was taken
	locks    map[laneEpoch]wire.Lock         // of other lanes, the highest valid one of each epoch
	ownLocks map[wire.Subject]wire.Lock      // of our own lane, all valid; at most 2 of a validator
	unknown  map[wire.PublicKey]wire.Subject // by lane, the highest of an unknown epoch
	own      map[wire.Proposal]bool          // chunks of our own lane with our signature
	reach    map[wire.PublicKey]uint64       // newest epoch of a validator's locks, or of ours
}

// laneEpoch is a lane and an epoch. A lock made with retired keys must not hide the locks of later
// epochs: the newest epoch determines the possible sequencers.
type laneEpoch struct {
	sequencer wire.PublicKey
	epoch     uint64
}

// answer is the answer of one validator.
type answer struct {
	locks   []wire.Lock // verified
	unknown []wire.Subject
	own     []wire.Proposal
	reach   uint64 // the newest epoch of its locks
}

func newRecovery() *recovery {
	return &recovery{
		wake: make(chan struct{}, 1), met: make(map[*peer]time.Time), asking: make(map[wire.PublicKey]bool), pause: make(map[wire.PublicKey]time.Time),
		answered: make(map[wire.PublicKey]bool), locks: make(map[laneEpoch]wire.Lock), ownLocks: make(map[wire.Subject]wire.Lock),
		unknown: make(map[wire.PublicKey]wire.Subject), own: make(map[wire.Proposal]bool),
		reach: make(map[wire.PublicKey]uint64),
	}
}

// recoverIfLost starts a recovery if the journal was lost in this run, or in an earlier one whose
// recovery did not end.
func (r *Replica) recoverIfLost() {
	status, err := r.engine.Status(r.working)
	if err != nil {
		return // the engine has stopped
	}
	if status.Recovering {
		r.recover()
	} else {
		r.recovering.Store(false)
	}
}

// recover asks validators until the engine has recovered from the loss of its journal.
func (r *Replica) recover() {
	c := newRecovery()
	for _, k := range r.Heads() { // from our archive, if it was not lost
		c.add(r.id, k)
		c.reach[r.id] = max(c.reach[r.id], k.Epoch)
	}
	ticker := time.NewTicker(recoveryInterval)
	defer ticker.Stop()
	r.log.Info("recovering: the other validators are asked what they know", "resume", r.cfg.Resume)
	told, failed, why := time.Now(), time.Time{}, ""
	for {
		peers, changed := r.peers.list()
		c.meet(peers)
		for _, p := range peers {
			r.askForRecovery(c, p)
		}
		missing := r.missingAnswers(c)
		if missing == "" && time.Since(failed) >= recoveryRetry {
			err := r.endRecovery(c)
			if err == nil || r.working.Err() != nil {
				return
			}
			if failed, why = time.Now(), err.Error(); errors.Is(err, engine.ErrResume) {
				c.forgetAnswers(r.lowestEpoch()) // validators may know more meanwhile
			}
		}
		if missing == "" {
			missing = why
		}
		if time.Since(told) >= recoveryTell {
			told = time.Now()
			r.log.Warn("still recovering from a lost journal", "waits for", missing)
		}
		select {
		case <-r.working.Done():
			return
		case <-changed:
		case <-c.wake:
			failed = time.Time{}
		case <-ticker.C:
		}
	}
}

// recoveryEpochs returns the epochs whose validators must answer: the current one and the known
// ones within bounds. known is false while the sets of the current one are unknown.
func (r *Replica) recoveryEpochs() (epochs []uint64, known bool) {
	epochs = r.knownSets()
	return epochs, slices.Contains(epochs, r.epoch.Load())
}

// lowestEpoch returns the lowest epoch within bounds.
func (r *Replica) lowestEpoch() (lowest uint64) {
	for epoch := range r.epochs() {
		lowest = epoch
	}
	return lowest
}

// isValidator reports whether an identity is a validator of one of the epochs.
func (r *Replica) isValidator(id wire.PublicKey, epochs []uint64) bool {
	return slices.ContainsFunc(epochs, func(epoch uint64) bool {
		scheme, ok := r.cfg.scheme(epoch)
		if !ok {
			return false
		}
		_, ok = scheme.Index(id)
		return ok
	})
}

// missingAnswers returns a text of the answers that a recovery still needs, empty if it needs none.
func (r *Replica) missingAnswers(c *recovery) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	epochs, known := r.recoveryEpochs()
	if !known {
		return fmt.Sprintf("the sets of the current epoch %d", r.epoch.Load())
	}
	if behind := r.behindOthers(c); behind != "" {
		return behind
	}
	var missing []string
	for _, epoch := range epochs {
		scheme, ok := r.cfg.scheme(epoch)
		if !ok {
			continue
		}
		weights, answered, others := scheme.Weights(), uint64(0), uint64(0)
		var silent []string
		for i, id := range scheme.Participants() {
			if id == r.id {
				continue
			}
			weight := weights.Of(wire.Participant(i))
			if others += weight; c.answered[id] {
				answered += weight
			} else {
				silent = append(silent, id.String())
			}
		}
		needed := weights.Quorum()
		if r.cfg.Resume {
			needed = others
		} else if r.cfg.Engine.RecoverUnsafe {
			needed = min(needed, others) // a small set has no quorum of others
		}
		if answered < needed {
			missing = append(missing, fmt.Sprintf("validators of epoch %d that weigh %d, of which %d have answered and these have not: %s",
				epoch, needed, answered, strings.Join(silent[:min(len(silent), 10)], " ")))
		}
	}
	return strings.Join(missing, "; ")
}

// behindOthers returns a text if our epoch is behind that of the others, else an empty one, as far
// as is known. While it is behind, we do not know all sequencers on whose lanes the lost journal
// may have held acks. The validators that report later epochs must weigh so much that one of them
// is honest. c.mu is held.
func (r *Replica) behindOthers(c *recovery) string {
	now := r.epoch.Load()
	last := now + min(r.cfg.epochsAhead(), ^uint64(0)-now)
	scheme, ok := r.cfg.scheme(now)
	if !ok {
		return ""
	}
	if reach := c.reach[r.id]; reach > last {
		return fmt.Sprintf("this host to come to later epochs: it is in epoch %d, and our archive has a lock of epoch %d", now, reach)
	}
	weights, ahead, lowest := scheme.Weights(), uint64(0), ^uint64(0)
	for i, id := range scheme.Participants() {
		if reach := c.reach[id]; reach > last {
			ahead, lowest = ahead+weights.Of(wire.Participant(i)), min(lowest, reach)
		}
	}
	if ahead <= weights.Tolerated() {
		return ""
	}
	return fmt.Sprintf("this host to come to later epochs: it is in epoch %d, and validators that weigh %d tell of locks of epoch %d or later",
		now, ahead, lowest)
}

// askForRecovery asks a validator for all its knowledge, unless it has answered.
func (r *Replica) askForRecovery(c *recovery, p *peer) {
	epochs, _ := r.recoveryEpochs()
	if p.id == r.id || !r.isValidator(p.id, epochs) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.cfg.Resume && time.Since(c.met[p]) < resumeSettle {
		return
	}
	if c.answered[p.id] || c.asking[p.id] || time.Now().Before(c.pause[p.id]) {
		return
	}
	c.asking[p.id] = true
	if !r.work(func() {
		a, err := r.answerOf(c, p)
		c.mu.Lock()
		delete(c.asking, p.id)
		if err == nil {
			c.take(r.id, p.id, a)
		} else {
			pause := recoveryInterval
			if errors.Is(err, errWrong) {
				pause = recoveryTell
			}
			c.pause[p.id] = time.Now().Add(pause)
		}
		c.mu.Unlock()
		if err != nil {
			if errors.Is(err, errWrong) {
				r.counts.wrongAnswers.Add(1)
			}
			r.limited.log(p.id, func() { r.log.Warn("a validator does not help to recover", "peer", p.id, "why", err) })
			return
		}
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}) {
		delete(c.asking, p.id)
	}
}

// meet notes since when the peers have been connected.
func (c *recovery) meet(peers []*peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.met, func(p *peer, _ time.Time) bool { return !slices.Contains(peers, p) })
	for _, p := range peers {
		if _, ok := c.met[p]; !ok {
			c.met[p] = time.Now()
		}
	}
}

// take takes the answer of a validator. mu is held.
func (c *recovery) take(own, from wire.PublicKey, a *answer) {
	c.answered[from], c.reach[from] = true, a.reach
	for _, k := range a.locks {
		c.add(own, k)
	}
	for _, s := range a.unknown {
		if known, ok := c.unknown[s.Chunk.Sequencer]; !ok || higher(s, known) {
			c.unknown[s.Chunk.Sequencer] = s
		}
	}
	for _, p := range a.own {
		c.own[p] = true
	}
}

// forgetAnswers starts to ask all validators again. It forgets claims that prove nothing: an honest
// validator repeats them, and lies that change each time must not fill the memory. lowest is the
// lowest epoch within bounds.
func (c *recovery) forgetAnswers(lowest uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.answered {
		c.pause[id] = time.Now().Add(recoveryInterval)
	}
	clear(c.answered)
	clear(c.unknown)
	maps.DeleteFunc(c.ownLocks, func(s wire.Subject, _ wire.Lock) bool { return s.Epoch < lowest })
}

// add adds a valid lock, if it is news.
func (c *recovery) add(own wire.PublicKey, k wire.Lock) {
	switch {
	case !c.news(own, &k):
	case k.Chunk.Sequencer == own:
		c.ownLocks[k.Subject()] = k
	default:
		c.locks[laneEpoch{k.Chunk.Sequencer, k.Epoch}] = k
	}
}

// news reports whether a lock adds to the known ones.
func (c *recovery) news(own wire.PublicKey, k *wire.Lock) bool {
	if k.Chunk.Sequencer == own {
		_, known := c.ownLocks[k.Subject()]
		return !known
	}
	known, ok := c.locks[laneEpoch{k.Chunk.Sequencer, k.Epoch}]
	return !ok || k.Chunk.Height > known.Chunk.Height
}

// higher reports whether a is higher than b, or as high and of a newer epoch.
func higher(a, b wire.Subject) bool {
	return a.Chunk.Height > b.Chunk.Height || a.Chunk.Height == b.Chunk.Height && a.Epoch > b.Epoch
}

// answerOf asks a validator for the highest lock of each lane, of any epoch, and for our own chunk.
// An answer with a wrong part does not count.
func (r *Replica) answerOf(c *recovery, p *peer) (*answer, error) {
	a := new(answer)
	if r.cfg.Resume {
		if err := r.takeOwnForRecovery(c, a, p); err != nil {
			return nil, err
		}
	}
	request := message.TipsRequest{}
	for range maxPages {
		ctx, cancel := context.WithTimeout(r.working, r.cfg.RequestTimeout)
		got, err := r.transport.Request(ctx, p.id, message.TipsRequestType, request.AppendTo(nil))
		cancel()
		if err != nil {
			return nil, err
		}
		more, after, err := r.takePageForRecovery(c, a, got, request.After)
		got.Buffer.Release()
		if err != nil {
			return nil, err
		}
		if !more {
			return a, nil
		}
		request.After = after
	}
	return nil, fmt.Errorf("%w: more than %d pages of tips", errWrong, maxPages)
}

// takeOwnForRecovery asks a validator for the highest node of our lane. The node's parent is a
// lock, unless its epoch is unknown.
func (r *Replica) takeOwnForRecovery(c *recovery, a *answer, p *peer) error {
	own, err := r.ownChunkOf(r.working, p)
	if err != nil || own.Node == nil {
		return err
	}
	n := own.Node
	proposal := n.Proposal()
	if !verify.NewChunkVerifier(r.cfg.Namespace).Verify(&proposal) {
		return fmt.Errorf("%w: a node of ours at height %d that we did not sign", errWrong, n.Chunk.Height)
	}
	a.own = append(a.own, proposal)
	if len(n.Parent.Certificate) == 0 {
		return nil
	}
	below := n.ParentSubject()
	if _, known := (anyEpoch{r}).Format(below.Epoch); !known {
		return nil
	}
	err = r.takeForRecovery(c, a, []wire.Lock{{Chunk: below.Chunk, Epoch: below.Epoch, Certificate: n.Parent.Certificate}})
	if errors.Is(err, errWrong) {
		return nil // the validator may not have verified it yet
	}
	return err
}

// takePageForRecovery takes a page of a validator's tips. after is the last lane of the previous
// page.
func (r *Replica) takePageForRecovery(c *recovery, a *answer, m network.Message, after *wire.PublicKey) (more bool, last *wire.PublicKey, err error) {
	if m.Type != message.TipsType {
		return false, nil, fmt.Errorf("%w: an answer of type 0x%02x to a request for tips", errWrong, uint8(m.Type))
	}
	var page message.Tips
	if err := page.DecodeAny(m.Buffer.Bytes(), anyEpoch{r}); err != nil {
		return false, nil, fmt.Errorf("%w: %w", errWrong, err)
	}
	first, last := page.Range()
	if after != nil && first != nil && first.Compare(*after) <= 0 {
		return false, nil, fmt.Errorf("%w: lanes not in ascending order from page to page", errWrong)
	}
	for i := range page.Locks {
		a.reach = max(a.reach, page.Locks[i].Epoch)
	}
	for _, s := range page.Unknown {
		a.reach = max(a.reach, s.Epoch)
		if len(a.unknown) < maxUnknown || r.isMember(s.Chunk.Sequencer) {
			a.unknown = append(a.unknown, s)
		}
	}
	return page.More, last, r.takeForRecovery(c, a, page.Locks)
}

// takeForRecovery verifies locks and takes them if all are valid, with copies of their
// certificates. It skips locks that add nothing, and locks of lanes whose sequencer was not in the
// set of their epoch: a holder of retired keys can make such locks, and a host may have handed one
// in.
func (r *Replica) takeForRecovery(c *recovery, a *answer, locks []wire.Lock) error {
	c.mu.Lock()
	locks = slices.DeleteFunc(locks, func(k wire.Lock) bool { return !c.news(r.id, &k) })
	c.mu.Unlock()
	locks = slices.DeleteFunc(locks, func(k wire.Lock) bool { return !r.sequencedIn(k.Epoch, k.Chunk.Sequencer) })
	if len(locks) == 0 {
		return nil
	}
	verdicts, err := r.engine.VerifyLocks(r.working, locks)
	if err != nil {
		return err
	}
	for i, verdict := range verdicts {
		k := locks[i]
		if verdict != nil {
			return fmt.Errorf("%w: the lock of height %d of lane %v: %w", errWrong, k.Chunk.Height, k.Chunk.Sequencer, verdict)
		}
		k.Certificate = slices.Clone(k.Certificate)
		a.locks = append(a.locks, k)
	}
	return nil
}

// sequencedIn reports whether a key was a sequencer's in an epoch, as far as its sets are known.
func (r *Replica) sequencedIn(epoch uint64, id wire.PublicKey) bool {
	sequencers, ok := r.cfg.Epochs.Sequencers(epoch)
	return !ok || slices.Contains(sequencers, id)
}

// anyEpoch has the formats of all epochs whose sets are known.
type anyEpoch struct{ *Replica }

// Format implements wire.Formats.
func (a anyEpoch) Format(epoch uint64) (wire.Format, bool) {
	if scheme, ok := a.cfg.scheme(epoch); ok {
		return scheme.Format(), true
	}
	return wire.Format{}, false
}

// whatIsKnown returns the answers of the validators for the engine. Its unknown locks are all those
// whose sets are unknown, also from our archive, and those whose sets the host has dropped since.
func (r *Replica) whatIsKnown(c *recovery) engine.Recovery {
	c.mu.Lock()
	defer c.mu.Unlock()
	what := engine.Recovery{Unknown: slices.Collect(maps.Values(c.unknown)), Own: slices.Collect(maps.Keys(c.own)), Resume: r.cfg.Resume}
	take := func(k wire.Lock) {
		if _, known := r.cfg.scheme(k.Epoch); known {
			what.Locks = append(what.Locks, k)
		} else {
			what.Unknown = append(what.Unknown, k.Subject())
		}
	}
	for _, k := range c.locks {
		take(k)
	}
	for _, k := range c.ownLocks {
		take(k)
	}
	return what
}

// endRecovery hands the engine the answers of the validators.
func (r *Replica) endRecovery(c *recovery) error {
	what := r.whatIsKnown(c)
	if what.Resume {
		if err := r.holdOwnBody(&what); err != nil {
			if !errors.Is(err, errNoBody) || r.working.Err() != nil {
				return err
			}
			r.log.Error("our lane ends: it cannot be resumed", "why", err)
			what.Resume = false
		}
	}
	if err := r.engine.Recover(r.working, what); err != nil && !errors.Is(err, engine.ErrNotRecovering) {
		return err
	}
	r.recovering.Store(false)
	for i := range what.Locks {
		// A lock within bounds counts: docs/protocol.md 7.4.
		if k := &what.Locks[i]; slices.Contains(r.knownSets(), k.Epoch) {
			r.learn(k)
		}
	}
	r.log.Warn("recovered from the loss of the journal", "lanes", len(what.Locks), "lanes of unknown epochs", len(what.Unknown),
		"resumed", what.Resume)
	return nil
}

// errNoBody: no validator has the body of our highest chunk.
var errNoBody = errors.New("replica: no validator has the body of our highest chunk")

// holdOwnBody keeps the body of our highest chunk, if the chunk is not certified: its sequencer has
// to serve the body when it sends the chunk again. Only errNoBody is a reason to end the lane.
// After any other error, such as an archive without room, the caller tries again.
func (r *Replica) holdOwnBody(what *engine.Recovery) error {
	if len(what.Own) == 0 {
		return nil
	}
	highest := slices.MaxFunc(what.Own, func(a, b wire.Proposal) int { return cmp.Compare(a.Chunk.Height, b.Chunk.Height) }).Chunk
	for i := range what.Locks {
		if c := &what.Locks[i].Chunk; c.Sequencer == r.id && c.Height >= highest.Height {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(r.working, resumeBodySearch)
	defer cancel()
	b, err := r.obtain(ctx, message.Place{Sequencer: r.id, Height: highest.Height}, highest.Payload, certified)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errMisfit) {
			err = fmt.Errorf("%w: height %d: %w", errNoBody, highest.Height, err)
		}
		return err
	}
	defer b.release()
	if err := r.store.persist(ctx, b, archive.ForVote, nil); err != nil && !errors.Is(err, errOvertaken) {
		return fmt.Errorf("replica: keeping the body of our highest chunk: %w", err)
	}
	return nil
}
