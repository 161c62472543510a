package verify_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// TestWriteVectors writes Lanecast's encodings into the folder that LANECAST_WRITE_VECTORS names,
// for another implementation to check. LANECAST_WRITE_SEED, a number, 1 by default, determines all
// files.
func TestWriteVectors(t *testing.T) {
	folder := os.Getenv("LANECAST_WRITE_VECTORS")
	if folder == "" {
		t.Skip("LANECAST_WRITE_VECTORS names no folder")
	}
	seed := uint64(1)
	if text := os.Getenv("LANECAST_WRITE_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, k := range vectorKinds {
		w := &vectorWriter{T: t, kind: k, random: rand.New(rand.NewPCG(seed, 0)), seed: seed}
		for _, n := range []int{1, 4, 7, 8, 9} {
			w.write(n, 1)
		}
		w.write(100, 7)
		source := fmt.Sprintf("lanecast (%s), seed %d", verify.BackendName, seed)
		text, err := json.Marshal(vectorFile{Source: source, Cases: w.cases})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "lanecast-"+k.file+".json"), text, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d cases", k.file, len(w.cases))
	}
}

// TestWrittenVectorsVerify verifies the vectors that TestWriteVectors writes for a small set of
// each scheme.
func TestWrittenVectorsVerify(t *testing.T) {
	for _, k := range vectorKinds {
		t.Run(k.file, func(t *testing.T) {
			w := &vectorWriter{T: t, kind: k, random: rand.New(rand.NewPCG(7, 0)), seed: 7}
			w.write(4, 7)
			r := newVectorRun()
			for _, c := range w.cases {
				r.run(t, c)
			}
			if len(r.valid) != 1 {
				t.Errorf("certificates of %d groups, want 1", len(r.valid))
			}
		})
	}
}

// vectorKind is a scheme in a variant, with the names that vectors use for them.
type vectorKind struct {
	kind          testkit.Kind
	variant       verify.Variant
	scheme, named string
	file          string
}

var vectorKinds = []vectorKind{
	{testkit.Multisig, verify.MinSig, "bls12381-multisig", "minsig", "multisig-minsig"},
	{testkit.Multisig, verify.MinPk, "bls12381-multisig", "minpk", "multisig-minpk"},
	{testkit.Threshold, verify.MinSig, "bls12381-threshold", "minsig", "threshold-minsig"},
	{testkit.Threshold, verify.MinPk, "bls12381-threshold", "minpk", "threshold-minpk"},
	{testkit.Ed25519, verify.MinSig, "ed25519", "", "ed25519"},
	{testkit.Secp256r1, verify.MinSig, "secp256r1", "", "secp256r1"},
}

// vectorWriter makes cases over sets of one kind.
type vectorWriter struct {
	*testing.T
	kind   vectorKind
	random *rand.Rand
	seed   uint64
	cases  []vectorCase

	set      *testkit.Set // set of the cases being written
	outsider verify.ChunkSigner
	about    vectorCase
}

// varintSteps are the numbers on both sides of each growth of a varint of 64 bits by a byte, and
// the ends of the range.
func varintSteps() []uint64 {
	steps := []uint64{0, 1}
	for shift := 7; shift < 64; shift += 7 {
		steps = append(steps, 1<<shift-1, 1<<shift)
	}
	return append(steps, math.MaxUint64-1, math.MaxUint64)
}

// write adds the cases of a set of n validators, at every stride-th of varintSteps from a random
// one.
func (w *vectorWriter) write(n, stride int) {
	namespace := make([]byte, []int{0, 8, 121, 122, 123, 124, 200}[w.random.IntN(7)])
	for i := range namespace {
		namespace[i] = byte(w.random.Uint32())
	}
	set, err := testkit.New(w.kind.kind, w.kind.variant, verify.Compressed, n, namespace, w.random.Uint64())
	if err != nil {
		w.Fatal(err)
	}
	w.set = set
	w.outsider = verify.NewChunkSigner(namespace, testkit.Identities(1, w.random.Uint64())[0])
	w.about = vectorCase{Scheme: w.kind.scheme, Variant: w.kind.named, Namespace: hex.EncodeToString(namespace),
		GroupPublic: hex.EncodeToString(set.GroupKey)}
	for i, k := range set.Identities {
		p := vectorParticipant{Identity: testkit.Identity(k).String(), Public: hex.EncodeToString(set.PublicKeys[i])}
		if w.kind.kind == testkit.Multisig && n <= 9 {
			p.Proof = hex.EncodeToString(set.Secrets[i].ProofOfPossession(namespace))
		}
		w.about.Participants = append(w.about.Participants, p)
	}
	steps := varintSteps()
	for k := w.random.IntN(stride); k < len(steps); k += stride {
		w.round(k, steps[k], steps[(7*k+3)%len(steps)])
	}
}

