package engine_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// trusting is a scheme that accepts everything: what is left is the engine's own work.
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
func (t *trusting) Attributable() bool { return true }
func (t *trusting) Group() any         { return nil }
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

// target is a running engine that takes acks, with a handle for each of its validators.
type target struct {
	tb    testing.TB
	e     *engine.Engine
	peers []*engine.Peer
	lanes []wire.PublicKey
	locks atomic.Int64   // reported
	tops  []atomic.Int64 // one more than the highest locked height, by lane

	at    wire.Chunk // what the ack at hand is about …
	head  []byte     // … encoded
	tails [][]byte   // of every validator's ack: epoch, participant, signature
}

func (t *target) Report(_ context.Context, a wire.Activity) error {
	chunk := &a.(*wire.Certified).Lock.Chunk
	t.tops[int(chunk.Sequencer[0])<<8|int(chunk.Sequencer[1])].Store(int64(chunk.Height) + 1)
	t.locks.Add(1)
	return nil
}
func (t *target) Epochs(context.Context) (uint64, <-chan uint64, error) { return 0, nil, nil }

type trustingWorld struct {
	scheme *trusting
	lanes  []wire.PublicKey
}

func (w *trustingWorld) Scheme(epoch uint64) (verify.Scheme, bool)        { return w.scheme, epoch < 2 }
func (w *trustingWorld) AckSigner(uint64) verify.AckSigner                { return nil }
func (w *trustingWorld) Sequencers(epoch uint64) ([]wire.PublicKey, bool) { return w.lanes, epoch < 2 }

