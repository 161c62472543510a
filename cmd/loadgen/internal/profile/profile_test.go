package profile

import (
	"bytes"
	"math"
	"runtime/pprof"
	"testing"
	"time"
)

func TestAProfileIsReadByPart(t *testing.T) {
	var raw bytes.Buffer
	if err := pprof.StartCPUProfile(&raw); err != nil {
		t.Skip(err)
	}
	x := 0.0
	spin := func(d time.Duration) {
		for began := time.Now(); time.Since(began) < d; {
			x += math.Sqrt(x + 1)
		}
	}
	spin(150 * time.Millisecond)
	Labelled("generator", func() { spin(300 * time.Millisecond) })
	pprof.StopCPUProfile()
	parts, err := Read(raw.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, p := range parts {
		sum += p.Seconds
	}
	if sum > 0.3 {
		t.Errorf("the generator's work is counted: %v", parts)
	}
	if _, err := Read([]byte("no profile")); err == nil {
		t.Error("garbage is read")
	}
}