// round adds a message of every type for one height and epoch, and invalid ones.
func (w *vectorWriter) round(k int, height, epoch uint64) {
	sequencer, whose := w.outsider, "external sequencer"
	if k%2 == 1 {
		sequencer, whose = w.set.ChunkSigners[w.random.IntN(len(w.set.ChunkSigners))], "a validator as sequencer"
	}
	n := len(w.set.Signers)
	about := fmt.Sprintf("n=%d, height %d, epoch %d, %s", n, height, epoch, whose)
	proposal := w.proposal(sequencer, height)
	lock := w.lock(wire.Subject{Chunk: proposal.Chunk, Epoch: epoch})
	parent := wire.Parent{Payload: lock.Chunk.Payload, Epoch: epoch, Certificate: lock.Certificate}
	node := wire.Node{Chunk: proposal.Chunk, Signature: proposal.Signature}
	if height > 0 {
		below := wire.Chunk{Sequencer: proposal.Chunk.Sequencer, Height: height - 1, Payload: w.payload()}
		b := w.lock(wire.Subject{Chunk: below, Epoch: epoch})
		node.Parent = wire.Parent{Payload: below.Payload, Epoch: epoch, Certificate: b.Certificate}
	}
	who := wire.Participant(w.random.IntN(n))
	ack := wire.Ack{Chunk: proposal.Chunk, Epoch: epoch, Participant: who, Signature: w.vote(who, lock.Subject())}

	holds, not := true, false
	w.add("chunk", about, &proposal.Chunk, nil)
	w.add("proposal", about, &proposal, &holds)
	w.add("ack", about, &ack, &holds)
	w.add("parent", about, &parent, nil)
	w.add("node", about, &node, &holds)
	w.add("lock", about, &lock, &holds)
	w.add("activity", "tip, "+about, &wire.Tip{Proposal: proposal}, &holds)
	w.add("activity", "lock, "+about, &wire.Certified{Lock: lock}, &holds)

	// Upstream must refuse these: otherwise a checker that accepts everything would not be noticed.
	ack.Epoch++
	w.add("ack", "another epoch than signed, "+about, &ack, &not)
	lock.Chunk.Payload[0] ^= 1
	w.add("lock", "another payload than signed, "+about, &lock, &not)
	if node.HasParent() {
		node.Parent.Payload[0] ^= 1
		w.add("node", "another parent than certified, "+about, &node, &not)
	}
	node.Chunk.Payload[0] ^= 1
	w.add("node", "another payload than signed, "+about, &node, &not)
	cut := lock.AppendTo(nil)
	c := w.named("lock", "cut, "+about, cut[:len(cut)-1])
	c.Decode = "error"
	w.cases = append(w.cases, c)
}

func (w *vectorWriter) payload() (d wire.Digest) {
	for i := range d {
		d[i] = byte(w.random.Uint32())
	}
	return d
}

func (w *vectorWriter) proposal(sequencer verify.ChunkSigner, height uint64) wire.Proposal {
	chunk := wire.Chunk{Sequencer: sequencer.PublicKey(), Height: height, Payload: w.payload()}
	signature, err := sequencer.SignChunk(context.Background(), chunk)
	if err != nil {
		w.Fatal(err)
	}
	return wire.Proposal{Chunk: chunk, Signature: signature}
}

func (w *vectorWriter) vote(who wire.Participant, subject wire.Subject) []byte {
	vote, err := w.set.Signers[who].SignAck(context.Background(), subject)
	if err != nil {
		w.Fatal(err)
	}
	return vote
}

