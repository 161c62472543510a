package verify_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
)

// 1: SHA-256 over varint len ‖ scheme's name ‖ varint n ‖ n × (identity ‖ signing key ‖ varint
// weight).
func TestTheDigestOfASetIsThatOfTheSpecification(t *testing.T) {
	weights := []uint64{300, 1, 7}
	for _, c := range []struct {
		name string
		set  *testkit.Set
	}{
		{"multisig-minsig", newWeightedSet(t, schemeCase{kind: testkit.Multisig}, 1, weights...)},
		{"multisig-minpk", newWeightedSet(t, schemeCase{kind: testkit.Multisig, variant: verify.MinPk}, 1, weights...)},
		{"threshold-minsig", newSet(t, schemeCase{kind: testkit.Threshold}, 3, 1)},
		{"threshold-minpk", newSet(t, schemeCase{kind: testkit.Threshold, variant: verify.MinPk}, 3, 1)},
		{"secp256r1", newWeightedSet(t, schemeCase{kind: testkit.Secp256r1}, 1, weights...)},
		{"ed25519", newWeightedSet(t, schemeCase{kind: testkit.Ed25519}, 1, weights...)},
	} {
		b := append(binary.AppendUvarint(nil, uint64(len(c.name))), c.name...)
		b = append(b, 3)
		for i, id := range c.set.Scheme.Participants() {
			b = append(append(b, id[:]...), c.set.PublicKeys[i]...)
			w := uint64(1)
			if c.set.GroupKey == nil {
				w = weights[i]
			}
			b = binary.AppendUvarint(b, w)
		}
		if got := digestOf(t, c.set.Scheme); got != sha256.Sum256(b) {
			t.Errorf("%s: %x", c.name, got)
		}
	}
	// A constant, so that a change of both the code and the test's computation is noticed.
	got := digestOf(t, newSet(t, schemeCase{kind: testkit.Ed25519}, 4, 1).Scheme)
	if want := "1a5f47c31986148dde4467216f29aa862e540ba5d743ccf1c80153aaa9596b60"; hex.EncodeToString(got[:]) != want {
		t.Errorf("four validators: %x", got)
	}
}

func digestOf(t *testing.T, s verify.Scheme) [32]byte {
	t.Helper()
	d, ok := s.(interface{ Digest() [32]byte })
	if !ok {
		t.Fatalf("a %T has no digest", s)
	}
	return d.Digest()
}

func TestSetsThatDifferHaveDifferentDigests(t *testing.T) {
	seen := map[[32]byte]int{}
	for i, set := range []*testkit.Set{
		newSet(t, schemeCase{kind: testkit.Ed25519}, 4, 1), newSet(t, schemeCase{kind: testkit.Ed25519}, 4, 2),
		newSet(t, schemeCase{kind: testkit.Ed25519}, 3, 1), newWeightedSet(t, schemeCase{kind: testkit.Ed25519}, 1, 1, 1, 1, 2),
		newSet(t, schemeCase{kind: testkit.Secp256r1}, 4, 1), newSet(t, schemeCase{kind: testkit.Secp256r1}, 4, 2),
		newSet(t, schemeCase{kind: testkit.Multisig}, 4, 1), newSet(t, schemeCase{kind: testkit.Multisig}, 4, 2),
		newSet(t, schemeCase{kind: testkit.Threshold}, 4, 1), newSet(t, schemeCase{kind: testkit.Threshold}, 4, 2),
	} {
		d := digestOf(t, set.Scheme)
		if before, ok := seen[d]; ok {
			t.Errorf("sets %d and %d have one digest", before, i)
		}
		seen[d] = i
	}
	// The encoding of acks and the namespace are not part of the digest.
	a := newSet(t, schemeCase{kind: testkit.Multisig}, 4, 1)
	b := newSet(t, schemeCase{kind: testkit.Multisig, acks: verify.Uncompressed}, 4, 1)
	if digestOf(t, a.Scheme) != digestOf(t, b.Scheme) {
		t.Error("the encoding of acks is in the digest")
	}
}
