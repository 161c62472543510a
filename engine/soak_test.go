package engine_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/verify"
)

// resident returns the process's resident memory in bytes, 0 on systems that do not report it this
// way.
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

// An engine reads acks of 100 validators on 64 lanes as fast as it can. With a scheme that accepts
// everything, that is a hundred times as fast as cryptography would allow. Its memory does not
// grow: after a fifth of the time it is as much as at the end. LANECAST_SOAK=10m makes that ten
// minutes.
func TestMemoryStaysWhereItIsUnderSaturation(t *testing.T) {
	duration, long := time.Second, false
	if s := os.Getenv("LANECAST_SOAK"); s != "" {
		var err error
		if duration, err = time.ParseDuration(s); err != nil {
			t.Fatalf("LANECAST_SOAK: %v", err)
		}
		long = true
		poison.Switch(false)
		defer poison.Switch(true)
	}
	// The measurement starts when every lane has as many heights as it remembers, and more.
	const validators, lanes, samples, warmUp = 100, 64, 20, 24
	target := newAckRig(t, validators, lanes, engine.DefaultPeerQuota)
	quorum := verify.Quorum(validators)
	var early int
	var earlyHeap int64
	var acks uint64
	heap := func() int64 { // once nothing waits
		eventually(t, "every chunk is certified", func() bool { return target.locks.Load() == int64(acks)/int64(quorum) })
		return heapInUse()
	}
	began := time.Now()
	for height, sampled := uint64(0), 0; sampled < samples; height++ {
		for lane := range lanes {
			target.await(lane, height)
			for i := range quorum {
				target.deliver(lane, height, (i+lane+int(height))%validators)
			}
			acks += uint64(quorum)
		}
		if height < warmUp {
			began = time.Now()
			continue
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
