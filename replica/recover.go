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

// A process whose journal was lost asks the other validators what they know, and signs nothing until
// enough of them have answered: docs/protocol.md 7.5.

const (
	// recoveryInterval is how often a recovery looks whether peers can be asked, and tries again what
	// failed.
	recoveryInterval = time.Second
	// recoveryTell is how often the log says what a recovery waits for.
	recoveryTell = 30 * time.Second
	// maxUnknown is how many lanes with locks of unknown epochs are kept, besides those of members: one
	// more than the engine tells apart.
	maxUnknown = 4097
	// resumeSettle is how long a validator has been connected before it is asked, where our lane is to
	// be resumed: a node that we had sent it before may still be on its way to its engine.
	resumeSettle = 5 * time.Second
	// resumeBodySearch is how long validators are asked for the body of our highest chunk. If none of
	// them has it by then, our lane ends.
	resumeBodySearch = time.Minute
)

// recovery is what validators have told a process whose journal was lost.
type recovery struct {
	wake chan struct{} // capacity 1: an answer came

	mu       sync.Mutex
	met      map[*peer]time.Time             // when it was first seen to be connected
	asking   map[wire.PublicKey]bool         // validators that a request is open at
	pause    map[wire.PublicKey]time.Time    // validators that are not asked before, since they failed
	answered map[wire.PublicKey]bool         // validators whose whole answer has been taken
	locks    map[laneEpoch]wire.Lock         // of other lanes, the highest of each epoch that verified
	ownLocks map[wire.Subject]wire.Lock      // of our own lane, all that verified; two of each validator at most
	unknown  map[wire.PublicKey]wire.Subject // by lane, the highest of an unknown epoch
	own      map[wire.Proposal]bool          // chunks of our own lane, with our signature
	reach    map[wire.PublicKey]uint64       // by validator, the newest epoch of a lock in its answer; by us, in our archive
}

// laneEpoch is a lane and an epoch. One that is made up with retired keys must not hide what later
// epochs have certified: the newest epoch says which sequencers there may have been.
type laneEpoch struct {
	sequencer wire.PublicKey
	epoch     uint64
}

// answer is what one validator has told.
type answer struct {
	locks   []wire.Lock // verified
	unknown []wire.Subject
	own     []wire.Proposal
	reach   uint64 // the newest epoch of a lock in it
}

func newRecovery() *recovery {
	return &recovery{
		wake: make(chan struct{}, 1), met: make(map[*peer]time.Time), asking: make(map[wire.PublicKey]bool), pause: make(map[wire.PublicKey]time.Time),
		answered: make(map[wire.PublicKey]bool), locks: make(map[laneEpoch]wire.Lock), ownLocks: make(map[wire.Subject]wire.Lock),
		unknown: make(map[wire.PublicKey]wire.Subject), own: make(map[wire.Proposal]bool),
		reach: make(map[wire.PublicKey]uint64),
	}
}

// recoverIfLost finds out whether the journal was lost, in this run or in one before that did not come
// to recover, and recovers then.
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
	for _, k := range r.Heads() { // of an archive that was not lost
		c.add(r.id, k)
		c.reach[r.id] = max(c.reach[r.id], k.Epoch)
	}
	ticker := time.NewTicker(recoveryInterval)
	defer ticker.Stop()
	r.log.Info("recovering: the other validators are asked what they know", "resume", r.cfg.Resume)
	told := time.Now()
	for {
		peers, changed := r.peers.list()
		c.meet(peers)
		for _, p := range peers {
			r.askForRecovery(c, p)
		}
		missing := r.missingAnswers(c)
		if missing == "" {
			err := r.endRecovery(c)
			if err == nil || r.working.Err() != nil {
				return
			}
			if missing = err.Error(); errors.Is(err, engine.ErrResume) {
				c.forgetAnswers(r.lowestEpoch()) // more may be known meanwhile
			}
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
		case <-ticker.C:
		}
	}
}

// recoveryEpochs returns the epochs whose validators have to answer: the current one and the known
// ones within bounds. known is false while the current one is not known.
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

