package engine_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// TestAnEngineKeepsLittleOfAnyFlood floods a running engine with one kind of hostile
// message after the other and logs the cost per message. It checks that the memory kept for them
// stays within its bound, that no other peer is blamed, and that the engine still works.
func TestAnEngineKeepsLittleOfAnyFlood(t *testing.T) {
	skipUnderRaceDetector(t)
	poison.Switch(false) // it costs more than the measured work
	defer poison.Switch(true)
	set := newSet(t, testkit.Multisig, floodValidators, 1)
	lane := func(f *floodRig, i int, height uint64) wire.Chunk {
		return wire.Chunk{Sequencer: f.id(i % floodValidators), Height: height, Payload: floodPayload(1)}
	}
	garbage := func(i int) []byte {
		r := rand.New(rand.NewPCG(16, uint64(i)))
		b := make([]byte, r.IntN(300))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for _, kind := range []struct {
		name string
		make func(f *floodRig, i int) floodMessage
	}{
		{"garbage for acks", func(f *floodRig, i int) floodMessage { return floodMessage{f.peers[flooder], false, garbage(i)} }},
		{"garbage for nodes", func(f *floodRig, i int) floodMessage { return floodMessage{f.peers[flooder], true, garbage(i)} }},
		{"acks from a stranger", func(f *floodRig, i int) floodMessage {
			m := f.ack(flooder, lane(f, i, uint64(i)), 5, f.vote)
			m.from = f.alien
			return m
		}},
		{"acks in another's name", func(f *floodRig, i int) floodMessage {
			m := f.ack(flooder-1, lane(f, i, uint64(i)), 5, f.vote)
			m.from = f.peers[flooder]
			return m
		}},
		{"acks of unknown epochs", func(f *floodRig, i int) floodMessage { return f.ack(flooder, lane(f, i, 0), uint64(20+i), f.vote) }},
		{"acks of heights out of bounds", func(f *floodRig, i int) floodMessage {
			return f.ack(flooder, lane(f, i, 1<<40+uint64(i)), 5, f.vote)
		}},
		{"acks on lanes of no sequencer", func(f *floodRig, i int) floodMessage {
			c := lane(f, i, 0)
			binary.BigEndian.PutUint64(c.Sequencer[:], uint64(i))
			return f.ack(flooder, c, 5, f.vote)
		}},
		{"bad acks for every height and epoch", func(f *floodRig, i int) floodMessage {
			return f.ack(flooder, lane(f, i, uint64(i/floodValidators)), uint64(4+i%3), f.vote)
		}},
		{"bad acks that complete a quorum", func(f *floodRig, i int) floodMessage {
			// The other acks are like honest ones, and their cost is measured too.
			i %= 11 * 12
			c := lane(f, 1+i/11, 0)
			if i%11 == 10 {
				return f.ack(flooder, c, 5, f.vote)
			}
			return f.ack(1+i%11, c, 5, f.sign(1+i%11, wire.Subject{Chunk: c, Epoch: 5}))
		}},
		{"acks for ever other payloads", func(f *floodRig, i int) floodMessage {
			c := lane(f, 3, 0)
			c.Payload = floodPayload(i)
			return f.ack(flooder, c, 5, f.vote)
		}},
		{"one node again and again", func(f *floodRig, i int) floodMessage { return f.again }},
		{"nodes for ever other payloads", func(f *floodRig, i int) floodMessage { return f.node(0, i, nil) }},
		{"nodes signed wrongly", func(f *floodRig, i int) floodMessage {
			return f.node(uint64(i), i, func(n *wire.Node) { n.Signature[8] ^= 1 })
		}},
		{"nodes on bad certificates", func(f *floodRig, i int) floodMessage { return f.node(uint64(i)+1, i, nil) }},
		{"nodes on certificates of unknown epochs", func(f *floodRig, i int) floodMessage {
			return f.node(uint64(i)+1, i, func(n *wire.Node) { n.Parent.Epoch = 20 + uint64(i) })
		}},
		{"nodes of others", func(f *floodRig, i int) floodMessage {
			m := f.node(uint64(i), i, nil)
			m.from = f.peers[flooder-1]
			return m
		}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			f := newFloodRig(t, set)
			f.awaitVerified()
			size := floodSize()
			if kind.name == "bad acks that complete a quorum" {
				size = 11 * 12
			}
			const rounds = 10
			var cpu time.Duration
			var kept int64
			base := heapInUse()
			for round := range rounds {
				first := round * size / rounds
				messages := make([]floodMessage, (round+1)*size/rounds-first)
				inParallel(len(messages), func(i int) { messages[i] = kind.make(f, first+i) })
				began := cpuTime()
				for i := range messages {
					messages[i].hand(t)
				}
				f.awaitVerified()
				cpu += cpuTime() - began
				kept = max(kept, heapInUse()-base)
			}
			s := status(t, f.member.engine)
			t.Logf("%-40s %7.2f µs of CPU per message, %4d KiB kept, %d of them votes, %d suspects, %d statements, %d failed checks", kind.name,
				float64(cpu.Nanoseconds())/1e3/float64(size), kept>>10, s.VoteBytes>>10, s.Suspects, s.Counters.Statements, s.Counters.Splits)
			if kept > floodVoteBytes+floodSlack {
				t.Errorf("%d bytes are kept, at most %d allowed", kept, floodVoteBytes+floodSlack)
			}
			f.demandAlive()
		})
	}
}
