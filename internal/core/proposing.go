package core

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// phase is the stage of our next chunk.
type phase uint8

const (
	idle      phase = iota
	asking          // the application has been asked for a payload
	writing         // chunk and parent are on their way to the disk
	signing         // they are durable: our sequencer key signs the chunk, or is asked to again
	verifying       // the node is verified like any other
)

// proposer makes our next chunk, from the request for its payload to its signature:
// docs/protocol.md 4.7.
type proposer struct {
	clock   *clock
	calls   *calls
	records *records
	counts  *Counts
	backoff time.Duration

	phase      phase
	height     uint64    // the height of the request to the application
	node       wire.Node // from writing on; without signature until it is verified
	position   uint64    // of the record of chunk and parent; 0 if there is none
	proposedAt time.Duration
	notBefore  time.Duration // backoff after a failed attempt
	failures   int           // failed attempts since our last chunk that became the tip

	questions  series // for payloads
	signatures series // on our chunks
}

// propose does the next step for our next chunk, which has the given height and parent if may is
// set: it requests a payload from the application, unless paused, or a signature from our key. It
// ends requests that are no longer wanted.
func (p *proposer) propose(own *lane, height uint64, parent *wire.Parent, may, paused bool) {
	switch p.phase {
	case asking:
		if !may || height != p.height {
			p.calls.cancel(&p.questions)
			p.counts.Proposals[Dropped]++
			p.phase = idle
		}
	case writing, signing:
		if !may {
			p.calls.cancel(&p.signatures)
		} else if height != p.node.Chunk.Height { // certified meanwhile, and higher chunks too
			p.calls.cancel(&p.signatures)
			p.counts.Proposals[Dropped]++
			p.end()
		}
	}
	if !may || p.phase == asking || p.phase == writing || p.phase == verifying || p.signatures.current != 0 {
		return
	}
	if p.clock.now < p.notBefore {
		p.clock.wake(p.notBefore)
		return
	}
	if p.phase == signing {
		p.calls.begin(&p.signatures, call{kind: SignChunk, chunk: p.node.Chunk, lane: own})
		return
	}
	if paused {
		return
	}
	chunk := wire.Chunk{Sequencer: own.sequencer, Height: height}
	if ask := p.calls.begin(&p.questions, call{kind: AskPropose, chunk: chunk, lane: own}); ask != nil {
		ask.Parent = parent.Payload
		p.phase, p.height = asking, height
	}
}

// write journals chunk and parent before our key signs: after a failure or a restart the same chunk
// is signed.
func (p *proposer) write(n wire.Node) {
	p.node = n
	p.phase, p.proposedAt = writing, p.clock.now
	p.position = p.records.append(recordProposal, &p.node)
}

// durable reports whether chunk and parent are on disk once all records up to position are.
func (p *proposer) durable(position uint64) bool {
	if p.phase != writing || p.position > position {
		return false
	}
	p.phase = signing
	return true
}

// signed returns the node to be verified.
func (p *proposer) signed(signature wire.Signature, parent wire.Parent) *pendingNode {
	n := &pendingNode{node: p.node, proposedAt: p.proposedAt}
	n.node.Signature = signature
	n.node.Parent = parent
	n.message = n.node.AppendTo(make([]byte, 0, n.node.Size()))
	p.phase = verifying
	return n
}

// drop ends the current attempt, which became obsolete.
func (p *proposer) drop() {
	p.counts.Proposals[Dropped]++
	p.retry()
}

// fail ends the current attempt. The operator is told of the reason at the first failure in a row,
// the second, the fourth and so on. A nil reason means that he was told already.
func (p *proposer) fail(chunk wire.Chunk, reason error) {
	p.counts.Proposals[Failure]++
	p.failures++
	if reason != nil && p.failures&(p.failures-1) == 0 {
		w := p.records.out.emit(Warn)
		w.Chunk, w.Err = chunk, fmt.Errorf("proposing failed, %d times in a row: %w", p.failures, reason)
	}
	p.retry()
}

// retry schedules the next attempt after the backoff, for the same chunk if there is one.
func (p *proposer) retry() {
	p.phase = idle
	if p.position != 0 {
		p.phase = signing
	}
	p.notBefore = p.clock.now + p.backoff
	p.clock.wake(p.notBefore)
}

// end drops our next chunk, and its record.
func (p *proposer) end() {
	p.records.release(p.position)
	p.phase, p.position, p.node = idle, 0, wire.Node{}
}

// accepted ends a proposal that has become the tip. The tip's record replaces the record of chunk
// and parent.
func (p *proposer) accepted() {
	p.counts.Proposals[Success]++
	p.failures = 0
	p.end()
}

