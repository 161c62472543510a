package verify_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// vectorFile is a file of test vectors, Lanecast's or another implementation's. Package wire tests
// the encodings, this package tests the signatures.
type vectorFile struct {
	Source string       `json:"source"`
	Cases  []vectorCase `json:"cases"`
}

// vectorCase is one encoding. Decode and Verify are the results that Lanecast must give. If
// upstream gives other results, they are in the Upstream fields, and the reason in Difference.
type vectorCase struct {
	Name           string              `json:"name"`
	Type           string              `json:"type"`
	Scheme         string              `json:"scheme,omitempty"`
	Variant        string              `json:"variant,omitempty"`
	Namespace      string              `json:"namespace"`
	Participants   []vectorParticipant `json:"participants,omitempty"`
	GroupPublic    string              `json:"group_public,omitempty"`
	Encoded        string              `json:"encoded"`
	Decode         string              `json:"decode"`
	Verify         *bool               `json:"verify"`
	Fields         map[string]any      `json:"fields,omitempty"`
	UpstreamDecode string              `json:"upstream_decode,omitempty"`
	UpstreamVerify *bool               `json:"upstream_verify,omitempty"`
	Difference     string              `json:"difference,omitempty"`
}

type vectorParticipant struct {
	Identity string `json:"identity"`
	Public   string `json:"public,omitempty"`
	Proof    string `json:"proof,omitempty"`
}

// ofSmallOrder reports whether the participant's identity is a point of Ed25519's curve whose order
// divides 8.
func (p vectorParticipant) ofSmallOrder() bool {
	return slices.ContainsFunc(smallEdwards(), func(k wire.PublicKey) bool { return hex.EncodeToString(k[:]) == p.Identity })
}

func TestVectors(t *testing.T) {
	verifyVectors(t, filepath.Join("..", "wire", "testdata", "vectors"))
}

// TestVectorsFromOutside runs the vectors in the folder that LANECAST_VECTORS names.
func TestVectorsFromOutside(t *testing.T) {
	folder := os.Getenv("LANECAST_VECTORS")
	if folder == "" {
		t.Skip("LANECAST_VECTORS names no folder")
	}
	verifyVectors(t, folder)
}

func verifyVectors(t *testing.T, folder string) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors in %s (%v)", folder, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var f vectorFile
			if err := json.Unmarshal(text, &f); err != nil {
				t.Fatal(err)
			}
			r := newVectorRun()
			for _, c := range f.Cases {
				t.Run(c.Name, func(t *testing.T) { r.run(t, c) })
			}
			r.together(t)
		})
	}
}

// vectorSet is the scheme of a case; nil if the case needs none.
type vectorSet struct {
	scheme verify.Scheme
	chunks *verify.ChunkVerifier
}

// vectorRun holds the state shared by the cases of one file.
type vectorRun struct {
	sets map[string]vectorSet
	// valid are the valid certificates, by the group in which they can be checked together.
	valid map[any][]opened
}

// opened is a valid certificate with the statement from which it was opened.
type opened struct {
	verify.Combination
	statement verify.Statement
}

func newVectorRun() *vectorRun {
	return &vectorRun{sets: map[string]vectorSet{}, valid: map[any][]opened{}}
}

