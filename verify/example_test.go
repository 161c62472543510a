package verify_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Four validators make a multisig set; three of them certify a chunk, and anyone verifies the certificate.
func ExampleNewMultisig() {
	options := verify.Config{
		Namespace:                []byte("example.net"),
		AllowVariableTimeSigning: true, // an example must run without cgo as well
	}
	// At home each validator makes its key and proves that it possesses it.
	var validators []verify.Validator
	var secrets []*verify.SecretKey
	for i := range byte(4) {
		identity := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{i}, 32)) // in earnest: ed25519.GenerateKey
		secret, err := verify.SecretKeyFromSeed(options.Variant, bytes.Repeat([]byte{i}, 32))
		if err != nil {
			fmt.Println(err)
			return
		}
		secrets = append(secrets, secret)
		validators = append(validators, verify.Validator{
			Identity: wire.PublicKey(identity.Public().(ed25519.PublicKey)),
			Key:      secret.PublicKey(),
			Proof:    secret.ProofOfPossession(options.Namespace),
		})
	}
	scheme, err := verify.NewMultisig(options, validators)
	if err != nil {
		fmt.Println(err)
		return
	}

	// Three of them sign. Their votes go to the places of their participants in a slab.
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
