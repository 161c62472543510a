package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// floodVariable says of how many messages a flood is: LANECAST_FLOOD=1000000 go test ./engine -run Flood -v.
const floodVariable = "LANECAST_FLOOD"

func floodSize() int {
	if n, err := strconv.Atoi(os.Getenv(floodVariable)); err == nil {
		return n
	}
	return 10_000
}

const (
	floodValidators = 16
	floodVoteBytes  = 1 << 20
	// floodSlack is what an engine may keep beyond the acks that wait: reports, tables, buffers that are reused.
	floodSlack = 512 << 10
)

// inundation is a running engine, validator 0 of a real set, and one hostile peer, the last validator and a sequencer
// too.
type inundation struct {
	t      *testing.T
	set    *testkit.Set
	member *member
	peers  []*engine.Peer // by participant; of validator 0 there is none
	alien  *engine.Peer   // of a stranger
	vote   []byte         // a good point, and no good vote on anything that is sent

	mu     sync.Mutex
	locks  map[wire.Chunk]bool
	blamed map[wire.PublicKey]int
}

const flooder = floodValidators - 1

func newInundation(t *testing.T, set *testkit.Set) *inundation {
	net := &network{handles: map[[2]wire.PublicKey]*engine.Peer{}}
	f := &inundation{t: t, set: set, locks: map[wire.Chunk]bool{}, blamed: map[wire.PublicKey]int{}}
	f.member = newMember(t, net, oneEpoch(set), set, 0)
	c := &f.member.config
	c.MaxVoteBytes, c.HeightBound, c.PeerQuota, c.MaxPeers, c.Reporter = floodVoteBytes, 1<<20, 1024, 32, f
	f.member.monitor.now = 5
	f.member.open(t, net)
	for i := range floodValidators {
		p := (*engine.Peer)(nil)
		if i > 0 {
			p = f.peer(f.id(i))
		}
		f.peers = append(f.peers, p)
	}
	f.alien = f.peer(wire.PublicKey{7})
	f.vote = f.sign(flooder, wire.Subject{Epoch: 99})
	f.member.start()
	return f
}

func (f *inundation) peer(id wire.PublicKey) *engine.Peer {
	p, err := f.member.engine.Peer(id)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f *inundation) id(i int) wire.PublicKey { return f.set.Scheme.Participants()[i] }

func (f *inundation) sign(i int, s wire.Subject) []byte {
	vote, err := f.set.Signers[i].SignAck(f.t.Context(), s)
	if err != nil {
		f.t.Fatal(err)
	}
	return vote
}

// Report notes the locks, and whom it blames for what; nothing that would count as kept.
func (f *inundation) Report(_ context.Context, a wire.Activity) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch a := a.(type) {
	case *wire.Certified:
		f.locks[a.Lock.Chunk] = true
	case *wire.InvalidAck:
		f.blamed[a.Peer]++
	case *wire.InvalidNode:
		f.blamed[a.Peer]++
	case *wire.Conflict:
		f.blamed[a.Proposal.Chunk.Sequencer]++
	case *wire.ConflictingAcks:
		f.blamed[f.id(int(a.First.Participant))]++
	}
	return nil
}

// floodMessage is one message, ready to be handed over.
type floodMessage struct {
	from  *engine.Peer
	node  bool
	bytes []byte
}

