package profile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/pprof"
	"slices"
	"strings"

	format "github.com/google/pprof/profile"
)

// partNames maps functions to kinds of work. A sample belongs to the first function, innermost
// first, that has one of these prefixes; the first prefix that fits counts.
// TestThePartsOfAProfileNameFunctionsThatExist finds prefixes that a renamed function has left
// behind.
var partNames = []struct{ prefix, name string }{
	{"github.com/lanecast/lanecast/verify.(*blsSigner)", "own acks"},
	{"github.com/lanecast/lanecast/verify.(*ed25519Signer)", "own acks"},
	{"github.com/lanecast/lanecast/verify.(*secp256r1Signer)", "own acks"},
	{"github.com/lanecast/lanecast/verify.(*ChunkVerifier)", "chunk signatures"},
	{"github.com/lanecast/lanecast/internal/inbox.", "inbox"},
	{"github.com/lanecast/lanecast/verify/internal/curve.(*Backend).PairingsCancel", "pairings"},
	{"github.com/lanecast/lanecast/verify/internal/curve.(*Backend).Read", "reading points"},
	{"github.com/lanecast/lanecast/verify/internal/curve.(*Backend).Hash", "hashing to the curve"},
	{"github.com/lanecast/lanecast/verify", "other curve arithmetic"},
	{"github.com/lanecast/lanecast/journal", "journal"},
	{"github.com/lanecast/lanecast/internal/core", "protocol"},
	{"github.com/lanecast/lanecast/aggregate", "protocol"},
	{"github.com/lanecast/lanecast/wire", "protocol"},
	{"github.com/lanecast/lanecast/engine", "driver"},
	{"github.com/lanecast/lanecast/internal/simnet", "simulated network"},
	{"crypto/tls.", "TLS and sockets"},
	{"github.com/lanecast/lanecast/network", "network"},
	{"github.com/lanecast/lanecast/payload", "hashes of bodies"},
	{"github.com/lanecast/lanecast/archive", "archive"},
	{"github.com/lanecast/lanecast/cmd/loadgen/internal/bodies", "bodies made and checked"},
	{"github.com/lanecast/lanecast/replica", "replicas"},
	{"main.", "this tool's reporter and samples"},
	{"github.com/lanecast/lanecast/cmd/loadgen", "this tool's reporter and samples"},
	{"runtime.gcBgMarkWorker", "garbage collection"},
	{"runtime.", "scheduler"},
}

// Part is a kind of work and its CPU time, from a profile.
type Part struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"cpu_s"`
}

// Labelled runs f with a profiling label, which its samples have and those of goroutines that it
// starts.
func Labelled(role string, f func()) {
	pprof.Do(context.Background(), pprof.Labels("role", role), func(context.Context) { f() })
}

// Read sums up the CPU time of a profile by part, in seconds, without samples that have a role
// label.
func Read(raw []byte) ([]Part, error) {
	p, err := format.ParseData(raw)
	if err != nil {
		return nil, fmt.Errorf("reading a profile: %w", err)
	}
	cpu := slices.IndexFunc(p.SampleType, func(t *format.ValueType) bool { return t.Type == "cpu" && t.Unit == "nanoseconds" })
	if cpu < 0 {
		return nil, errors.New("reading a profile: it is not about CPU time")
	}
	seconds := make(map[string]float64)
	for _, s := range p.Sample {
		if len(s.Label) == 0 {
			seconds[partOf(s)] += float64(s.Value[cpu]) / 1e9
		}
	}
	var parts []Part
	for _, n := range slices.Sorted(maps.Keys(seconds)) {
		parts = append(parts, Part{n, seconds[n]})
	}
	return parts, nil
}

// partOf returns the part that a sample belongs to.
func partOf(s *format.Sample) string {
	best := "other"
	for _, l := range s.Location { // innermost first
		for _, line := range l.Line {
			if line.Function == nil {
				continue
			}
			for _, n := range partNames {
				if !strings.HasPrefix(line.Function.Name, n.prefix) {
					continue
				}
				if n.name != "scheduler" && n.name != "other curve arithmetic" {
					return n.name
				}
				if n.name == "other curve arithmetic" || best == "other" {
					best = n.name
				}
				break
			}
		}
	}
	return best
}