// done handles the verdict on our own node. If it did not become the tip, it is signed again. A nil
// reason means that it became obsolete.
func (p *proposer) done(reason error) {
	switch {
	case p.phase != verifying:
	case reason != nil:
		p.fail(p.node.Chunk, reason)
	default:
		p.drop()
	}
}

// mayHaveSent reports whether the chunk is our next one, and may have been sent before a restart:
// its record is durable.
func (p *proposer) mayHaveSent(chunk *wire.Chunk) bool {
	return p.position != 0 && p.phase != writing && *chunk == p.node.Chunk
}

// recovered keeps the highest of our chunks that were made durable to be signed. It returns the
// position of the other one, if there are two.
func (p *proposer) recovered(position uint64, n wire.Node) (dead uint64, err error) {
	if p.position != 0 {
		mine := &p.node.Chunk
		if n.Chunk.Height == mine.Height && n.Chunk.Payload != mine.Payload {
			return 0, twoTips(mine, p.position, position)
		}
		if n.Chunk.Height <= mine.Height {
			return position, nil
		}
	}
	dead = p.position
	p.node, p.position = n, position
	return dead, nil
}

// restore resumes the signing of our recovered next chunk, unless tip or lane have reached its
// height.
func (p *proposer) restore(own *lane) {
	if p.position == 0 {
		return
	}
	height := p.node.Chunk.Height
	highest, certified := own.votes.Highest()
	if t := own.tip; t != nil && t.chunk().Height >= height || certified && highest >= height {
		p.end()
		return
	}
	p.phase = signing
}

// below returns the chunk below the lane's next one: the higher of tip and highest certificate.
// empty means that the lane has no chunk yet, and ok that the chunk is durable.
func (l *lane) below() (chunk wire.Chunk, ok, empty bool) {
	highest, certified := l.votes.Highest()
	switch {
	case l.tip == nil && !certified:
		return chunk, true, true
	case l.tip == nil || certified && highest > l.tip.chunk().Height:
		return l.votes.At(highest).Chunk, true, false
	}
	return *l.tip.chunk(), l.tip.durable, false
}

// newestUpTo returns the newest certificate of a chunk, preferring epochs up to the current one:
// other processes may not know later epochs yet. nil means that the chunk has no certificate.
func (l *lane) newestUpTo(current, first uint64, chunk wire.Chunk) *aggregate.Certificate {
	newest := l.votes.At(chunk.Height)
	if newest == nil || newest.Chunk != chunk {
		return nil
	}
	for e := current; ; e-- {
		if held := l.votes.Held(chunk.Height, e); held != nil {
			return held
		}
		if e == first {
			return newest
		}
	}
}

// nextChunk returns height and parent of the chunk that this process may propose now. may is false
// if there is none: this process must be a sequencer, and the chunk below, if any, must be
// certified. The parent has the newest held certificate.
func (c *Core) nextChunk() (height uint64, parent wire.Parent, may bool) {
	if c.loss.ended() || !c.isSequencerNow() {
		return 0, parent, false
	}
	below, ok, empty := c.own.below()
	if empty {
		return 0, parent, true
	}
	if !ok {
		return 0, parent, false
	}
	first, _ := c.epochs.bounds()
	held := c.own.newestUpTo(c.epochs.current, first, below)
	if held == nil || below.Height == math.MaxUint64 {
		return 0, parent, false
	}
	parent = wire.Parent{Payload: held.Chunk.Payload, Epoch: held.Epoch, Certificate: held.Certificate}
	return below.Height + 1, parent, true
}

func (c *Core) isSequencerNow() bool {
	if c.own == nil {
		return false
	}
	e := c.currentEpoch()
	return e != nil && e.isSequencer(c.cfg.Identity)
}

// propose does the next step for our next chunk.
func (c *Core) propose() {
	if !c.running || c.own == nil {
		return
	}
	height, parent, may := c.nextChunk()
	c.proposer.propose(c.own, height, &parent, may, c.paused)
}

// Pause sets whether the reporter or the disk is behind. While they are, no payload is requested:
// docs/protocol.md 5.7.
func (c *Core) Pause(now time.Duration, paused bool) {
	if !c.enter(now) {
		return
	}
	c.paused = paused
	c.propose()
}

// ErrDeclined is the answer of an application that has no payload to propose now. It is no failure.
var ErrDeclined = errors.New("core: declined")

// ApplicationProposed handles the application's answer to the AskPropose of that number. err is
// ErrDeclined, or the reason of a failure.
func (c *Core) ApplicationProposed(now time.Duration, number uint64, payload wire.Digest, err error) {
	if !c.enter(now) {
		return
	}
	about, counts, known := c.calls.returned(AskPropose, number)
	if !known {
		return
	}
	if !counts {
		c.propose() // it may have waited for this call to return
		return
	}
	p := &c.proposer
	height, parent, may := c.nextChunk()
	switch {
	case !may || height != p.height:
		p.drop()
	case errors.Is(err, ErrDeclined):
		c.counts.Declined++
		p.retry()
	case err != nil:
		p.fail(about.chunk, fmt.Errorf("the application: %w", err))
	default:
		about.chunk.Payload = payload
		p.write(wire.Node{Chunk: about.chunk, Parent: parent})
	}
}

