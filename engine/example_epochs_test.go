package engine_test

import (
	"context"
	"fmt"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// The sets of an epoch are added before it begins, and dropped when the engine no longer needs
// them.
func ExampleEpochs() {
	chunks, key := keys(1)
	scheme, signer := validators(chunks, key)
	sequencers := []wire.PublicKey{chunks.PublicKey()}
	epochs := engine.NewEpochs(7)
	fmt.Println(epochs.Add(7, scheme, signer, sequencers))
	fmt.Println(epochs.Add(8, scheme, signer, sequencers))
	fmt.Println(epochs.Advance(8))
	fmt.Println(epochs.Advance(9))
	fmt.Println("dropped", epochs.Retain([]uint64{8})) // the result of Engine.EpochsNeeded
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// engine: bad configuration: epoch must be one that has been added, got 9
	// dropped [7]
}

// A lock from another process is decoded with the formats of the schemes, and verified.
func ExampleFormats() {
	chunks, key := keys(2)
	scheme, signer := validators(chunks, key)
	epochs := must(engine.NewStaticEpochs(scheme, signer, []wire.PublicKey{chunks.PublicKey()}))

	// The other process: one ack is a quorum here.
	subject := wire.Subject{Chunk: wire.Chunk{Sequencer: chunks.PublicKey(), Height: 5}}
	ack := must(signer.SignAck(context.Background(), subject))
	signers := wire.NewSigners(1)
	signers.Add(0)
	sent := wire.Lock{Chunk: subject.Chunk, Certificate: wire.AppendSignersAndAggregate(nil, signers, ack)}
	message := sent.AppendTo(nil)

	var lock wire.Lock
	fmt.Println(lock.Decode(message, engine.Formats(epochs)))
	fmt.Println(lock.Chunk.Height, verify.VerifyCertificate(scheme, lock.Subject(), lock.Certificate))
	// Output:
	// <nil>
	// 5 <nil>
}
