package verify_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Four validators form a multisig set. Three of them certify a chunk, and anyone can verify the
// certificate.
func ExampleNewMultisig() {
	config := verify.Config{
		Namespace:                []byte("example.net"),
		AllowVariableTimeSigning: true, // an example must run without cgo as well
	}
	// Each validator makes its key and proves that it possesses it.
	var validators []verify.Validator
	var secrets []*verify.SecretKey
	for i := range byte(4) {
		// Outside of examples: ed25519.GenerateKey and verify.GenerateSecretKey.
		identity := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{i}, 32))
		secret, err := verify.SecretKeyFromSeed(config.Variant, bytes.Repeat([]byte{i}, 32))
		if err != nil {
			fmt.Println(err)
			return
		}
		secrets = append(secrets, secret)
		validators = append(validators, verify.Validator{
			Identity: wire.PublicKey(identity.Public().(ed25519.PublicKey)),
			Key:      secret.PublicKey(),
			Proof:    secret.ProofOfPossession(config.Namespace),
		})
	}
	scheme, err := verify.NewMultisig(config, validators)
	if err != nil {
		fmt.Println(err)
		return
	}

	// Three of them sign. Their votes are stored at the places of their participants in a slab.
	size := scheme.Format().AckSignature
	s := &verify.Statement{
		Scheme:  scheme,
		Subject: wire.Subject{Chunk: wire.Chunk{Height: 7, Payload: wire.Digest{1}}, Epoch: 1},
		Signers: wire.NewSigners(4),
		Slab:    make([]byte, 4*size),
	}
	for i, secret := range secrets[:3] {
		signer, err := scheme.Signer(secret)
		if err != nil {
			fmt.Println(err)
			return
		}
		vote, err := signer.SignAck(context.Background(), s.Subject)
		if err != nil {
			fmt.Println(err)
			return
		}
		participant, _ := scheme.Index(validators[i].Identity)
		s.Signers.Add(participant)
		copy(s.Vote(participant), vote)
	}

	// Unverified votes are combined, and the combination is verified.
	combination, unreadable := scheme.Combine(s, s.Signers)
	if combination == nil || !scheme.Check([]verify.Combination{combination}) {
		fmt.Println("invalid votes:", append(unreadable, scheme.Isolate(s, s.Signers)...))
		return
	}
	certificate := combination.AppendCertificate(nil)
	fmt.Println(len(certificate), "bytes, valid:", verify.VerifyCertificate(scheme, s.Subject, certificate) == nil)
	other := s.Subject
	other.Epoch++
	fmt.Println(verify.VerifyCertificate(scheme, other, certificate))
	// Output:
	// 57 bytes, valid: true
	// verify: invalid certificate: its signature does not verify
}

// exampleSequencer signs the chunks of these examples.
var exampleSequencer = verify.NewChunkSigner([]byte("example.net"), testkit.Identities(1, 2)[0])

// exampleSubject is the subject that the validators of these examples certify.
var exampleSubject = wire.Subject{
	Chunk: wire.Chunk{Sequencer: exampleSequencer.PublicKey(), Height: 7, Payload: wire.Digest{1}},
	Epoch: 1,
}

// exampleCertificate makes a certificate from the votes of participants 0, 1, 2 and so on.
func exampleCertificate(scheme verify.Scheme, signers []verify.AckSigner) ([]byte, error) {
	format := scheme.Format()
	s := &verify.Statement{
		Scheme: scheme, Subject: exampleSubject,
		Signers: wire.NewSigners(format.Participants),
		Slab:    make([]byte, format.Participants*format.AckSignature),
	}
	for i, signer := range signers {
		vote, err := signer.SignAck(context.Background(), s.Subject)
		if err != nil {
			return nil, err
		}
		s.Signers.Add(wire.Participant(i))
		copy(s.Vote(wire.Participant(i)), vote)
	}
	combination, _ := scheme.Combine(s, s.Signers)
	if combination == nil || !scheme.Check([]verify.Combination{combination}) {
		return nil, verify.ErrVote
	}
	return combination.AppendCertificate(nil), nil
}

// A threshold set is built from the outcome of a distributed key generation. Whichever quorum
// signs, the certificate is the same.
func ExampleNewThreshold() {
	config := verify.Config{Namespace: []byte("example.net"), AllowVariableTimeSigning: true}
	var identities []wire.PublicKey
	for _, key := range testkit.Identities(4, 1) {
		identities = append(identities, testkit.Identity(key))
	}
	keys, err := testkit.Deal(config.Variant, 4, nil) // in place of the key generation
	if err != nil {
		fmt.Println(err)
		return
	}
	scheme, err := verify.NewThreshold(config, identities, keys.GroupKey, keys.ShareKeys)
	if err != nil {
		fmt.Println(err)
		return
	}
	var signers []verify.AckSigner
	for _, share := range keys.Shares[:3] { // each validator has its own share only
		signer, err := scheme.Signer(share)
		if err != nil {
			fmt.Println(err)
			return
		}
		signers = append(signers, signer)
	}
	certificate, err := exampleCertificate(scheme, signers)
	fmt.Println(len(certificate), "bytes,", err)
	fmt.Println(verify.VerifyCertificate(scheme, exampleSubject, certificate))
	// Output:
	// 48 bytes, <nil>
	// <nil>
}

