package wire_test

import (
	"errors"
	"fmt"

	"github.com/lanecast/lanecast/wire"
)

// A node of height 1 links to the genesis chunk by that chunk's certificate. Decoding looks up the
// format of certificates of the parent's epoch; the decoded certificate is a view into the message.
func ExampleNode() {
	// Four validators whose certificates are a bitmap and one BLS signature in G1.
	formats := wire.SameFormat{Kind: wire.SignersAndAggregate, Participants: 4, Signature: 48, AckSignature: 48}

	signers := wire.NewSigners(4)
	for _, i := range []wire.Participant{0, 1, 3} {
		signers.Add(i)
	}
	node := wire.Node{
		Chunk:  wire.Chunk{Sequencer: wire.PublicKey{1}, Height: 1, Payload: wire.Digest{2}},
		Parent: wire.Parent{Epoch: 5, Certificate: wire.AppendSignersAndAggregate(nil, signers, make([]byte, 48))},
	}
	message := node.AppendTo(make([]byte, 0, node.Size()))
	fmt.Println(len(message), "bytes")

	var got wire.Node
	if err := got.Decode(message, formats); err != nil {
		fmt.Println(err)
		return
	}
	s, _, _ := wire.Format(formats).SplitCertificate(got.Parent.Certificate)
	fmt.Println("height", got.Chunk.Height, "on a parent of epoch", got.Parent.Epoch, "signed by", s.Count(), "of", s.Len())

	err := got.Decode(message[:100], formats)
	fmt.Println(err, errors.Is(err, wire.ErrTruncated))
	// Output:
	// 220 bytes
	// height 1 on a parent of epoch 5 signed by 3 of 4
	// wire: chunk signature: truncated true
}

func ExampleAck() {
	ack := wire.Ack{
		Chunk:       wire.Chunk{Sequencer: wire.PublicKey{1}, Height: 300, Payload: wire.Digest{2}},
		Epoch:       5,
		Participant: 3,
		Signature:   make([]byte, 48),
	}
	message := ack.AppendTo(nil)

	// An ack decodes before its epoch is known; the length of its signature is checked against the
	// epoch's format.
	var got wire.Ack
	if err := got.Decode(message); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("height", got.Chunk.Height, "epoch", got.Epoch, "participant", got.Participant)
	fmt.Println(got.CheckSize(wire.Format{Kind: wire.SingleSignature, Participants: 4, Signature: 96, AckSignature: 96}))
	// Output:
	// height 300 epoch 5 participant 3
	// wire: ack signature: wrong signature length
}

// A buffer has one owner. Here the network side fills one and passes it on; the receiver, its last
// owner, releases it.
func ExampleBuffer() {
	inbox := make(chan wire.Buffer, 1)

	buf := wire.CopyBuffer([]byte("a message")) // owned here
	inbox <- buf                                // from now on owned by the receiver

	received := <-inbox
	fmt.Printf("%s\n", received.Bytes())
	received.Release()

	// A handle kept by mistake does not reach another message's bytes.
	defer func() { fmt.Println("panic:", recover()) }()
	buf.Bytes()
	// Output:
	// a message
	// panic: wire: buffer used after its release
}
