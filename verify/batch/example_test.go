package batch_test

import (
	"context"
	"fmt"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/verify/batch"
	"github.com/lanecast/lanecast/wire"
)

// Four validators vote; one vote is invalid.
func ExampleVerifier() {
	namespace := []byte("example")
	set, err := testkit.New(testkit.Multisig, verify.MinSig, verify.Compressed, 4, namespace, 1)
	if err != nil {
		panic(err)
	}
	ready := make(chan struct{}, 1)
	verifier, err := batch.New(batch.Config{
		Workers:   2,
		BatchSize: 64,
		Chunks:    verify.NewChunkVerifier(namespace),
		Notify: func() {
			select {
			case ready <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		panic(err)
	}
	defer verifier.Close()

	format := set.Scheme.Format()
	s := &verify.Statement{
		Scheme:  set.Scheme,
		Subject: wire.Subject{Chunk: wire.Chunk{Height: 7}, Epoch: 1},
		Signers: wire.NewSigners(format.Participants),
		Slab:    make([]byte, format.Participants*format.AckSignature),
	}
	for i, signer := range set.Signers {
		vote, err := signer.SignAck(context.Background(), s.Subject)
		if err != nil {
			panic(err)
		}
		s.Signers.Add(wire.Participant(i))
		copy(s.Vote(wire.Participant(i)), vote)
	}
	copy(s.Vote(2), s.Vote(1))

	verifier.Submit(s)
	<-ready
	for _, v := range verifier.Verdicts(nil) {
		fmt.Println("certified:", v.CertificateValid, "invalid:", v.Invalid)
		fmt.Println(verify.VerifyCertificate(set.Scheme, s.Subject, v.Certificate))
	}
	// Output:
	// certified: true invalid: [2]
	// <nil>
}
