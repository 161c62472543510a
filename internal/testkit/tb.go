package testkit

import (
	"time"

	"github.com/lanecast/lanecast/verify"
)

// Patience is the time limit of Eventually: far longer than any operation takes on a busy machine.
const Patience = 60 * time.Second

// TB is the part of testing.TB that this package uses.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Eventually polls until holds returns true. It fails the test if that takes longer than Patience;
// what completes the sentence "waited in vain until …".
func Eventually(t TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain until %s", Patience, what)
		}
	}
}

// MustSet makes a set as New does, with BLS signatures in G1 and compressed acks. It fails the test
// if New returns an error.
func MustSet(t TB, kind Kind, n int, namespace []byte, seed uint64) *Set {
	t.Helper()
	s, err := New(kind, verify.MinSig, verify.Compressed, n, namespace, seed)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return s
}
