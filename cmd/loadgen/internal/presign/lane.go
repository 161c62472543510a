package presign

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Lane holds the presigned messages about the first chunks of one sequencer. It is immutable.
type Lane struct {
	Sequencer wire.PublicKey
	Payloads  []wire.Digest // by height

	set      *Set
	epoch    uint64
	votes    []byte // by height, participant: n votes and the wrong one
	nodes    []byte // encoded, one after another …
	ends     []int  // … by height; empty for a lane whose nodes another makes
	nodeless bool
}

// Plan describes the lane that Sign makes.
type Plan struct {
	Key     ed25519.PrivateKey // the sequencer's
	Heights int
	Epoch   uint64
	Payload func(height uint64) wire.Digest
	// Nodeless lanes get acks but no nodes: their sequencer is the engine under test.
	Nodeless bool
	// Seed determines the quorums of parent certificates.
	Seed uint64
	// Absent signs no parent certificate, if it is a participant and the others make a quorum: a
	// node under test has not acked a chunk that it has not seen.
	Absent wire.Participant
}

// Sign makes a lane; ctx ends it early with an error.
func (s *Set) Sign(ctx context.Context, p Plan) (*Lane, error) {
	l := &Lane{
		Sequencer: testkit.Identity(p.Key), set: s, epoch: p.Epoch, nodeless: p.Nodeless,
		votes: make([]byte, 0, p.Heights*(len(s.ids)+1)*s.format.AckSignature),
	}
	chunks := verify.NewChunkSigner(s.options.Namespace, p.Key)
	random := rand.New(rand.NewPCG(p.Seed, 0x6c616e65))
	var parent []byte // certificate of the chunk below
	for h := range uint64(p.Heights) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		subject := wire.Subject{
			Chunk: wire.Chunk{Sequencer: l.Sequencer, Height: h, Payload: p.Payload(h)}, Epoch: p.Epoch,
		}
		l.Payloads = append(l.Payloads, subject.Chunk.Payload)
		certificate, err := s.sign(l, &subject, random, p.Absent)
		if err != nil {
			return nil, fmt.Errorf("presign: height %d: %w", h, err)
		}
		if p.Nodeless {
			continue
		}
		node := wire.Node{Chunk: subject.Chunk}
		if h > 0 {
			node.Parent = wire.Parent{Payload: l.Payloads[h-1], Epoch: p.Epoch, Certificate: parent}
		}
		if node.Signature, err = chunks.SignChunk(ctx, subject.Chunk); err != nil {
			return nil, fmt.Errorf("presign: height %d: %w", h, err)
		}
		l.nodes = node.AppendTo(l.nodes)
		l.ends = append(l.ends, len(l.nodes))
		parent = certificate
	}
	return l, nil
}

// sign appends the votes on a subject and returns the certificate by a random quorum, without
// absent where that is possible.
func (s *Set) sign(l *Lane, subject *wire.Subject, random *rand.Rand, absent wire.Participant) ([]byte, error) {
	message := subject.AppendTo(slices.Clip(s.ackPrefix))
	n, quorum := len(s.ids), wire.NewSigners(len(s.ids))
	sum := new(big.Int) // of the signers' numbers
	signers := random.Perm(n)
	if verify.Quorum(n) < n {
		signers = slices.DeleteFunc(signers, func(i int) bool { return wire.Participant(i) == absent })
	}
	for _, i := range signers[:verify.Quorum(n)] {
		quorum.Add(wire.Participant(i))
		sum.Add(sum, big.NewInt(int64(i)))
	}
	if s.options.Kind == testkit.Ed25519 {
		begin := len(l.votes)
		for _, k := range s.identities {
			l.votes = append(l.votes, ed25519.Sign(k, message)...)
		}
		l.votes = append(l.votes, l.votes[begin:begin+ed25519.SignatureSize]...)
		l.votes[len(l.votes)-1] ^= 1
		return wire.AppendSignersAndList(nil, quorum, func(i wire.Participant) []byte {
			return l.votes[begin+int(i)*ed25519.SignatureSize:][:ed25519.SignatureSize]
		}), nil
	}
	h, err := hash(s.options.Variant, message)
	if err != nil {
		return nil, err
	}
	l.votes = h.progression(l.votes, s.first, s.step, n+1, s.options.Acks == verify.Uncompressed)
	if s.options.Kind == testkit.Threshold {
		return h.times(nil, s.groupSecret()), nil
	}
	k := sum.Mul(sum, s.step)
	k.Add(k, new(big.Int).Mul(big.NewInt(int64(verify.Quorum(n))), s.first))
	return wire.AppendSignersAndAggregate(nil, quorum, h.times(nil, modulo(k))), nil
}

// Heights returns the number of signed chunks.
func (l *Lane) Heights() int { return len(l.Payloads) }

// Subject returns the subject of the acks at a height.
func (l *Lane) Subject(height uint64) wire.Subject {
	return wire.Subject{Chunk: wire.Chunk{Sequencer: l.Sequencer, Height: height, Payload: l.Payloads[height]}, Epoch: l.epoch}
}

// Node returns the encoded node at a height, not to be changed; nil for a nodeless lane.
func (l *Lane) Node(height uint64) []byte {
	if l.nodeless {
		return nil
	}
	begin := 0
	if height > 0 {
		begin = l.ends[height-1]
	}
	return l.nodes[begin:l.ends[height]:l.ends[height]]
}

// Votes returns the votes at a height: participant i's at place i, and an invalid one at place n.
func (l *Lane) Votes(height uint64) []byte {
	size := (len(l.set.ids) + 1) * l.set.format.AckSignature
	return l.votes[int(height)*size : (int(height)+1)*size : (int(height)+1)*size]
}

// AppendAck appends an encoded ack that participant i sends, with the vote at a place of Votes: its
// own, another's or the wrong one.
func (l *Lane) AppendAck(dst []byte, height uint64, i wire.Participant, place int) []byte {
	size := l.set.format.AckSignature
	begin := (int(height)*(len(l.set.ids)+1) + place) * size
	a := wire.Ack{
		Chunk:       wire.Chunk{Sequencer: l.Sequencer, Height: height, Payload: l.Payloads[height]},
		Epoch:       l.epoch,
		Participant: i,
		Signature:   l.votes[begin : begin+size],
	}
	return a.AppendTo(dst)
}
