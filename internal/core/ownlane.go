package core

import "github.com/lanecast/lanecast/wire"

// OwnLane is a reason why our own lane cannot grow, or OwnLaneFree.
type OwnLane uint8

const (
	// OwnLaneFree: the lane waits for nothing but the application and the validators, or we are no
	// sequencer.
	OwnLaneFree OwnLane = iota
	// OwnLaneRecovering: the journal was lost, and no recovery has ended yet.
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

// ownLane returns the reason why our lane cannot grow.
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

// OwnLane returns the reason why our own lane cannot grow. With OwnLaneBehind it also returns a
// height above our tip that others have acked.
func (c *Core) OwnLane() (state OwnLane, claimed uint64) {
	state = c.ownLane()
	if state == OwnLaneBehind {
		claimed = c.claims.highest()
	}
	return state, claimed
}

// claims holds, for each validator, the highest chunk of our lane that it has acked and that the
// journal does not hold. If validators of more than the tolerated weight have claims, another
// process has sent chunks with our signature.
type claims struct {
	chunks map[wire.PublicKey]wire.Chunk
	behind bool // validators of more than the tolerated weight have claims
}

// add notes that a validator has acked a chunk, and reports whether that is new.
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

// count compares the weight of an epoch's validators that have claims with the weight that the
// epoch tolerates as faulty.
func (s *claims) count(e *epoch) {
	weight := uint64(0)
	for id := range s.chunks {
		if i, ok := e.scheme.Index(id); ok {
			weight += e.set.Weight(i)
		}
	}
	s.behind = weight > e.set.Tolerates()
}

// drop forgets the claims that our tip has reached, and those of former validators. The tip may be
// nil.
func (s *claims) drop(t *tip, epochs *epochs) {
	for id, chunk := range s.chunks {
		if t != nil && (chunk == *t.chunk() || chunk.Height < t.chunk().Height) || !epochs.haveValidator(id) {
			delete(s.chunks, id)
		}
	}
}

// highest returns the highest height of a claim.
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

// dropClaims forgets the claims that our tip has reached, and in a new epoch those of former
// validators.
func (c *Core) dropClaims() {
	c.claims.drop(c.own.tip, &c.epochs)
	c.countClaims()
}

// countClaims counts the claims of the current epoch's validators. While the epoch's sets are
// unknown, the last result stays.
func (c *Core) countClaims() {
	if e := c.currentEpoch(); e != nil {
		c.claims.count(e)
	}
}
