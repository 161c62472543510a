package sim

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// besieged is a network of seven in the middle of its work, two of whose processes do nothing but what the fuzzer has
// them send.
func besieged(t testing.TB, scheme Scheme) *Network {
	n, err := New(Config{Seed: 1, Scheme: scheme, Processes: 7, Sequencers: 1, Byzantine: 2, Attacks: []Attack{Withhold}})
	if err == nil {
		err = n.Grow(2, 10*time.Second)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// FuzzDeliver has hostile peers send arbitrary messages to live cores: pieces of the input, each behind one byte for
// sender and kind and two for its length. Whatever they are, all invariants hold, and the honest lane grows.
//
// An input is a whole network. Run it with -fuzzminimizetime 1x: to make one input small takes a minute, in which some
// ten thousand others could be tried.
func FuzzDeliver(f *testing.F) {
	piece := func(dst []byte, head byte, message []byte) []byte {
		return append(binary.BigEndian.AppendUint16(append(dst, head), uint16(len(message))), message...)
	}
	for i, scheme := range KeyedSchemes {
		n := besieged(f, scheme)
		m := n.cabal.members[0]
		node := n.cabal.node(m, 0)
		all := piece(nil, 0, node.AppendTo(nil))
		node.Signature[3] ^= 1
		all = piece(all, 0, node.AppendTo(nil))
		chunk, _ := n.cabal.target()
		for epoch := uint64(firstEpoch - 1); epoch <= firstEpoch+1; epoch++ {
			for up := range uint64(3) {
				c := chunk
				c.Height += up
				p, vote := n.cabal.vote(m, wire.Subject{Chunk: c, Epoch: epoch})
				ack := wire.Ack{Chunk: c, Epoch: epoch, Participant: p, Signature: vote}
				all = piece(all, 2, ack.AppendTo(nil))
				ack.Signature = n.world.forge(vote, shifted, 0)
				all = piece(all, 2, ack.AppendTo(nil))
			}
		}
		for _, c := range n.cabal.seen {
			all = piece(all, byte(c.kind)<<1|1, c.message)
		}
		f.Add(uint8(i), all)
	}
	f.Fuzz(func(t *testing.T, scheme uint8, input []byte) {
		n := besieged(t, KeyedSchemes[int(scheme)%len(KeyedSchemes)])
		for len(input) >= 3 {
			head, size := input[0], int(binary.BigEndian.Uint16(input[1:]))
			input = input[3:]
			message := input[:min(size, len(input))]
			input = input[len(message):]
			n.cabal.broadcast(n.cabal.members[head&1], messageKind(head>>1&1), message)
			if err := n.Run(time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		if err := n.Grow(2, 10*time.Second); err != nil {
			t.Fatal(err)
		}
	})
}
