package engine_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// trusting is a scheme that accepts everything, so that only the engine's own work remains.
type trusting struct{ ids []wire.PublicKey }

type trusted struct{ certificate []byte }

func (t *trusting) Format() wire.Format {
	return wire.Format{Kind: wire.SignersAndAggregate, Participants: len(t.ids), Signature: 48, AckSignature: 48}
}
func (t *trusting) Participants() []wire.PublicKey { return t.ids }
func (t *trusting) Index(id wire.PublicKey) (wire.Participant, bool) {
	i := wire.Participant(id[0])<<8 | wire.Participant(id[1])
	return i, int(i) < len(t.ids)
}
func (t *trusting) Weights() verify.Weights { return verify.EqualWeights(len(t.ids)) }
func (t *trusting) Attributable() bool      { return true }
func (t *trusting) Group() any              { return nil }
func (t *trusting) Combine(_ *verify.Statement, signers wire.Signers) (verify.Combination, []wire.Participant) {
	return &trusted{wire.AppendSignersAndAggregate(make([]byte, 0, signers.Size()+48), signers, make([]byte, 48))}, nil
}
func (t *trusting) Open(s *verify.Statement) (verify.Combination, error) {
	return &trusted{s.Certificate}, nil
}
func (t *trusting) Check([]verify.Combination) bool                                 { return true }
func (t *trusting) InvalidVotes(*verify.Statement, wire.Signers) []wire.Participant { return nil }
func (t *trusting) Isolate(*verify.Statement, wire.Signers) []wire.Participant      { return nil }
func (c *trusted) AppendCertificate(dst []byte) []byte                              { return append(dst, c.certificate...) }

// ackRig is a follower that takes acks under a scheme that accepts everything.
type ackRig struct {
	*follower
	locks atomic.Int64   // number of locks reported
	tops  []atomic.Int64 // one more than the highest locked height, by lane

	at    wire.Chunk // the subject of the current ack …
	head  []byte     // … encoded
	tails [][]byte   // ends of every validator's ack: epoch, participant, signature
}

func (r *ackRig) Report(_ context.Context, a wire.Activity) error {
	chunk := &a.(*wire.Certified).Lock.Chunk
	r.tops[int(chunk.Sequencer[0])<<8|int(chunk.Sequencer[1])].Store(int64(chunk.Height) + 1)
	r.locks.Add(1)
	return nil
}

func newAckRig(tb testing.TB, validators, lanes, quota int) *ackRig {
	tb.Helper()
	r := &ackRig{tops: make([]atomic.Int64, lanes)}
	ids := make([]wire.PublicKey, validators)
	for i := range ids {
		ids[i] = wire.PublicKey{byte(i >> 8), byte(i), 1}
		a := wire.Ack{Participant: wire.Participant(i), Signature: make([]byte, 48)}
		r.tails = append(r.tails, a.AppendTo(nil)[a.Chunk.Size():])
	}
	r.follower = startFollower(tb, &trusting{ids}, laneKeys(lanes), r, func(c *engine.Config) {
		c.Identity = wire.PublicKey{0xFF, 0xFF} // not a validator
		c.MaxPeers, c.PeerQuota = validators, quota
	})
	return r
}

// backOff is the pause of the benchmark while there is no room: waiting must not use the CPU time
// that is measured.
const backOff = 50 * time.Microsecond

// deliver delivers one ack as a network does: in a pooled buffer into which it was read. It waits
// for room if necessary.
func (r *ackRig) deliver(lane int, height uint64, validator int) {
	if chunk := (wire.Chunk{Sequencer: r.lanes[lane], Height: height}); chunk != r.at || r.head == nil {
		r.at, r.head = chunk, chunk.AppendTo(r.head[:0])
	}
	for {
		b := wire.NewBuffer()
		b.Append(r.head)
		b.Append(r.tails[validator])
		err := r.peers[validator].DeliverAck(b)
		if err == nil {
			return
		}
		if !errors.Is(err, engine.ErrPeerFull) {
			r.t.Fatal(err)
		}
		time.Sleep(backOff)
	}
}

// awaitRead waits until the validator's messages have been taken in.
func (r *ackRig) awaitRead(validator int) {
	for r.peers[validator].Waiting() > 0 {
		runtime.Gosched()
	}
}

// await waits while the certificates of a lane lag: acks for higher chunks would be out of bounds.
func (r *ackRig) await(lane int, height uint64) {
	for began := time.Now(); int64(height) > r.tops[lane].Load()+12; time.Sleep(backOff) {
		if time.Since(began) > patience {
			r.t.Fatalf("lane %d does not grow above height %d", lane, r.tops[lane].Load())
		}
	}
}

func (r *ackRig) demandAccepted(acks uint64) {
	r.t.Helper()
	s, err := r.engine.Status(context.Background())
	if err != nil || s.Counters.AcksAccepted != acks {
		r.t.Fatalf("%d of %d acks were accepted, %v", s.Counters.AcksAccepted, acks, err)
	}
}