// lock certifies subject as the engine does: votes of a quorum or more, combined and then verified.
func (w *vectorWriter) lock(subject wire.Subject) wire.Lock {
	n := len(w.set.Signers)
	size := w.set.Scheme.Format().AckSignature
	s := &verify.Statement{Scheme: w.set.Scheme, Subject: subject, Signers: wire.NewSigners(n), Slab: make([]byte, n*size)}
	quorum := verify.Quorum(n)
	for _, i := range w.random.Perm(n)[:quorum+w.random.IntN(n-quorum+1)] {
		who := wire.Participant(i)
		s.Signers.Add(who)
		copy(s.Slab[i*size:], w.vote(who, subject))
	}
	c, unreadable := w.set.Scheme.Combine(s, s.Signers)
	if c == nil || !w.set.Scheme.Check([]verify.Combination{c}) {
		w.Fatalf("good votes make no certificate; unreadable: %v", unreadable)
	}
	return wire.Lock{Chunk: subject.Chunk, Epoch: subject.Epoch, Certificate: c.AppendCertificate(nil)}
}

// add adds a case that decodes.
func (w *vectorWriter) add(kind, about string, m interface{ AppendTo([]byte) []byte }, holds *bool) {
	c := w.named(kind, about, m.AppendTo(nil))
	c.Decode, c.Verify, c.Fields = "ok", holds, w.fields(m)
	w.cases = append(w.cases, c)
}

func (w *vectorWriter) named(kind, about string, encoded []byte) vectorCase {
	c := w.about
	c.Name, c.Type, c.Encoded = kind+", "+about, kind, hex.EncodeToString(encoded)
	return c
}

// fields returns the fields of a message under the names that vectors use.
func (w *vectorWriter) fields(m any) map[string]any {
	switch m := m.(type) {
	case *wire.Chunk:
		return map[string]any{
			"sequencer": m.Sequencer.String(), "height": strconv.FormatUint(m.Height, 10), "payload": m.Payload.String()}
	case *wire.Proposal:
		return joined(w.fields(&m.Chunk), map[string]any{"signature": m.Signature.String()})
	case *wire.Ack:
		return joined(w.fields(&m.Chunk), map[string]any{"epoch": strconv.FormatUint(m.Epoch, 10),
			"participant": uint32(m.Participant), "signature": hex.EncodeToString(m.Signature)})
	case *wire.Parent:
		return joined(w.certificateFields(m.Certificate),
			map[string]any{"payload": m.Payload.String(), "epoch": strconv.FormatUint(m.Epoch, 10)})
	case *wire.Node:
		f := joined(w.fields(&m.Chunk), map[string]any{"signature": m.Signature.String(), "parent": nil})
		if m.HasParent() {
			f["parent"] = w.fields(&m.Parent)
		}
		return f
	case *wire.Lock:
		return joined(w.fields(&m.Chunk), w.certificateFields(m.Certificate),
			map[string]any{"epoch": strconv.FormatUint(m.Epoch, 10)})
	case *wire.Tip:
		return joined(w.fields(&m.Proposal), map[string]any{"tag": 0, "kind": "tip"})
	case *wire.Certified:
		return joined(w.fields(&m.Lock), map[string]any{"tag": 1, "kind": "lock"})
	}
	w.Fatalf("no fields of a %T", m)
	return nil
}

func (w *vectorWriter) certificateFields(certificate []byte) map[string]any {
	signers, signatures, err := w.set.Scheme.Format().SplitCertificate(certificate)
	if err != nil {
		w.Fatal(err)
	}
	f := map[string]any{"certificate_signature": hex.EncodeToString(signatures)}
	if signers.Len() > 0 {
		numbers := []uint32{}
		for p := range signers.All() {
			numbers = append(numbers, uint32(p))
		}
		f["bitmap_length"], f["signers"] = signers.Len(), numbers
	}
	return f
}

func joined(first map[string]any, others ...map[string]any) map[string]any {
	for _, o := range others {
		for name, value := range o {
			first[name] = value
		}
	}
	return first
}