func newTarget(tb testing.TB, validators, lanes, quota int) *target {
	t := &target{tb: tb, tops: make([]atomic.Int64, lanes)}
	ids := make([]wire.PublicKey, validators)
	for i := range ids {
		ids[i] = wire.PublicKey{byte(i >> 8), byte(i), 1}
		a := wire.Ack{Participant: wire.Participant(i), Signature: make([]byte, 48)}
		t.tails = append(t.tails, a.AppendTo(nil)[a.Chunk.Size():])
	}
	for i := range lanes {
		t.lanes = append(t.lanes, wire.PublicKey{byte(i >> 8), byte(i), 2})
	}
	w := &trustingWorld{&trusting{ids}, t.lanes}
	e, err := engine.New(engine.Config{
		Identity: wire.PublicKey{0xFF, 0xFF}, // no validator's
		Schemes:  w, Sequencers: w, Monitor: t, Automaton: &application{}, Reporter: t, Sender: unusable{tb},
		Journal: engine.JournalConfig{Dir: tb.TempDir(), Create: true}, MaxPeers: validators, MaxVoteBytes: 1 << 30, PeerQuota: quota,
	})
	if err != nil {
		tb.Fatal(err)
	}
	t.e = e
	for _, id := range ids {
		p, err := e.Peer(id)
		if err != nil {
			tb.Fatal(err)
		}
		t.peers = append(t.peers, p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() { result <- e.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-result; err != nil {
			tb.Error(err)
		}
	})
	return t
}

// backOff is how long the benchmark waits for room: it must not burn the CPU time that is measured.
const backOff = 50 * time.Microsecond

// deliver hands over one ack, as a network would: in a pooled buffer that it was read into. It waits for room if need be.
func (t *target) deliver(lane int, height uint64, validator int) {
	if chunk := (wire.Chunk{Sequencer: t.lanes[lane], Height: height}); chunk != t.at || t.head == nil {
		t.at, t.head = chunk, chunk.AppendTo(t.head[:0])
	}
	for {
		b := wire.NewBuffer()
		b.Append(t.head)
		b.Append(t.tails[validator])
		err := t.peers[validator].DeliverAck(b)
		if err == nil {
			return
		}
		if !errors.Is(err, engine.ErrPeerFull) {
			t.tb.Fatal(err)
		}
		time.Sleep(backOff)
	}
}

// settled waits until the validator's messages have been taken in.
func (t *target) settled(validator int) {
	for t.peers[validator].Waiting() > 0 {
		runtime.Gosched()
	}
}

// await holds a lane back while its certificates lag: acks further up would be out of bounds.
func (t *target) await(lane int, height uint64) {
	for began := time.Now(); int64(height) > t.tops[lane].Load()+12; time.Sleep(backOff) {
		if time.Since(began) > patience {
			t.tb.Fatalf("lane %d does not grow above height %d", lane, t.tops[lane].Load())
		}
	}
}

func (t *target) demandAccepted(acks uint64) {
	t.tb.Helper()
	s, err := t.e.Status(context.Background())
	if err != nil || s.Counters.AcksAccepted != acks {
		t.tb.Fatalf("%d of %d acks were accepted, %v", s.Counters.AcksAccepted, acks, err)
	}
}

func TestAnAckThatCompletesNoQuorumAllocatesNothing(t *testing.T) {
	skipUnderRaceDetector(t)
	const validators, lanes, heights = 100, 4, 16
	quorum := verify.Quorum(validators)
	target := newTarget(t, validators, lanes, engine.DefaultPeerQuota)
	var acks uint64
	for lane := range lanes { // warm-up: the slots are opened
		for height := range uint64(heights) {
			for validator := range 2 {
				target.deliver(lane, height, validator)
				acks++
			}
		}
	}
	target.settled(0)
	target.settled(1)
	runs := lanes * heights * (quorum - 3)
	i := 0
	allocations := testing.AllocsPerRun(runs-1, func() { // it calls once more
		validator := 2 + i%(quorum-3)
		subject := i / (quorum - 3)
		target.deliver(subject%lanes, uint64(subject/lanes), validator)
		target.settled(validator)
		i++
	})
	target.demandAccepted(acks + uint64(i))
	if allocations != 0 {
		t.Errorf("an ack allocates %v times", allocations)
	}
	if target.locks.Load() != 0 {
		t.Errorf("%d quorums were completed", target.locks.Load())
	}
}

func TestACertificateAllocatesAtMostTwentyTimes(t *testing.T) {
	skipUnderRaceDetector(t)
	const validators, lanes = 100, 4
	quorum := verify.Quorum(validators)
	target := newTarget(t, validators, lanes, engine.DefaultPeerQuota)
	height, lane := uint64(0), 0
	certify := func() {
		for validator := range quorum {
			target.deliver(lane, height, validator)
		}
		want := target.locks.Load() + 1
		target.settled(quorum - 1)
		for target.locks.Load() < want {
			runtime.Gosched()
		}
		if lane++; lane == lanes {
			lane, height = 0, height+1
		}
	}
	for range 50 {
		certify()
	}
	allocations := testing.AllocsPerRun(200, certify)
	t.Logf("%v allocations for a certificate of %d acks", allocations, quorum)
	target.demandAccepted(uint64(251 * quorum))
	if allocations > 20 {
		t.Errorf("a certificate allocates %v times", allocations)
	}
}

// BenchmarkEngineAck is the whole path of an ack but the cryptography, from Deliver on, certificates, journal and reports
// included: one goroutine delivers a quorum for every chunk, 64 lanes grow. cpu-ns/op is the CPU time of all threads for
// an ack, what delivering it costs included: on a busy machine that is the number to trust. About 4000 acks wait at
// most; saturated has all quotas of the default size full, 100,000 acks, whose buffers no cache holds.
func BenchmarkEngineAck(b *testing.B) {
	poison.Switch(false)
	defer poison.Switch(true)
	for _, c := range []struct {
		name              string
		validators, quota int
	}{
		{"n=4", 4, 1024}, {"n=100", 100, 32}, {"n=300", 300, 12},
		{"n=100/saturated", 100, engine.DefaultPeerQuota},
	} {
		b.Run(c.name, func(b *testing.B) {
			const lanes = 64
			target := newTarget(b, c.validators, lanes, c.quota)
			quorum := verify.Quorum(c.validators)
			lane, height, validator := 0, uint64(0), 0
			b.ReportAllocs()
			b.ResetTimer()
			began := cpuTime()
			for range b.N {
				if validator == 0 {
					target.await(lane, height)
				}
				// Who comes first opens the slot and is charged for it: all take turns.
				target.deliver(lane, height, (validator+lane+int(height))%c.validators)
				if validator++; validator == quorum {
					validator = 0
					if lane++; lane == lanes {
						lane, height = 0, height+1
					}
				}
			}
			for v := range c.validators {
				target.settled(v)
			}
			b.StopTimer()
			b.ReportMetric(float64((cpuTime()-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
			target.demandAccepted(uint64(b.N))
			b.ReportMetric(float64(target.locks.Load())/b.Elapsed().Seconds(), "certificates/s")
		})
	}
}
