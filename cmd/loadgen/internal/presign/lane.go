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
	votes    []byte // by height, participant: n votes and the invalid one; none if ackless
	nodes    []byte // encoded, one after another …
	ends     []int  // … by height; empty for a nodeless lane
	sizes    []int  // of the certificates, by height: each ends the node above it …
	top      []byte // … except the last
	nodeless bool
	ackless  bool
}

// Plan describes the lane that Sign makes.
type Plan struct {
	Key     ed25519.PrivateKey // the sequencer's
	Heights int
	Epoch   uint64
	Payload func(height uint64) wire.Digest
	// Nodeless lanes get acks but no nodes and certificates: their sequencer is the engine under
	// test. Ackless lanes get no acks: these go to another sequencer.
	Nodeless, Ackless bool
	// Seed determines the quorums of parent certificates.
	Seed uint64
	// Absent signs no parent certificate, if it is a participant and the others make a quorum: a
	// node under test has not acked a chunk that it has not seen.
	Absent wire.Participant
}

// Sign makes a lane; ctx ends it early with an error.
func (s *Set) Sign(ctx context.Context, p Plan) (*Lane, error) {
	l := &Lane{Sequencer: testkit.Identity(p.Key), set: s, epoch: p.Epoch, nodeless: p.Nodeless, ackless: p.Ackless}
	if !p.Ackless {
		l.votes = make([]byte, 0, p.Heights*(len(s.ids)+1)*s.format.AckSignature)
	}
	chunks := verify.NewChunkSigner(s.options.Namespace, p.Key)
	random := rand.New(rand.NewPCG(p.Seed, 0x6c616e65))
	for h := range uint64(p.Heights) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		subject := wire.Subject{
			Chunk: wire.Chunk{Sequencer: l.Sequencer, Height: h, Payload: p.Payload(h)}, Epoch: p.Epoch,
		}
		l.Payloads = append(l.Payloads, subject.Chunk.Payload)
		certificate, err := s.sign(l, &subject, s.Quorum(random, p.Absent))
		if err != nil {
			return nil, fmt.Errorf("presign: height %d: %w", h, err)
		}
		if p.Nodeless {
			continue
		}
		node := wire.Node{Chunk: subject.Chunk}
		if h > 0 {
			node.Parent = wire.Parent{Payload: l.Payloads[h-1], Epoch: p.Epoch, Certificate: l.top}
		}
		if node.Signature, err = chunks.SignChunk(ctx, subject.Chunk); err != nil {
			return nil, fmt.Errorf("presign: height %d: %w", h, err)
		}
		l.nodes = node.AppendTo(l.nodes)
		l.ends = append(l.ends, len(l.nodes))
		l.top = certificate
		l.sizes = append(l.sizes, len(certificate))
	}
	return l, nil
}

// sign appends the votes on a subject, unless the lane is ackless, and returns the certificate by a
// quorum.
func (s *Set) sign(l *Lane, subject *wire.Subject, quorum wire.Signers) ([]byte, error) {
	message := subject.AppendTo(slices.Clip(s.ackPrefix))
	switch s.options.Kind {
	case testkit.Ed25519:
		return s.signEach(l, quorum, func(i wire.Participant) ([]byte, error) { return ed25519.Sign(s.identities[i], message), nil })
	case testkit.Secp256r1:
		return s.signEach(l, quorum, func(i wire.Participant) ([]byte, error) {
			return s.signers[i].SignAck(context.Background(), *subject)
		})
	}
	h, err := hash(s.options.Variant, message)
	if err != nil {
		return nil, err
	}
	if !l.ackless {
		l.votes = h.progression(l.votes, s.first, s.step, len(s.ids)+1, s.options.Acks == verify.Uncompressed)
	}
	if s.options.Kind == testkit.Threshold {
		return h.times(nil, s.groupSecret()), nil
	}
	numbers, count := int64(0), int64(0) // the signers', summed up
	for i := range quorum.All() {
		numbers, count = numbers+int64(i), count+1
	}
	k := new(big.Int).Mul(big.NewInt(numbers), s.step)
	k.Add(k, new(big.Int).Mul(big.NewInt(count), s.first))
	return wire.AppendSignersAndAggregate(nil, quorum, h.times(nil, modulo(k))), nil
}

// signEach is sign for schemes whose signatures are not added up.
func (s *Set) signEach(l *Lane, quorum wire.Signers, vote func(i wire.Participant) ([]byte, error)) ([]byte, error) {
	votes := make(map[wire.Participant][]byte, len(s.ids))
	for i := range wire.Participant(len(s.ids)) {
		if l.ackless && !quorum.Has(i) {
			continue
		}
		signature, err := vote(i)
		if err != nil {
			return nil, fmt.Errorf("presign: %w", err)
		}
		votes[i] = signature
		if !l.ackless {
			l.votes = append(l.votes, signature...)
		}
	}
	if !l.ackless {
		l.votes = append(l.votes, votes[0]...)
		l.votes[len(l.votes)-1] ^= 1
	}
	return wire.AppendSignersAndList(nil, quorum, func(i wire.Participant) []byte { return votes[i] }), nil
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

// Certificate returns the certificate of the chunk at a height, which the node above carries; it
// must not be changed. It is nil for a nodeless lane.
func (l *Lane) Certificate(height uint64) []byte {
	if l.nodeless {
		return nil
	}
	if int(height) == l.Heights()-1 {
		return l.top
	}
	node := l.Node(height + 1)
	return node[len(node)-l.sizes[height]:]
}

// AppendCertificate appends the certificate message for the chunk at a height with the certificate
// of the chunk at another height, or its own.
func (l *Lane) AppendCertificate(dst []byte, height, of uint64) []byte {
	subject := l.Subject(height)
	lock := wire.Lock{Chunk: subject.Chunk, Epoch: subject.Epoch, Certificate: l.Certificate(of)}
	return lock.AppendTo(dst)
}

// Votes returns the votes at a height: participant i's at place i, and an invalid one at place n.
// An ackless lane has none.
func (l *Lane) Votes(height uint64) []byte {
	size := (len(l.set.ids) + 1) * l.set.format.AckSignature
	return l.votes[int(height)*size : (int(height)+1)*size : (int(height)+1)*size]
}

// AppendAck appends an encoded ack that participant i sends, with the vote at a place of Votes: its
// own, another's or the invalid one.
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
