package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// floodVariable names the variable with the number of messages of a flood: LANECAST_FLOOD=1000000
// go test ./engine -run Flood -v.
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
	// floodSlack bounds the memory of an engine besides the acks that wait: reports, tables, reused
	// buffers.
	floodSlack = 512 << 10
)

// floodRig is a running engine, validator 0 of a real set, and one hostile peer, the last validator
// and a sequencer too.
type floodRig struct {
	t      *testing.T
	set    *testkit.Set
	member *member
	peers  []*engine.Peer // by participant; none of validator 0
	alien  *engine.Peer   // of a stranger
	again  floodMessage   // a node of the flooder's
	vote   []byte         // a valid point, but no valid vote for anything that is sent

	mu     sync.Mutex
	locks  map[wire.Chunk]bool
	blamed map[wire.PublicKey]int
}

const flooder = floodValidators - 1

func newFloodRig(t *testing.T, set *testkit.Set) *floodRig {
	net := &network{handles: map[[2]wire.PublicKey]*engine.Peer{}}
	f := &floodRig{t: t, set: set, locks: map[wire.Chunk]bool{}, blamed: map[wire.PublicKey]int{}}
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
	f.again = f.node(0, 1, nil)
	f.member.start()
	return f
}

func (f *floodRig) peer(id wire.PublicKey) *engine.Peer {
	p, err := f.member.engine.Peer(id)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f *floodRig) id(i int) wire.PublicKey { return f.set.Scheme.Participants()[i] }

func (f *floodRig) sign(i int, s wire.Subject) []byte {
	vote, err := f.set.Signers[i].SignAck(f.t.Context(), s)
	if err != nil {
		f.t.Error(err)
	}
	return vote
}

// Report records the locks, and how often each peer was blamed, in memory that does not grow.
func (f *floodRig) Report(_ context.Context, a wire.Activity) error {
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

// awaitVerified waits until all delivered messages have been read and all resulting statements
// verified.
func (f *floodRig) awaitVerified() {
	eventually(f.t, "the flood has been taken in", func() bool {
		for _, p := range append(f.peers[1:floodValidators:floodValidators], f.alien) {
			if p.Waiting() > 0 {
				return false
			}
		}
		return status(f.t, f.member.engine).Statements == 0
	})
}

func (f *floodRig) ack(from int, c wire.Chunk, epoch uint64, vote []byte) floodMessage {
	a := wire.Ack{Chunk: c, Epoch: epoch, Participant: wire.Participant(from), Signature: vote}
	return floodMessage{f.peers[from], false, a.AppendTo(nil)}
}

func floodPayload(i int) (d wire.Digest) {
	binary.BigEndian.PutUint64(d[:], uint64(i))
	return d
}

// node returns a signed node of the flooder's lane; change may alter it before it is signed.
func (f *floodRig) node(height uint64, payload int, change func(*wire.Node)) floodMessage {
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
		f.t.Error(err)
	}
	if change != nil {
		change(&n)
	}
	return floodMessage{f.peers[flooder], true, n.AppendTo(nil)}
}

// heapInUse returns the bytes that the process uses, without garbage.
func heapInUse() int64 {
	for range 3 { // pools release their contents with the second run
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// demandAlive checks that a chunk of an honest lane is certified now, and that no honest peer is
// blamed.
func (f *floodRig) demandAlive() {
	f.t.Helper()
	c := wire.Chunk{Sequencer: f.id(1), Height: 1, Payload: floodPayload(1 << 30)}
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

// inParallel calls do for every i below n, on all processors.
func inParallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				do(i)
			}
		})
	}
	wg.Wait()
}