func (r *vectorRun) run(t *testing.T, c vectorCase) {
	if (c.Difference == "") != (c.UpstreamDecode == "") {
		t.Error("a difference is there with its reason, or not at all")
	}
	if c.Type == "key" {
		checkKey(t, c)
		return
	}
	if c.Decode != "ok" || c.Verify == nil {
		return
	}
	set, err := r.set(c)
	if c.Scheme == "ed25519" && slices.ContainsFunc(c.Participants, vectorParticipant.ofSmallOrder) {
		// Commonware accepts keys of small order in a set; docs/protocol.md 3.1 does not.
		if !errors.Is(err, verify.ErrKey) {
			t.Errorf("a set with a key of small order: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(c.Encoded)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.holds(t, c.Type, set, b); got != *c.Verify {
		t.Errorf("verified: %t, want %t", got, *c.Verify)
	}
}

// checkKey builds a set of one validator with the signing key of a case.
func checkKey(t *testing.T, c vectorCase) {
	if c.Scheme != "secp256r1" {
		t.Fatalf("a key of scheme %q", c.Scheme)
	}
	key, err := hex.DecodeString(c.Encoded)
	if err != nil {
		t.Fatal(err)
	}
	_, err = verify.NewSecp256r1(nil, []verify.Validator{{Identity: ids(1)[0], Key: key}})
	if (err == nil) != (c.Decode == "ok") || err != nil && !errors.Is(err, verify.ErrKey) {
		t.Errorf("%v, want %s", err, c.Decode)
	}
}

// holds decodes a message and reports whether all its signatures are valid.
func (r *vectorRun) holds(t *testing.T, kind string, set vectorSet, b []byte) bool {
	var format wire.SameFormat
	if set.scheme != nil {
		format = wire.SameFormat(set.scheme.Format())
	}
	read := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	switch kind {
	case "proposal":
		var p wire.Proposal
		read(p.Decode(b))
		return set.proposal(t, &p)
	case "ack":
		var a wire.Ack
		read(a.DecodeWith(b, format))
		return set.ack(t, &a)
	case "lock":
		var l wire.Lock
		read(l.Decode(b, format))
		return r.certificate(t, set.scheme, l.Subject(), l.Certificate)
	case "node":
		var n wire.Node
		read(n.Decode(b, format))
		p := n.Proposal()
		if holds := set.proposal(t, &p); !n.HasParent() || !holds {
			return holds
		}
		return r.certificate(t, set.scheme, n.ParentSubject(), n.Parent.Certificate)
	case "activity":
		a, err := wire.DecodeActivity(b, format)
		read(err)
		switch a := a.(type) {
		case *wire.Tip:
			return set.proposal(t, &a.Proposal)
		case *wire.Certified:
			return r.certificate(t, set.scheme, a.Lock.Subject(), a.Lock.Certificate)
		case *wire.Conflict:
			if a.Lock != nil {
				return set.proposal(t, &a.Proposal) && r.certificate(t, set.scheme, a.Lock.Subject(), a.Lock.Certificate)
			}
			return set.proposal(t, &a.Proposal) && set.proposal(t, &a.Other)
		case *wire.LockConflict:
			return r.certificate(t, set.scheme, a.First.Subject(), a.First.Certificate) &&
				r.certificate(t, set.scheme, a.Second.Subject(), a.Second.Certificate)
		case *wire.ConflictingAcks:
			return set.ack(t, &a.First) && set.ack(t, &a.Second)
		}
	}
	t.Fatalf("nothing to verify in a message of type %q", kind)
	return false
}

// proposal verifies a chunk signature by itself and in a batch.
func (s vectorSet) proposal(t *testing.T, p *wire.Proposal) bool {
	alone := s.chunks.Verify(p)
	batch := make([]bool, 2)
	s.chunks.VerifyBatch([]*wire.Proposal{p, p}, batch)
	if batch[0] != alone || batch[1] != alone {
		t.Errorf("a chunk signature verified alone: %t, in a batch: %t", alone, batch)
	}
	return alone
}

func (s vectorSet) ack(t *testing.T, a *wire.Ack) bool {
	err := verify.VerifyAck(s.scheme, a)
	if err != nil && !errors.Is(err, verify.ErrVote) {
		t.Errorf("error %v is not ErrVote", err)
	}
	return err == nil
}

// certificate verifies a certificate by itself, and keeps a valid one.
func (r *vectorRun) certificate(t *testing.T, s verify.Scheme, subject wire.Subject, certificate []byte) bool {
	err := verify.VerifyCertificate(s, subject, certificate)
	if err != nil {
		if !errors.Is(err, verify.ErrCertificate) {
			t.Errorf("error %v is not ErrCertificate", err)
		}
		return false
	}
	statement := verify.Statement{Scheme: s, Subject: subject, Certificate: certificate}
	c, err := s.Open(&statement)
	if err != nil {
		t.Fatal(err)
	}
	if again := c.AppendCertificate(nil); !bytes.Equal(again, certificate) {
		t.Errorf("opened and encoded again it is %x, want %x", again, certificate)
	}
	r.valid[s.Group()] = append(r.valid[s.Group()], opened{c, statement})
	return true
}

// together checks the valid certificates of a file in large batches: sets of all sizes, epochs and
// namespaces together. A certificate with another epoch makes its batch fail.
func (r *vectorRun) together(t *testing.T) {
	for _, all := range r.valid {
		for part := range slices.Chunk(all, 64) {
			s := part[0].statement.Scheme
			combinations := make([]verify.Combination, len(part))
			for i, o := range part {
				combinations[i] = o.Combination
			}
			if !s.Check(combinations) {
				t.Errorf("%d certificates, each valid by itself, do not verify together", len(part))
			}
			wrong := part[0].statement
			wrong.Subject.Epoch++
			c, err := s.Open(&wrong)
			if err != nil {
				t.Fatal(err)
			}
			combinations[0] = c
			if s.Check(combinations) {
				t.Errorf("%d certificates verify together, one of them of another epoch", len(part))
			}
		}
	}
}

// set builds the set of a case, or returns that of an earlier case.
func (r *vectorRun) set(c vectorCase) (vectorSet, error) {
	description, err := json.Marshal([]any{c.Scheme, c.Variant, c.Namespace, c.Participants, c.GroupPublic})
	if err != nil {
		return vectorSet{}, err
	}
	if s, ok := r.sets[string(description)]; ok {
		return s, nil
	}
	namespace, err := hex.DecodeString(c.Namespace)
	if err != nil {
		return vectorSet{}, err
	}
	s := vectorSet{chunks: verify.NewChunkVerifier(namespace)}
	if c.Scheme != "" {
		if s.scheme, err = newVectorScheme(c, namespace); err != nil {
			return vectorSet{}, err
		}
	}
	r.sets[string(description)] = s
	return s, nil
}

func newVectorScheme(c vectorCase, namespace []byte) (verify.Scheme, error) {
	o := verify.Config{Namespace: namespace}
	switch c.Variant {
	case "minsig", "":
		o.Variant = verify.MinSig
	case "minpk":
		o.Variant = verify.MinPk
	default:
		return nil, fmt.Errorf("unknown variant %q", c.Variant)
	}
	validators := make([]verify.Validator, len(c.Participants))
	proven := 0
	for i, p := range c.Participants {
		identity, err := hex.DecodeString(p.Identity)
		if err != nil || len(identity) != wire.PublicKeySize {
			return nil, fmt.Errorf("participant %d: identity %q", i, p.Identity)
		}
		validators[i].Identity = wire.PublicKey(identity)
		if validators[i].Key, err = hex.DecodeString(p.Public); err != nil {
			return nil, fmt.Errorf("participant %d: public: %w", i, err)
		}
		if validators[i].Proof, err = hex.DecodeString(p.Proof); err != nil {
			return nil, fmt.Errorf("participant %d: proof: %w", i, err)
		}
		if p.Proof != "" {
			proven++
		}
	}
	slices.SortFunc(validators, func(a, b verify.Validator) int { return a.Identity.Compare(b.Identity) })
	identities, keys := make([]wire.PublicKey, len(validators)), make([][]byte, len(validators))
	for i, v := range validators {
		identities[i], keys[i] = v.Identity, v.Key
	}
	switch c.Scheme {
	case "bls12381-multisig":
		if proven > 0 {
			return verify.NewMultisig(o, validators)
		}
		return verify.NewMultisigFromProvenKeys(o, validators)
	case "bls12381-threshold":
		group, err := hex.DecodeString(c.GroupPublic)
		if err != nil {
			return nil, fmt.Errorf("group_public: %w", err)
		}
		return verify.NewThreshold(o, identities, group, keys)
	case "ed25519":
		return verify.NewEd25519(namespace, identities)
	case "secp256r1":
		return verify.NewSecp256r1(namespace, validators)
	}
	return nil, fmt.Errorf("unknown scheme %q", c.Scheme)
}
