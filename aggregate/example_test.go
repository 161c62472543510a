package aggregate_test

import (
	"context"
	"fmt"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Three of four validators vote. The third makes a quorum, whose statement is verified and becomes
// a certificate.
func Example() {
	namespace := []byte("example.net")
	set, err := testkit.New(testkit.Multisig, verify.MinSig, verify.Compressed, 4, namespace, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	votes := aggregate.New(aggregate.Config{MaxBytes: 1 << 20})
	votes.SetBounds(1, 1)
	validators := votes.Set(1, set.Scheme)
	chunk := wire.Chunk{Sequencer: testkit.Identity(set.Identities[0]), Height: 7}
	lane := votes.Lane(chunk.Sequencer)
	for i, signer := range set.Signers[:3] {
		subject := wire.Subject{Chunk: chunk, Epoch: 1}
		signature, err := signer.SignAck(context.Background(), subject)
		if err != nil {
			fmt.Println(err)
			return
		}
		ack := wire.Ack{Chunk: chunk, Epoch: 1, Participant: wire.Participant(i), Signature: signature}
		fmt.Println("quorate:", lane.Add(&ack, validators, false) == aggregate.Quorate)
	}
	for _, statement := range votes.Next(0) {
		verdict := model.Decide(&statement.Statement, nil) // package verify/batch decides many
		r := votes.Resolve(0, statement, verdict)
		lane.Certify(aggregate.Certificate{Lock: r.Lock})
	}
	height, certified := lane.Highest()
	fmt.Println(height, certified)
	// Output:
	// quorate: false
	// quorate: false
	// quorate: true
	// 7 true
}
