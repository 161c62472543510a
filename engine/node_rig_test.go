package engine_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// nodeRig is a follower that receives only nodes; the nodes of the hostile lanes carry bad parent
// certificates.
type nodeRig struct {
	*attackRig
	voters  *progression
	signers []verify.ChunkSigner
	peers   []*engine.Peer // of the sequencers, by lane
	hostile int            // number of hostile lanes; they are the first ones
}

func newNodeRig(t testing.TB, voters *progression, lanes, hostile int, tune func(*engine.Config)) *nodeRig {
	t.Helper()
	s := &nodeRig{voters: voters, hostile: hostile}
	keys := make([]wire.PublicKey, lanes)
	for i, k := range testkit.Identities(lanes, 3) {
		keys[i] = testkit.Identity(k)
		s.signers = append(s.signers, verify.NewChunkSigner(namespace, k))
	}
	s.attackRig = newAttackRigOn(t, voters, nil, keys, tune)
	for _, k := range keys {
		s.peers = append(s.peers, s.peer(k))
	}
	return s
}

// certificate returns the certificate of a random quorum.
func (p *progression) certificate(r *rand.Rand, s wire.Subject) []byte {
	n := len(p.validators)
	signers := wire.NewSigners(n)
	var sum bls.G1Jac
	points := p.points(s)
	for _, i := range r.Perm(n)[:verify.Quorum(n)] {
		signers.Add(wire.Participant(i))
		sum.AddMixed(&points[i])
	}
	b := new(bls.G1Affine).FromJacobian(&sum).Bytes()
	return wire.AppendSignersAndAggregate(nil, signers, b[:])
}

// badCertificate returns an invalid certificate, of one form after another.
func (p *progression) badCertificate(r *rand.Rand, s wire.Subject, form int) []byte {
	c := p.certificate(r, s)
	signature := c[len(c)-bls.SizeOfG1AffineCompressed:]
	switch form % 5 {
	case 0: // another point
		b := plus(point(signature), stray(r))
		copy(signature, b)
	case 1:
		copy(signature, outsiders[r.IntN(len(outsiders))])
	case 2: // the identity
		clear(signature)
		signature[0] = 0xC0
	case 3: // another chunk's
		s.Chunk.Payload[0] ^= 1
		return p.certificate(r, s)
	case 4: // with other signers than it names
		c[8] ^= 3
	}
	return c
}

// nodes prepares the next node of every lane. With burst, each hostile lane has that many nodes
// instead of one.
func (s *nodeRig) nodes(r *rand.Rand, burst int) (all [][][]byte) {
	all = make([][][]byte, len(s.lanes))
	for lane := range s.lanes {
		if lane >= s.hostile || s.height == 0 {
			all[lane] = [][]byte{s.node(r, lane, s.height, -1)}
			continue
		}
		for i := range burst {
			all[lane] = append(all[lane], s.node(r, lane, s.height+uint64(i), i+lane))
		}
	}
	s.height++
	return all
}

// node returns a lane's node; with a good parent certificate if form is negative.
func (s *nodeRig) node(r *rand.Rand, lane int, height uint64, form int) []byte {
	n := wire.Node{Chunk: s.subject(lane, height).Chunk}
	if height > 0 {
		parent := s.subject(lane, height-1)
		n.Parent = wire.Parent{Payload: parent.Chunk.Payload}
		if form < 0 {
			n.Parent.Certificate = s.voters.certificate(r, parent)
		} else {
			n.Parent.Certificate = s.voters.badCertificate(r, parent, form)
		}
	}
	signature, err := s.signers[lane].SignChunk(context.Background(), n.Chunk)
	if err != nil {
		s.t.Fatal(err)
	}
	n.Signature = signature
	return n.AppendTo(nil)
}

// round delivers nodes and waits until those of the honest lanes have been accepted.
func (s *nodeRig) round(all [][][]byte) (cpu, wall time.Duration) {
	s.t.Helper()
	height := s.height - 1
	wallBegan, cpuBegan := time.Now(), cpuTime()
	var done <-chan struct{}
	if height > 0 {
		done = s.expect(len(s.lanes) - s.hostile)
	}
	for lane, nodes := range all {
		for _, n := range nodes {
			if err := s.peers[lane].DeliverNodeBytes(n); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	if height > 0 {
		s.await(done)
	} else {
		eventually(s.t, "the first nodes are accepted", func() bool {
			return status(s.t, s.engine).Counters.NodesAccepted == uint64(len(s.lanes))
		})
	}
	return cpuTime() - cpuBegan, time.Since(wallBegan)
}

func laneOf(lanes []wire.PublicKey, id wire.PublicKey) int {
	for i, k := range lanes {
		if k == id {
			return i
		}
	}
	return -1
}

// invalidNodes returns the reports of InvalidNode, by sequencer.
func (s *attackRig) invalidNodes() map[wire.PublicKey]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.badNodes
}
