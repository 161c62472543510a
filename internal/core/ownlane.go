package core

import "github.com/lanecast/lanecast/wire"

// OwnLane is a reason why our own lane cannot grow, or none.
type OwnLane uint8

const (
	// OwnLaneFree: nothing but the application and the validators, or we are no sequencer.
	OwnLaneFree OwnLane = iota
	// OwnLaneRecovering: the journal was lost, and nothing has been adopted yet.
	OwnLaneRecovering
	// OwnLaneEnded: the journal was lost, and the lane ended with it, since it was not resumed. The
	// sequencer goes on under a new key.
	OwnLaneEnded
	// OwnLaneBehind: more validators than may be faulty have acked the lane above our tip. The
	// journal is older than the network.
	OwnLaneBehind
	// OwnLaneContradicted: the network certified another chunk than our tip. Somebody else signs
	// with our key.
	OwnLaneContradicted
)

// OwnLaneBlocks returns all states in which the lane is blocked.
func OwnLaneBlocks() []OwnLane {
	return []OwnLane{OwnLaneRecovering, OwnLaneEnded, OwnLaneBehind, OwnLaneContradicted}
}

var ownLaneNames = [...]string{"free", "recovering", "ended", "behind", "contradicted"}

func (o OwnLane) String() string {
	if int(o) < len(ownLaneNames) {
		return ownLaneNames[o]
	}
	return "unknown"
}

// ownLane returns what keeps our lane from growing.
func (c *Core) ownLane() OwnLane {
	switch {
	case c.own == nil:
		return OwnLaneFree
	case c.loss.recovering:
		return OwnLaneRecovering
	case c.loss.ended():
		return OwnLaneEnded
	}
	t := c.own.tip
	if t != nil {
		if held := c.own.votes.At(t.chunk().Height); held != nil && held.Chunk.Payload != t.chunk().Payload {
			return OwnLaneContradicted
		}
	}
	if c.claims.behind {
		return OwnLaneBehind
	}
	return OwnLaneFree
}

// OwnLane returns what keeps our own lane from growing, and a height above our tip that others have
// acked, if that is it.
func (c *Core) OwnLane() (state OwnLane, claimed uint64) {
	state = c.ownLane()
	if state == OwnLaneBehind {
		claimed = c.claims.highest()
	}
	return state, claimed
}

// claims are the highest chunk of our lane that each validator has acked and that the journal does
// not hold. If more than may be faulty have, somebody has sent chunks with our signature.
type claims struct {
	chunks map[wire.PublicKey]wire.Chunk
	behind bool // more than may be faulty have
}

// add notes that a validator has acked a chunk, and reports whether it is news.
func (s *claims) add(id wire.PublicKey, chunk *wire.Chunk) bool {
	if before, ok := s.chunks[id]; ok && chunk.Height <= before.Height {
		return false
	}
	if s.chunks == nil {
		s.chunks = make(map[wire.PublicKey]wire.Chunk)
	}
	s.chunks[id] = *chunk
	return true
}

// count compares the weight of an epoch's validators that have claims with what may be faulty of
// it.
func (s *claims) count(e *epoch) {
	weight := uint64(0)
	for id := range s.chunks {
		if i, ok := e.scheme.Index(id); ok {
			weight += e.set.Weight(i)
		}
	}
	s.behind = weight > e.set.Tolerates()
}

// drop forgets the claims that our tip has come up to, and those of former validators. The tip may
// be nil.
func (s *claims) drop(t *tip, epochs *epochs) {
	for id, chunk := range s.chunks {
		if t != nil && (chunk == *t.chunk() || chunk.Height < t.chunk().Height) || !epochs.haveValidator(id) {
			delete(s.chunks, id)
		}
	}
}

// highest returns the highest height that is claimed.
func (s *claims) highest() (height uint64) {
	for _, chunk := range s.chunks {
		height = max(height, chunk.Height)
	}
	return height
}

// claim notes that a validator has acked a chunk of our own lane.
func (c *Core) claim(from *Peer, chunk *wire.Chunk) {
	if c.lacksOwn(chunk, false) && c.claims.add(from.id, chunk) {
		c.countClaims()
	}
}

// dropClaims forgets the claims that our tip has come up to, and in a new epoch those of former
// validators.
func (c *Core) dropClaims() {
	c.claims.drop(c.own.tip, &c.epochs)
	c.countClaims()
}

// countClaims counts the claims of the current epoch's validators. Until its sets are known, it is
// as it was.
func (c *Core) countClaims() {
	if e := c.currentEpoch(); e != nil {
		c.claims.count(e)
	}
}
