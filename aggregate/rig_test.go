package aggregate_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// scheme is a Scheme of which nothing is asked but its format: this package does no cryptography.
type scheme struct {
	verify.Scheme
	n, size int
}

func (s scheme) Format() wire.Format {
	return wire.Format{Kind: wire.SingleSignature, Participants: s.n, Signature: s.size, AckSignature: s.size}
}

const plenty = 1 << 20

func newTable(limit int) *aggregate.Table {
	return aggregate.NewTable(aggregate.Config{MaxBytes: limit, Poison: true})
}

func payload(i int) wire.Digest { return wire.Digest{byte(i), 0xD1} }

// signature returns what participant i votes with for payload p.
func signature(i wire.Participant, p, size int) []byte {
	b := make([]byte, size)
	for k := range b {
		b[k] = byte(int(i)*7 + p*3 + k)
	}
	return b
}

func open(t *testing.T, l *aggregate.Lane, k aggregate.Key, s verify.Scheme) *aggregate.Slot {
	t.Helper()
	slot := l.Open(k, s, false, nil)
	if slot == nil {
		t.Fatalf("no room for %v", k)
	}
	return slot
}

// vote delivers the votes of participants for payload p, and returns the candidate.
func vote(t *testing.T, s *aggregate.Slot, p, size int, participants ...wire.Participant) *aggregate.Candidate {
	t.Helper()
	var c *aggregate.Candidate
	for _, i := range participants {
		result, to := s.Vote(i, payload(p), signature(i, p, size))
		if result != aggregate.Counted {
			t.Fatalf("vote of %d: %v", i, result)
		}
		c = to
	}
	return c
}

func signers(n int, participants ...wire.Participant) wire.Signers {
	s := wire.NewSigners(n)
	for _, i := range participants {
		s.Add(i)
	}
	return s
}

func expect[T comparable](t rapid.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}
