package sim

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// underAttack returns a running network of seven processes, two of which send only the fuzzer's
// messages.
func underAttack(t testing.TB, scheme Scheme) *Network {
	n, err := New(Config{Seed: 1, Scheme: scheme, Processes: 7, Sequencers: 1, Byzantine: 2, Attacks: []Attack{Withhold}})
	if err == nil {
		err = n.Grow(2, 10*time.Second)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// FuzzDeliver makes hostile peers send arbitrary messages to running cores: pieces of the input,
// each after one byte for sender and kind and two for its length. All invariants hold, and the
// honest lane grows.
//
// Each input runs a whole network. Use -fuzzminimizetime 1x: minimizing one input takes a minute,
// in which about ten thousand others could run.
func FuzzDeliver(f *testing.F) {
	piece := func(dst []byte, head byte, message []byte) []byte {
		return append(binary.BigEndian.AppendUint16(append(dst, head), uint16(len(message))), message...)
	}
	for i, scheme := range KeyedSchemes {
		n := underAttack(f, scheme)
		m := n.colluders.members[0]
		node := n.colluders.node(m, 0)
		all := piece(nil, 0, node.AppendTo(nil))
		node.Signature[3] ^= 1
		all = piece(all, 0, node.AppendTo(nil))
		chunk, _ := n.colluders.target()
		for epoch := uint64(firstEpoch - 1); epoch <= firstEpoch+1; epoch++ {
			for up := range uint64(3) {
				c := chunk
				c.Height += up
				p, vote := n.colluders.vote(m, wire.Subject{Chunk: c, Epoch: epoch})
				ack := wire.Ack{Chunk: c, Epoch: epoch, Participant: p, Signature: vote}
				all = piece(all, 2, ack.AppendTo(nil))
				ack.Signature = n.roster.forge(vote, shifted, 0)
				all = piece(all, 2, ack.AppendTo(nil))
			}
		}
		for _, c := range n.colluders.seen {
			all = piece(all, byte(c.kind)<<1|1, c.message)
		}
		f.Add(uint8(i), all)
	}
	f.Fuzz(func(t *testing.T, scheme uint8, input []byte) {
		n := underAttack(t, KeyedSchemes[int(scheme)%len(KeyedSchemes)])
		for len(input) >= 3 {
			head, size := input[0], int(binary.BigEndian.Uint16(input[1:]))
			input = input[3:]
			message := input[:min(size, len(input))]
			input = input[len(message):]
			n.colluders.broadcast(n.colluders.members[head&1], messageKind(head>>1&1), message)
			if err := n.Run(time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		if err := n.Grow(2, 10*time.Second); err != nil {
			t.Fatal(err)
		}
	})
}
