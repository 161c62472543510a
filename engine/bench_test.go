package engine_test

import (
	"runtime"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/verify"
)

func TestAnAckThatCompletesNoQuorumAllocatesNothing(t *testing.T) {
	skipUnderRaceDetector(t)
	const validators, lanes, heights = 100, 4, 16
	quorum := verify.Quorum(validators)
	target := newAckRig(t, validators, lanes, engine.DefaultPeerQuota)
	var acks uint64
	for lane := range lanes { // warm-up: opens the slots
		for height := range uint64(heights) {
			for validator := range 2 {
				target.deliver(lane, height, validator)
				acks++
			}
		}
	}
	target.awaitRead(0)
	target.awaitRead(1)
	runs := lanes * heights * (quorum - 3)
	i := 0
	allocations := testing.AllocsPerRun(runs-1, func() { // AllocsPerRun makes one more call
		validator := 2 + i%(quorum-3)
		subject := i / (quorum - 3)
		target.deliver(subject%lanes, uint64(subject/lanes), validator)
		target.awaitRead(validator)
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
	target := newAckRig(t, validators, lanes, engine.DefaultPeerQuota)
	height, lane := uint64(0), 0
	certify := func() {
		for validator := range quorum {
			target.deliver(lane, height, validator)
		}
		want := target.locks.Load() + 1
		target.awaitRead(quorum - 1)
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

// BenchmarkEngineAck is the whole path of an ack except the cryptography, from Deliver on,
// including certificates, journal and reports: one goroutine delivers a quorum for every chunk, and
// 64 lanes grow. cpu-ns/op is the CPU time of all threads per ack, including its delivery: on a
// busy machine that number is the reliable one. About 4000 acks wait at most; in saturated all
// quotas of the default size are full, with 100,000 acks, whose buffers fit in no cache.
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
			target := newAckRig(b, c.validators, lanes, c.quota)
			quorum := verify.Quorum(c.validators)
			lane, height, validator := 0, uint64(0), 0
			b.ReportAllocs()
			b.ResetTimer()
			began := cpuTime()
			for range b.N {
				if validator == 0 {
					target.await(lane, height)
				}
				// The first ack opens the slot and is charged for it: validators take turns.
				target.deliver(lane, height, (validator+lane+int(height))%c.validators)
				if validator++; validator == quorum {
					validator = 0
					if lane++; lane == lanes {
						lane, height = 0, height+1
					}
				}
			}
			for v := range c.validators {
				target.awaitRead(v)
			}
			b.StopTimer()
			b.ReportMetric(float64((cpuTime()-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
			target.demandAccepted(uint64(b.N))
			b.ReportMetric(float64(target.locks.Load())/b.Elapsed().Seconds(), "certificates/s")
		})
	}
}