// isValidator reports whether an identity is a validator of one of some epochs.
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

// missingAnswers says which answers a recovery still needs; empty: none.
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

// behindOthers says that our epoch is behind that of the others; empty if it is not, as far as is
// known. While it is, we do not know all sequencers on whose lanes the lost journal may have held acks.
// Fewer validators than one honest among them cannot make it up. c.mu is held.
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

// askForRecovery asks a validator for all that it knows, unless it has answered.
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

// meet takes note of who is connected, and since when.
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

// forgetAnswers has all validators asked again, what they have told notwithstanding. What of it proves
// nothing is forgotten: who still holds that tells it again, and lies that change each time fill no
// memory. lowest is the lowest epoch within bounds.
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

// add takes a lock that verified, if it says something new.
func (c *recovery) add(own wire.PublicKey, k wire.Lock) {
	switch {
	case !c.news(own, &k):
	case k.Chunk.Sequencer == own:
		c.ownLocks[k.Subject()] = k
	default:
		c.locks[laneEpoch{k.Chunk.Sequencer, k.Epoch}] = k
	}
}

// news reports whether a lock says something new.
func (c *recovery) news(own wire.PublicKey, k *wire.Lock) bool {
	if k.Chunk.Sequencer == own {
		_, known := c.ownLocks[k.Subject()]
		return !known
	}
	known, ok := c.locks[laneEpoch{k.Chunk.Sequencer, k.Epoch}]
	return !ok || k.Chunk.Height > known.Chunk.Height
}

// higher reports whether a is of a greater height than b, or of the same and of a newer epoch.
func higher(a, b wire.Subject) bool {
	return a.Chunk.Height > b.Chunk.Height || a.Chunk.Height == b.Chunk.Height && a.Epoch > b.Epoch
}

// answerOf asks a validator for the highest lock of each lane, of whatever epoch, and for our own
// chunk. An answer of which a part is wrong does not count.
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

// takeOwnForRecovery asks a validator for the highest node of our lane. Its parent is a lock, unless
// nothing is known of its epoch.
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

// takePageForRecovery takes a page of a validator's tips. after is the last lane of the page before.
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

// takeForRecovery verifies locks and takes them if all are valid, with copies of their certificates. One
// that says nothing new is passed over, and one of a lane whose sequencer was none of its epoch: whoever
// holds retired keys can make up such lanes, and a host may have handed its lock in.
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

// sequencedIn reports whether a key was that of a sequencer of an epoch, as far as its sets are known.
func (r *Replica) sequencedIn(epoch uint64, id wire.PublicKey) bool {
	sequencers, ok := r.cfg.Epochs.Sequencers(epoch)
	return !ok || slices.Contains(sequencers, id)
}

// anyEpoch are the formats of all epochs whose sets are known.
type anyEpoch struct{ *Replica }

// Format implements wire.Formats.
func (a anyEpoch) Format(epoch uint64) (wire.Format, bool) {
	if scheme, ok := a.cfg.scheme(epoch); ok {
		return scheme.Format(), true
	}
	return wire.Format{}, false
}

// whatIsKnown returns what the validators have told, for the engine. Locks whose sets are not known are
// among the unknown ones, also those from our archive, and those whose sets the host has dropped since.
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

// endRecovery hands the engine what the validators have told.
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
		if k := &what.Locks[i]; slices.Contains(r.knownSets(), k.Epoch) { // it counts: docs/protocol.md 7.4
			r.learn(k)
		}
	}
	r.log.Warn("recovered from the loss of the journal", "lanes", len(what.Locks), "lanes of unknown epochs", len(what.Unknown),
		"resumed", what.Resume)
	return nil
}

// errNoBody: no validator has the body of our highest chunk.
var errNoBody = errors.New("replica: nobody has the body of our highest chunk, which validators know")

// holdOwnBody has the body of our highest chunk kept, if the chunk is not certified: its sequencer has
// to serve it when it sends the chunk again. Only errNoBody is a reason to end the lane; what
// keeps us from keeping it, an archive without room say, is tried again.
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
