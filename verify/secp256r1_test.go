package verify_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// points returns validators of a secp256r1 set and their secret keys.
func points(t *testing.T, n int) (validators []verify.Validator, keys []*ecdsa.PrivateKey) {
	t.Helper()
	for i, id := range ids(n) {
		k, err := testkit.Secp256r1Key(3, uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		public, err := testkit.CompressSecp256r1(&k.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		validators, keys = append(validators, verify.Validator{Identity: id, Key: public}), append(keys, k)
	}
	return validators, keys
}

func TestASecp256r1SetNamesTheValidatorWhoseKeyIsWrong(t *testing.T) {
	good, _ := points(t, 4)
	key := good[1].Key
	for what, c := range map[string]struct {
		change func(v *verify.Validator)
		want   error
	}{
		"no key":              {func(v *verify.Validator) { v.Key = nil }, verify.ErrKey},
		"a key of 32 bytes":   {func(v *verify.Validator) { v.Key = key[:32] }, verify.ErrKey},
		"a key of 65 bytes":   {func(v *verify.Validator) { v.Key = append([]byte{4}, make([]byte, 64)...) }, verify.ErrKey},
		"compact form":        {func(v *verify.Validator) { v.Key = append([]byte{5}, key[1:]...) }, verify.ErrKey},
		"x not reduced":       {func(v *verify.Validator) { v.Key = bytes.Repeat([]byte{2, 0xff}, 33)[1:34] }, verify.ErrKey},
		"another's key":       {func(v *verify.Validator) { v.Key = good[2].Key }, verify.ErrValidatorSet},
		"another's identity":  {func(v *verify.Validator) { v.Identity = good[2].Identity }, verify.ErrValidatorSet},
		"a proof":             {func(v *verify.Validator) { v.Proof = []byte{1} }, verify.ErrValidatorSet},
		"a weight, alone":     {func(v *verify.Validator) { v.Weight = 1 }, verify.ErrValidatorSet},
		"more than all power": {func(v *verify.Validator) { v.Weight = verify.MaxWeight + 1 }, verify.ErrValidatorSet},
	} {
		validators := slices.Clone(good)
		c.change(&validators[1])
		_, err := verify.NewSecp256r1(namespace, validators)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), "validator") {
			t.Errorf("%s: %v", what, err)
		}
	}
	slices.Reverse(good)
	s, err := verify.NewSecp256r1(namespace, good)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.Participants(), ids(4)) {
		t.Errorf("participants %v", s.Participants())
	}
}

func TestASecp256r1SignerIsOfTheSetAndKeepsItsKey(t *testing.T) {
	validators, keys := points(t, 4)
	s, err := verify.NewSecp256r1(namespace, validators)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		key  *ecdsa.PrivateKey
		want error
	}{
		"stranger": {stranger, verify.ErrNotValidator}, "P-384": {other, verify.ErrKey},
		"none": {nil, verify.ErrKey}, "empty": {new(ecdsa.PrivateKey), verify.ErrKey},
	} {
		if _, err := s.Signer(c.key); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	signer, err := s.Signer(keys[2])
	if err != nil {
		t.Fatal(err)
	}
	secret, err := keys[2].Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprintf("%v %+v %#v %x", signer, signer, signer, signer); strings.Contains(shown, fmt.Sprintf("%x", secret)) {
		t.Errorf("the signer shows its key: %s", shown)
	}
	first, err := signer.SignAck(context.Background(), subject(1))
	if err != nil {
		t.Fatal(err)
	}
	*keys[2] = *stranger // the signer has its own copy of the key
	again, err := signer.SignAck(context.Background(), subject(1))
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("signed %x, then %x: %v", first, again, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := signer.SignAck(ctx, subject(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("signed after the context ended: %v", err)
	}
}

// docs/protocol.md 2: an ECDSA signature has the lower s. With the higher one, which ECDSA itself
// accepts, it is no vote and in no certificate.
func TestRule2_ASignatureWithTheHigherSIsNone(t *testing.T) {
	set := newSet(t, schemeCase{kind: testkit.Secp256r1}, 4, 1)
	s := statement(t, set, subject(5), 0, 1, 2)
	certificate := certify(t, s)
	good := bytes.Clone(s.Vote(1))
	place(s, 1, append(bytes.Clone(good[:32]), negated256(good[32:])...))
	one := []wire.Participant{1}
	if c, unreadable := set.Scheme.Combine(s, s.Signers); c != nil || !slices.Equal(unreadable, one) {
		t.Errorf("combination %v, unreadable %v", c, unreadable)
	}
	if got := set.Scheme.InvalidVotes(s, s.Signers); !slices.Equal(got, one) {
		t.Errorf("proven invalid: %v", got)
	}
	at := bytes.Index(certificate, good) + 32
	copy(certificate[at:], negated256(good[32:]))
	if err := verify.VerifyCertificate(set.Scheme, subject(5), certificate); !errors.Is(err, verify.ErrCertificate) {
		t.Errorf("a certificate with a high s: %v", err)
	}
}