// ChunkSigned handles the signature of the SignChunk of that number. The node is then verified like
// any other: a faulty signer must not make this process send a node for which others would blame
// it.
func (c *Core) ChunkSigned(now time.Duration, number uint64, signature wire.Signature, err error) {
	if !c.enter(now) {
		return
	}
	_, counts, known := c.calls.returned(SignChunk, number)
	if !known {
		return
	}
	p := &c.proposer
	if !counts || p.phase != signing {
		c.propose()
		return
	}
	if err != nil {
		p.fail(p.node.Chunk, nil) // the driver has logged it
		return
	}
	_, parent, may := c.nextChunk()
	if !may {
		p.drop()
		return
	}
	c.verifyNode(c.own, p.signed(signature, parent))
	if c.own.verifying == nil {
		p.fail(p.node.Chunk, fmt.Errorf("%w: epoch %d, of which the certificate of our chunk's parent is", ErrEpochLacking, parent.Epoch))
	}
}

// The reasons why our own node does not verify.
var (
	errOurSignature = errors.New("our signature is not valid: the signer has another namespace or another key than this process")
	errOurParent    = errors.New("the certificate of its parent is not valid")
)

// whyInvalid returns the reason why our own node does not verify, nil if it does.
func whyInvalid(v *verify.Verdict) error {
	switch {
	case v.Err != nil:
		return fmt.Errorf("it could not be verified: %w", v.Err)
	case !v.ProposalValid:
		return errOurSignature
	case !v.CertificateValid:
		return errOurParent
	}
	return nil
}

// rebroadcast is the timer for sending our tip, which has no certificate yet, again.
type rebroadcast struct {
	due    bool
	at     time.Duration
	paused Status // the reason why it was not sent the last time, Success if it was
}

// broadcast sends our tip, payload and node, to the validators. It repeats that until the tip is
// certified.
func (c *Core) broadcast(l *lane, again bool) {
	if c.loss.ended() {
		return
	}
	before, timeout, status := c.rebroadcast.paused, c.cfg.RebroadcastTimeout, Success
	switch e := c.currentEpoch(); {
	case e != nil && e.isSequencer(c.cfg.Identity):
		spread := c.effects.emit(Broadcast)
		spread.Chunk, spread.Parent, spread.Recipients, spread.Again = *l.tip.chunk(), l.tip.parent, e.others, again
		if len(e.others) > 0 {
			send := c.effects.emit(SendNode)
			send.Recipients, send.Bytes = e.others, l.tip.bytes
		}
		c.duplicate(l) // this process reacts to its repetition as the others do
	case e != nil:
		status = Dropped
	default:
		status = Failure
	}
	if status != Success {
		// Paused. A new epoch resumes it at once; the sets of the epoch may become known later than
		// its number.
		timeout = min(timeout, c.cfg.AckInterval)
	}
	c.rebroadcast = rebroadcast{true, c.now + timeout, status}
	c.wake(c.rebroadcast.at)
	if status != Success && status == before {
		return // the pause continues
	}
	c.counts.Broadcasts[status]++
	if again {
		c.counts.Rebroadcasts[status]++
	}
	if status == Failure {
		c.warn(l.tip.chunk(), fmt.Errorf("%w: epoch %d, which is the current one; our chunk is not sent", ErrEpochLacking, c.epochs.current))
	}
}

// restartProposing is called at the start and for a new epoch: work that waits for a timer is done
// at once.
func (c *Core) restartProposing() {
	if c.own == nil {
		return
	}
	c.dropClaims()
	first, _ := c.epochs.bounds()
	if t := c.own.tip; t != nil && t.durable && !c.own.certifiedSince(first) {
		c.broadcast(c.own, true)
	}
	c.propose()
}

// awaitSets sets a timer while the current epoch's sets are not known: they become known without an
// event.
func (c *Core) awaitSets() {
	if c.currentEpoch() == nil {
		c.wake(c.now + c.cfg.ProposeBackoff)
	}
}

// tickProposing does the work that is due on our own lane.
func (c *Core) tickProposing() {
	if c.own == nil {
		return
	}
	if c.sent.due {
		c.sendLastCertificate()
	}
	if c.rebroadcast.due {
		first, _ := c.epochs.bounds()
		switch {
		case c.own.certifiedSince(first):
			c.rebroadcast.due = false
		case c.now < c.rebroadcast.at:
			c.wake(c.rebroadcast.at)
		case c.own.tip.durable:
			c.broadcast(c.own, true)
		}
	}
	c.propose()
}