// In an Ed25519 set the validators sign with their identity keys.
func ExampleNewEd25519() {
	keys := testkit.Identities(4, 1) // in ascending order of the public keys, so by participant
	var identities []wire.PublicKey
	for _, key := range keys {
		identities = append(identities, testkit.Identity(key))
	}
	scheme, err := verify.NewEd25519([]byte("example.net"), identities)
	if err != nil {
		fmt.Println(err)
		return
	}
	var signers []verify.AckSigner
	for _, key := range keys[:3] {
		signer, err := scheme.Signer(key)
		if err != nil {
			fmt.Println(err)
			return
		}
		signers = append(signers, signer)
	}
	certificate, err := exampleCertificate(scheme, signers)
	fmt.Println(len(certificate), "bytes,", err)
	fmt.Println(verify.VerifyCertificate(scheme, exampleSubject, certificate))
	// Output:
	// 202 bytes, <nil>
	// <nil>
}

// In a secp256r1 set each validator has a key of P-256 beside its identity.
func ExampleNewSecp256r1() {
	var validators []verify.Validator
	var keys []*ecdsa.PrivateKey
	for _, identity := range testkit.Identities(4, 1) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			fmt.Println(err)
			return
		}
		whole, err := key.PublicKey.Bytes() // 0x04 ‖ x ‖ y
		if err != nil {
			fmt.Println(err)
			return
		}
		compressed := append([]byte{2 + whole[64]&1}, whole[1:33]...)
		validators = append(validators, verify.Validator{Identity: testkit.Identity(identity), Key: compressed})
		keys = append(keys, key)
	}
	scheme, err := verify.NewSecp256r1([]byte("example.net"), validators)
	if err != nil {
		fmt.Println(err)
		return
	}
	var signers []verify.AckSigner
	for _, key := range keys[:3] {
		signer, err := scheme.Signer(key)
		if err != nil {
			fmt.Println(err)
			return
		}
		signers = append(signers, signer)
	}
	certificate, err := exampleCertificate(scheme, signers)
	fmt.Println(len(certificate), "bytes,", err)
	fmt.Println(verify.VerifyCertificate(scheme, exampleSubject, certificate))
	// Output:
	// 202 bytes, <nil>
	// <nil>
}

// A certificate is verified with the scheme of its epoch and its subject. The error names the
// fault.
func ExampleVerifyCertificate() {
	set, err := testkit.New(testkit.Multisig, verify.MinSig, verify.Compressed, 4, []byte("example.net"), 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	certificate, err := exampleCertificate(set.Scheme, set.Signers[:3])
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(verify.VerifyCertificate(set.Scheme, exampleSubject, certificate))
	otherEpoch := exampleSubject
	otherEpoch.Epoch++
	err = verify.VerifyCertificate(set.Scheme, otherEpoch, certificate)
	fmt.Println(errors.Is(err, verify.ErrCertificate), err)
	err = verify.VerifyCertificate(set.Scheme, exampleSubject, certificate[1:])
	fmt.Println(errors.Is(err, verify.ErrCertificate))
	// Output:
	// <nil>
	// true verify: invalid certificate: its signature does not verify
	// true
}

// A program without an engine verifies a node that it received: the sequencer's signature, and the
// certificate of the chunk below.
func ExampleVerifyNode() {
	namespace := []byte("example.net")
	set, err := testkit.New(testkit.Multisig, verify.MinSig, verify.Compressed, 4, namespace, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	certificate, err := exampleCertificate(set.Scheme, set.Signers[:3]) // of height 7, in epoch 1
	if err != nil {
		fmt.Println(err)
		return
	}
	below := exampleSubject.Chunk
	node := &wire.Node{
		Chunk:  wire.Chunk{Sequencer: below.Sequencer, Height: below.Height + 1, Payload: wire.Digest{2}},
		Parent: wire.Parent{Payload: below.Payload, Epoch: exampleSubject.Epoch, Certificate: certificate},
	}
	node.Signature, err = exampleSequencer.SignChunk(context.Background(), node.Chunk)
	if err != nil {
		fmt.Println(err)
		return
	}

	chunks := verify.NewChunkVerifier(namespace)
	schemes := func(epoch uint64) (verify.Scheme, bool) { return set.Scheme, epoch == exampleSubject.Epoch }
	fmt.Println(verify.VerifyNode(chunks, schemes, node))
	node.Parent.Payload[0]++
	fmt.Println(verify.VerifyNode(chunks, schemes, node))
	// Output:
	// <nil>
	// verify: invalid certificate: its signature does not verify
}

// deviceSigner is an embedder's own AckSigner for an Ed25519 set. The secret key is in a device,
// which signs the bytes that it receives.
type deviceSigner struct {
	namespace []byte
	sign      func(ctx context.Context, message []byte) ([]byte, error)
}

// SignAck signs the bytes that package verify documents: u(namespace‖"_ACK", chunk ‖ varint epoch).
func (d *deviceSigner) SignAck(ctx context.Context, subject wire.Subject) ([]byte, error) {
	domain := append(bytes.Clone(d.namespace), "_ACK"...)
	message := append(wire.AppendUvarint(nil, uint64(len(domain))), domain...)
	signature, err := d.sign(ctx, subject.AppendTo(message))
	if err != nil {
		return nil, fmt.Errorf("signing an ack with the device: %w", err)
	}
	return signature, nil
}

// An embedder whose key is in a device implements AckSigner.
func ExampleAckSigner() {
	namespace := []byte("example.net")
	set, err := testkit.New(testkit.Ed25519, 0, 0, 4, namespace, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	var signer verify.AckSigner = &deviceSigner{namespace, func(_ context.Context, message []byte) ([]byte, error) {
		return ed25519.Sign(set.Identities[2], message), nil // the device does this
	}}
	vote, err := signer.SignAck(context.Background(), exampleSubject)
	if err != nil {
		fmt.Println(err)
		return
	}
	ack := &wire.Ack{Chunk: exampleSubject.Chunk, Epoch: exampleSubject.Epoch, Participant: 2, Signature: vote}
	fmt.Println(verify.VerifyAck(set.Scheme, ack))
	// Output:
	// <nil>
}
