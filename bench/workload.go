package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

var namespace = []byte("lanecast-bench")

// maxHeight is above the height of every chunk: an engine with this HeightBound accepts acks on all
// of them.
const maxHeight = 1 << 20

// workload holds acks to verify: of every validator on every chunk, in both encodings.
type workload struct {
	variant      verify.Variant
	n, quorum    int
	chunks       int
	validators   []verify.Validator // by participant
	subjects     []wire.Subject
	messages     [][]byte // the signed bytes of the acks on each subject
	compressed   [][]byte // by subject: the slab of all votes
	uncompressed [][]byte
	size         int // of a compressed vote
}

func newWorkload(c Case) (*workload, error) {
	set, err := testkit.New(testkit.Multisig, c.Variant, verify.Compressed, c.Validators, namespace, 1)
	if err != nil {
		return nil, err
	}
	w := &workload{
		variant: c.Variant, n: c.Validators, quorum: verify.Quorum(c.Validators),
		chunks: c.chunks(), size: set.Scheme.Format().AckSignature,
	}
	for i, id := range set.Scheme.Participants() {
		w.validators = append(w.validators, verify.Validator{Identity: id, Key: set.PublicKeys[i]})
	}
	for i := range w.chunks {
		s := subject(i)
		w.subjects = append(w.subjects, s)
		w.messages = append(w.messages, ackMessage(s))
		short, long := make([]byte, 0, w.n*w.size), make([]byte, 0, 2*w.n*w.size)
		for _, signer := range set.Signers {
			vote, err := signer.SignAck(context.Background(), s)
			if err != nil {
				return nil, err
			}
			short = append(short, vote...)
			if long, err = appendUncompressed(long, vote); err != nil {
				return nil, err
			}
		}
		w.compressed, w.uncompressed = append(w.compressed, short), append(w.uncompressed, long)
	}
	return w, nil
}

func subject(i int) wire.Subject {
	s := wire.Subject{Chunk: wire.Chunk{Height: uint64(1000+i) % maxHeight}, Epoch: 7}
	s.Chunk.Sequencer = wire.PublicKey(sha256.Sum256([]byte{byte(i)}))
	s.Chunk.Payload = wire.Digest(sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i))))
	return s
}

// ackMessage returns the bytes that acks sign, docs/protocol.md 3: union_unique(namespace‖"_ACK",
// chunk ‖ varint epoch).
func ackMessage(s wire.Subject) []byte {
	ns := append(bytes.Clone(namespace), "_ACK"...)
	return s.AppendTo(append(wire.AppendUvarint(nil, uint64(len(ns))), ns...))
}

// appendUncompressed appends a compressed point in its uncompressed form.
func appendUncompressed(dst, vote []byte) ([]byte, error) {
	d := bls12381.NewDecoder(bytes.NewReader(vote), bls12381.NoSubgroupChecks())
	if len(vote) == bls12381.SizeOfG1AffineCompressed {
		var p bls12381.G1Affine
		err := d.Decode(&p)
		raw := p.RawBytes()
		return append(dst, raw[:]...), err
	}
	var p bls12381.G2Affine
	err := d.Decode(&p)
	raw := p.RawBytes()
	return append(dst, raw[:]...), err
}

// vote returns participant i's compressed vote on subject k.
func (w *workload) vote(k, i int) []byte { return w.compressed[k][i*w.size : (i+1)*w.size] }

// quorums draws the signers of each chunk: the same quorum for all, or a random one for each.
func (w *workload) quorums(r *rand.Rand, equal bool) [][]int {
	out := make([][]int, w.chunks)
	for k := range out {
		if equal && k > 0 {
			out[k] = out[0]
			continue
		}
		out[k] = r.Perm(w.n)[:w.quorum]
		slices.Sort(out[k])
	}
	return out
}

// scheme returns a scheme that has verified nothing yet, so that its caches hold no hash or key
// sum.
func (w *workload) scheme(acks verify.AckEncoding) (verify.Scheme, error) {
	return verify.NewMultisigFromProvenKeys(verify.Config{Namespace: namespace, Variant: w.variant, AckEncoding: acks}, w.validators)
}

// statements returns the statements that the engine would submit: for each chunk the votes of its
// quorum.
func (w *workload) statements(s verify.Scheme, acks verify.AckEncoding, quorums [][]int) []*verify.Statement {
	slabs := w.compressed
	if acks == verify.Uncompressed {
		slabs = w.uncompressed
	}
	out := make([]*verify.Statement, len(quorums))
	for k, who := range quorums {
		signers := wire.NewSigners(w.n)
		for _, i := range who {
			signers.Add(wire.Participant(i))
		}
		out[k] = &verify.Statement{Tag: uint64(k), Scheme: s, Subject: w.subjects[k], Signers: signers, Slab: slabs[k]}
	}
	return out
}
