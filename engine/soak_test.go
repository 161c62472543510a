package engine_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/verify"
)

// resident is the process's resident memory in bytes, 0 where the system does not tell it this way.
func resident() (bytes int) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var total, pages int
	if _, err := fmt.Sscan(string(statm), &total, &pages); err != nil {
		return 0
	}
	return pages * os.Getpagesize()
}

// An engine takes acks as fast as it can, of 100 validators on 64 lanes; a scheme that accepts everything makes that a
// hundred times as fast as cryptography would let it be. Its memory does not grow: after a fifth of the time it is what
// it is at the end. LANECAST_SOAK=10m makes that ten minutes.
func TestMemoryStaysWhereItIsUnderSaturation(t *testing.T) {
	duration, long := 2*time.Second, false
	if s := os.Getenv("LANECAST_SOAK"); s != "" {
		var err error
		if duration, err = time.ParseDuration(s); err != nil {
			t.Fatalf("LANECAST_SOAK: %v", err)
		}
		long = true
		poison.Switch(false)
		defer poison.Switch(true)
	}
	const validators, lanes, samples = 100, 64, 20
	target := newTarget(t, validators, lanes, engine.DefaultPeerQuota)
	quorum := verify.Quorum(validators)
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	var early, earlyHeap int
	var acks uint64
	began := time.Now()
	for height, sampled := uint64(0), 0; sampled < samples; height++ {
		for lane := range lanes {
			target.await(lane, height)
			for i := range quorum {
				target.deliver(lane, height, (i+lane+int(height))%validators)
			}
			acks += uint64(quorum)
		}
		if time.Since(began) < duration*time.Duration(sampled+1)/samples {
			continue
		}
		sampled++
		now := resident()
		if long {
			t.Logf("%v: %d acks, %d certificates, %.1f MiB resident", time.Since(began).Round(time.Second), acks, target.locks.Load(), float64(now)/(1<<20))
		}
		switch sampled {
		case samples / 5:
			early, earlyHeap = now, heap()
		case samples:
			for v := range validators {
				target.settled(v)
			}
			if late := heap(); late > earlyHeap+earlyHeap/5+4<<20 {
				t.Errorf("%d bytes on the heap at the end, %d after a fifth of the time", late, earlyHeap)
			}
			if long && early > 0 && (now > early+early/10 || now < early-early/10) {
				t.Errorf("%d bytes resident at the end, %d after a fifth of the time", now, early)
			}
		}
	}
	target.demandAccepted(acks)
	t.Logf("%d acks in %v", acks, time.Since(began).Round(time.Millisecond))
}
