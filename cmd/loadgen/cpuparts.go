package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"runtime/pprof"
	"strings"
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
	{"main.", "this tool's reporter and samples"},
	{"github.com/lanecast/lanecast/cmd/loadgen", "this tool's reporter and samples"},
	{"runtime.gcBgMarkWorker", "garbage collection"},
	{"runtime.", "scheduler"},
}

// labelled runs f with a profiling label, which its samples have and those of goroutines that it
// starts.
func labelled(role string, f func()) {
	pprof.Do(context.Background(), pprof.Labels("role", role), func(context.Context) { f() })
}

var errProfile = errors.New("not a CPU profile")

// readParts sums up the CPU time of a profile by part, in seconds, without samples that have a role
// label.
func readParts(profile []byte) ([]part, error) {
	z, err := gzip.NewReader(bytes.NewReader(profile))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	p := profileTables{functions: make(map[uint64]uint64), locations: make(map[uint64][]uint64)}
	if err := p.read(raw); err != nil {
		return nil, err
	}
	seconds := make(map[string]float64)
	for _, s := range p.samples {
		if !s.labelled {
			seconds[p.name(s)] += s.seconds
		}
	}
	var parts []part
	for _, n := range sortedKeys(seconds) {
		parts = append(parts, part{n, seconds[n]})
	}
	return parts, nil
}

// name returns the part that a sample belongs to.
func (p *profileTables) name(s profileSample) string {
	best := "other"
	for _, l := range s.locations { // innermost first
		for _, f := range p.locations[l] {
			function := p.text(p.functions[f])
			for _, n := range partNames {
				if !strings.HasPrefix(function, n.prefix) {
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

// profileTables holds the parts of a profile that readParts needs, in the format of
// github.com/google/pprof/proto/profile.proto.
type profileTables struct {
	strings   []string
	functions map[uint64]uint64   // id to index of name
	locations map[uint64][]uint64 // id to functions, innermost first
	samples   []profileSample
}

type profileSample struct {
	locations []uint64
	seconds   float64
	labelled  bool
}

func (p *profileTables) text(i uint64) string {
	if i < uint64(len(p.strings)) {
		return p.strings[i]
	}
	return ""
}

func (p *profileTables) read(raw []byte) error {
	return eachField(raw, func(field int, _ uint64, b []byte) error {
		switch field {
		case 2:
			s, err := readSample(b)
			p.samples = append(p.samples, s)
			return err
		case 4:
			return p.readLocation(b)
		case 5:
			var id, name uint64
			err := eachField(b, func(field int, v uint64, _ []byte) error {
				switch field {
				case 1:
					id = v
				case 2:
					name = v
				}
				return nil
			})
			p.functions[id] = name
			return err
		case 6:
			p.strings = append(p.strings, string(b))
		}
		return nil
	})
}

func (p *profileTables) readLocation(b []byte) error {
	var id uint64
	var functions []uint64
	err := eachField(b, func(field int, v uint64, line []byte) error {
		switch field {
		case 1:
			id = v
		case 4:
			return eachField(line, func(field int, v uint64, _ []byte) error {
				if field == 1 {
					functions = append(functions, v)
				}
				return nil
			})
		}
		return nil
	})
	p.locations[id] = functions
	return err
}

// readSample reads a sample; its second value is nanoseconds.
func readSample(b []byte) (s profileSample, err error) {
	var values []uint64
	err = eachField(b, func(field int, v uint64, packed []byte) error {
		switch field {
		case 1:
			s.locations = appendPacked(s.locations, v, packed)
		case 2:
			values = appendPacked(values, v, packed)
		case 3:
			s.labelled = true
		}
		return nil
	})
	if len(values) > 1 {
		s.seconds = float64(values[1]) / 1e9
	}
	return s, err
}

func appendPacked(dst []uint64, v uint64, packed []byte) []uint64 {
	if packed == nil {
		return append(dst, v)
	}
	for len(packed) > 0 {
		v, n := binary.Uvarint(packed)
		if n <= 0 {
			break
		}
		dst, packed = append(dst, v), packed[n:]
	}
	return dst
}

// eachField calls f for every field of a protocol buffer, with its value or its bytes.
func eachField(b []byte, f func(field int, v uint64, bytes []byte) error) error {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			return errProfile
		}
		b = b[n:]
		var value uint64
		var inner []byte
		switch key & 7 {
		case 0:
			if value, n = binary.Uvarint(b); n <= 0 {
				return errProfile
			}
			b = b[n:]
		case 2:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return errProfile
			}
			inner, b = b[n:n+int(size):n+int(size)], b[n+int(size):]
		default:
			return errProfile
		}
		if err := f(int(key>>3), value, inner); err != nil {
			return err
		}
	}
	return nil
}