func (m *floodMessage) hand(t *testing.T) {
	for {
		var err error
		if m.node {
			err = m.from.DeliverNodeBytes(m.bytes)
		} else {
			err = m.from.DeliverAckBytes(m.bytes)
		}
		if err == nil {
			return
		}
		if !errors.Is(err, engine.ErrPeerFull) {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
}

// settle waits until all that was handed over has been read, and all that came of it been verified.
func (f *inundation) settle() {
	eventually(f.t, "the flood has been taken in", func() bool {
		for _, p := range append(f.peers[1:floodValidators:floodValidators], f.alien) {
			if p.Waiting() > 0 {
				return false
			}
		}
		return status(f.t, f.member.engine).Statements == 0
	})
}

func (f *inundation) ack(from int, c wire.Chunk, epoch uint64, vote []byte) floodMessage {
	a := wire.Ack{Chunk: c, Epoch: epoch, Participant: wire.Participant(from), Signature: vote}
	return floodMessage{f.peers[from], false, a.AppendTo(nil)}
}

func floodPayload(i int) (d wire.Digest) {
	binary.BigEndian.PutUint64(d[:], uint64(i))
	return d
}

// node is one of the flooder's lane, signed; change may alter it before that.
func (f *inundation) node(height uint64, payload int, change func(*wire.Node)) floodMessage {
	n := wire.Node{Chunk: wire.Chunk{Sequencer: f.id(flooder), Height: height, Payload: floodPayload(payload)}}
	if height > 0 {
		signers := wire.NewSigners(floodValidators)
		for i := range verify.Quorum(floodValidators) {
			signers.Add(wire.Participant(i))
		}
		n.Parent = wire.Parent{Payload: floodPayload(payload), Epoch: 5, Certificate: wire.AppendSignersAndAggregate(nil, signers, f.vote)}
	}
	var err error
	if n.Signature, err = f.set.ChunkSigners[flooder].SignChunk(f.t.Context(), n.Chunk); err != nil {
		f.t.Fatal(err)
	}
	if change != nil {
		change(&n)
	}
	return floodMessage{f.peers[flooder], true, n.AppendTo(nil)}
}

// TestWhateverAPeerFloodsAnEngineWithItKeepsLittle floods a running engine with one kind of hostile message after the
// other, logs what one costs, and demands that what is kept of them stays within its bound, that nobody else is blamed,
// and that the engine goes on.
func TestWhateverAPeerFloodsAnEngineWithItKeepsLittle(t *testing.T) {
	skipUnderRaceDetector(t)
	poison.Switch(false) // it costs more than what is measured
	defer poison.Switch(true)
	r := rand.New(rand.NewPCG(16, 16))
	set := newSet(t, testkit.Multisig, floodValidators, 1)
	lane := func(f *inundation, i int, height uint64) wire.Chunk {
		return wire.Chunk{Sequencer: f.id(i % floodValidators), Height: height, Payload: floodPayload(1)}
	}
	garbage := func() []byte {
		b := make([]byte, r.IntN(300))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for _, kind := range []struct {
		name string
		make func(f *inundation, i int) floodMessage
	}{
		{"garbage for acks", func(f *inundation, i int) floodMessage { return floodMessage{f.peers[flooder], false, garbage()} }},
		{"garbage for nodes", func(f *inundation, i int) floodMessage { return floodMessage{f.peers[flooder], true, garbage()} }},
		{"acks from a stranger", func(f *inundation, i int) floodMessage {
			m := f.ack(flooder, lane(f, i, uint64(i)), 5, f.vote)
			m.from = f.alien
			return m
		}},
		{"acks in another's name", func(f *inundation, i int) floodMessage {
			m := f.ack(flooder-1, lane(f, i, uint64(i)), 5, f.vote)
			m.from = f.peers[flooder]
			return m
		}},
		{"acks of unknown epochs", func(f *inundation, i int) floodMessage { return f.ack(flooder, lane(f, i, 0), uint64(20+i), f.vote) }},
		{"acks of heights out of bounds", func(f *inundation, i int) floodMessage {
			return f.ack(flooder, lane(f, i, 1<<40+uint64(i)), 5, f.vote)
		}},
		{"acks on lanes of no sequencer", func(f *inundation, i int) floodMessage {
			c := lane(f, i, 0)
			binary.BigEndian.PutUint64(c.Sequencer[:], uint64(i))
			return f.ack(flooder, c, 5, f.vote)
		}},
		{"bad acks for every height and epoch", func(f *inundation, i int) floodMessage {
			return f.ack(flooder, lane(f, i, uint64(i/floodValidators)), uint64(4+i%3), f.vote)
		}},
		{"bad acks that complete a quorum", func(f *inundation, i int) floodMessage {
			// The others' acks are as good as honest ones, and part of what is measured.
			i %= 11 * 12
			c := lane(f, 1+i/11, 0)
			if i%11 == 10 {
				return f.ack(flooder, c, 5, f.vote)
			}
			return f.ack(1+i%11, c, 5, f.sign(1+i%11, wire.Subject{Chunk: c, Epoch: 5}))
		}},
		{"acks for ever other payloads", func(f *inundation, i int) floodMessage {
			c := lane(f, 3, 0)
			c.Payload = floodPayload(i)
			return f.ack(flooder, c, 5, f.vote)
		}},
		{"one node again and again", func(f *inundation, i int) floodMessage { return f.node(0, 1, nil) }},
		{"nodes for ever other payloads", func(f *inundation, i int) floodMessage { return f.node(0, i, nil) }},
		{"nodes signed wrongly", func(f *inundation, i int) floodMessage {
			return f.node(uint64(i), i, func(n *wire.Node) { n.Signature[8] ^= 1 })
		}},
		{"nodes on bad certificates", func(f *inundation, i int) floodMessage { return f.node(uint64(i)+1, i, nil) }},
		{"nodes on certificates of unknown epochs", func(f *inundation, i int) floodMessage {
			return f.node(uint64(i)+1, i, func(n *wire.Node) { n.Parent.Epoch = 20 + uint64(i) })
		}},
		{"nodes of others", func(f *inundation, i int) floodMessage {
			m := f.node(uint64(i), i, nil)
			m.from = f.peers[flooder-1]
			return m
		}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			f := newInundation(t, set)
			f.settle()
			size := floodSize()
			if kind.name == "bad acks that complete a quorum" {
				size = 11 * 12
			}
			const waves = 10
			var cpu time.Duration
			var kept int64
			base := heapInUse()
			for wave := range waves {
				var messages []floodMessage
				for i := wave * size / waves; i < (wave+1)*size/waves; i++ {
					messages = append(messages, kind.make(f, i))
				}
				began := cpuTime()
				for i := range messages {
					messages[i].hand(t)
				}
				f.settle()
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

// heapInUse is what the process keeps, garbage not counted.
func heapInUse() int64 {
	for range 3 { // pools give back what they hold with the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// demandAlive demands that a chunk of an honest lane is certified now, and nobody honest blamed.
func (f *inundation) demandAlive() {
	f.t.Helper()
	c := wire.Chunk{Sequencer: f.id(1), Height: 1, Payload: floodPayload(1 << 40)}
	for i := 1; i <= verify.Quorum(floodValidators); i++ {
		m := f.ack(i, c, 5, f.sign(i, wire.Subject{Chunk: c, Epoch: 5}))
		m.hand(f.t)
	}
	eventually(f.t, "a chunk is certified", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.locks[c]
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	guilty := []wire.PublicKey{f.id(flooder), f.alien.Identity()}
	for id, n := range f.blamed {
		if !slices.Contains(guilty, id) {
			f.t.Errorf("%v, which is honest, was blamed %d times", id, n)
		}
	}
}
