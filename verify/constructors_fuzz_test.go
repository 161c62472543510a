package verify_test

import (
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// FuzzConstructingASchemeNeverPanics builds validator sets from arbitrary bytes, cut into keys and
// proofs of right or wrong lengths. Every set that is accepted must be usable.
func FuzzConstructingASchemeNeverPanics(f *testing.F) {
	for _, variant := range []verify.Variant{verify.MinSig, verify.MinPk} {
		set, err := testkit.New(testkit.Multisig, variant, verify.Compressed, 4, []byte("fuzz"), 1)
		if err != nil {
			f.Fatal(err)
		}
		dealt, err := testkit.New(testkit.Threshold, variant, verify.Compressed, 4, []byte("fuzz"), 1)
		if err != nil {
			f.Fatal(err)
		}
		var proven, shares []byte
		for i, key := range set.PublicKeys {
			proven = append(append(proven, key...), set.Secrets[i].ProofOfPossession([]byte("fuzz"))...)
			shares = append(shares, dealt.PublicKeys[i]...)
		}
		f.Add(uint8(variant), uint8(4), uint8(0), proven)
		f.Add(uint8(variant), uint8(4), uint8(0), append(append([]byte(nil), dealt.GroupKey...), shares...))
		f.Add(uint8(variant), uint8(4), uint8(1), proven[:len(proven)-1])
	}
	f.Add(uint8(9), uint8(0), uint8(0), []byte{})
	f.Fuzz(func(t *testing.T, variant, count, short uint8, input []byte) {
		options := verify.Config{Namespace: []byte("fuzz"), Variant: verify.Variant(variant % 3)}
		keySize := 96
		if variant%3 == 1 {
			keySize = 48
		}
		take := func(size int) []byte {
			size = min(max(0, size-int(short%4)), len(input))
			b := input[:size]
			input = input[size:]
			return b
		}
		whole := input
		n := int(count % 8)
		validators := make([]verify.Validator, n)
		identities := make([]wire.PublicKey, n)
		for i := range validators {
			identities[i] = wire.PublicKey{byte(i) % max(1, count%5)} // sometimes twice
			validators[i] = verify.Validator{Identity: identities[i], Key: take(keySize), Proof: take(144 - keySize)}
		}
		if s, err := verify.NewMultisig(options, validators); (err == nil) != (s != nil) {
			t.Fatalf("a set %v and the error %v", s, err)
		} else if err == nil {
			usable(t, s, n)
		}
		if s, err := verify.NewMultisigFromProvenKeys(options, validators); err == nil {
			usable(t, s, n)
		}
		input = whole
		group, shares := take(keySize), make([][]byte, n)
		for i := range shares {
			shares[i] = take(keySize)
		}
		if s, err := verify.NewThreshold(options, identities, group, shares); err == nil {
			usable(t, s, n)
		}
		if s, err := verify.NewEd25519(options.Namespace, identities); err == nil {
			usable(t, s, n)
		}
		for i := range validators {
			validators[i].Proof = nil
		}
		if s, err := verify.NewSecp256r1(options.Namespace, validators); err == nil {
			usable(t, s, n)
		}
	})
}

// usable fails the test unless a set has its members in order and refuses an empty certificate.
func usable(t *testing.T, s verify.Scheme, n int) {
	if len(s.Participants()) != n || s.Format().Participants != n {
		t.Fatalf("a set of %d with %d participants", n, len(s.Participants()))
	}
	for i, id := range s.Participants() {
		if p, ok := s.Index(id); !ok || int(p) != i {
			t.Fatalf("participant %d is number %d", i, p)
		}
	}
	if verify.VerifyCertificate(s, wire.Subject{}, nil) == nil {
		t.Fatal("an empty certificate verifies")
	}
}
